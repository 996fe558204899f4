"""The audit reads the owner's lists, and names what must not stand in them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.audit.audit import audit_grants
from regrant.audit.found import Audit, AuditEvent
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.iam.policy import Policy
from regrant.model.aws import Attachments
from tests.unit.fakes import BACKEND_ROLE, OLD_ROLE, RECEIVE, ROLE, SEND, WORKER_ROLE, World, at


def everything_of(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": f"{service}:*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def account() -> World:
    world = World()
    world.roles.others = {arn: replace(ROLE, arn=arn) for arn in (WORKER_ROLE, BACKEND_ROLE)}
    return world


def look(world: World, hours: float = 1, *, dry_run: bool = False) -> Audit:
    return audit_grants(AuditEvent(at(hours * 3600), dry_run), world)


def wrong() -> World:
    world = account()
    world.roles.documents[SEND] = everything_of("sqs")
    nobodys: dict[str, Any] = {"Statement": []}
    world.roles.others[BACKEND_ROLE] = replace(ROLE, arn=BACKEND_ROLE, trust=nobodys)
    return world


def test_lists_in_which_all_is_well_are_no_news() -> None:
    world = account()
    assert look(world).neglected == () and world.topic.sent == []


def test_a_role_and_a_policy_that_must_not_be_listed_are_named_with_the_reason() -> None:
    found = look(wrong(), dry_run=True).neglected
    assert [(one.state, one.subject, one.waits) for one in found] == [
        ("refused list entry", BACKEND_ROLE, True),
        ("refused list entry", SEND, True),
    ]
    assert [one.why.partition(":")[0] for one in found] == [
        "ROLE_NOT_FOR_TASKS",
        "POLICY_CHANGES_PERMISSIONS",
    ]


def test_a_policy_that_may_invoke_the_stacks_functions_is_named() -> None:
    world = account()
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}
    world.roles.documents[SEND] = {"Version": "2012-10-17", "Statement": [statement]}
    ((subject, why),) = [(one.subject, one.why) for one in look(world, dry_run=True).neglected]
    assert subject == SEND and why.startswith("REACHES_THE_STACK: prod-retainwise-sqs-send lets its holder")
    assert "lambda:InvokeFunction on function:regrant-open-incident" in why


def test_the_topic_is_notified_once_of_each_and_again_when_it_is_wrong_in_another_way() -> None:
    world = wrong()
    for hours in (1, 2):
        look(world, hours)
    ((subject, message),) = world.topic.sent
    assert subject == "AUDIT 2 refused list entry" and SEND in message and "sqs:AddPermission" in message
    world.roles.documents[SEND] = everything_of("kms")
    look(world, 3)
    assert [subject for subject, _ in world.topic.sent][1:] == ["AUDIT 1 refused list entry"]


def test_what_was_repaired_and_is_wrong_again_is_notified_of_again() -> None:
    world = wrong()
    right, bad = account(), wrong()
    for hours, roles in enumerate((bad.roles, right.roles, right.roles, bad.roles, bad.roles), 1):
        world.roles = roles
        look(world, hours)
    assert [subject for subject, _ in world.topic.sent] == ["AUDIT 2 refused list entry"] * 2


def test_a_role_that_cannot_be_read_twice_is_news_twice_and_is_not_taken_for_repaired_as_an_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = wrong()
    read = world.roles.attachments

    def refuse(role: str, policies: tuple[str, ...] = ()) -> Attachments | None:
        if role == BACKEND_ROLE:
            raise AwsRefused("denied")
        return read(role, policies)

    look(world, 1)
    for hours in (2, 5):
        with monkeypatch.context() as patch:
            patch.setattr(world.roles, "attachments", refuse)
            look(world, hours)
            look(world, hours + 1)
        look(world, hours + 2)
    assert [subject for subject, _ in world.topic.sent] == [
        "AUDIT 2 refused list entry",
        "AUDIT 1 role that cannot be read",
        "AUDIT 1 role that cannot be read",
    ]


def test_lists_that_could_not_be_looked_at_are_not_taken_for_repaired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> None:
        raise AwsUnavailable("throttled")

    world = wrong()
    look(world, 1)
    with monkeypatch.context() as patch:
        patch.setattr(world.roles, "read_policies", fail)
        with pytest.raises(AwsUnavailable):
            look(world, 2)
    look(world, 3)
    assert [subject for subject, _ in world.topic.sent] == ["AUDIT 2 refused list entry"]


def test_however_many_roles_there_are_one_read_says_what_was_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    world, read = wrong(), list[str]()
    look(world, 1)
    last = world.notices.last

    def count(about: str) -> str | None:
        read.append(about)
        return last(about)

    monkeypatch.setattr(world.notices, "last", count)
    look(world, 2)
    assert sorted(read) == sorted([f"list/{BACKEND_ROLE}", f"list/{SEND}", "standing"])


def test_a_look_that_changes_nothing_notifies_nobody() -> None:
    world = wrong()
    look(world, dry_run=True)
    assert world.topic.sent == []


def test_a_policy_that_cannot_be_read_keeps_no_other_from_being_judged() -> None:
    world = wrong()
    read = world.roles.read_policies

    def refuse(policies: tuple[str, ...]) -> tuple[Policy, ...]:
        if RECEIVE in policies:
            raise AwsRefused("AccessDenied: no", "AccessDenied")
        return read(policies)

    world.roles.read_policies = refuse  # type: ignore[method-assign]
    found = {one.subject: one.why for one in look(world, dry_run=True).neglected}
    assert set(found) == {RECEIVE, SEND, BACKEND_ROLE}
    assert found[RECEIVE] == "It cannot be judged: AccessDenied: no"


def test_a_policy_that_does_not_exist_is_no_matter_of_the_lists() -> None:
    world = account()
    world.roles.nonexistent = (SEND,)
    assert look(world).neglected == () and OLD_ROLE not in str(world.topic.sent)
