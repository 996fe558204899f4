"""A page: what an undo that did not finish has left, as commands for a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.leases import take_role, take_service
from regrant.model.aws import Baseline
from regrant.model.journal import Change
from regrant.model.results import Refusal
from regrant.model.run import Failure, Report, RunState
from regrant.report import page
from regrant.report.page import page_operator
from tests.unit.ended import OURS, STUCK, UNDONE
from tests.unit.fakes import (
    INCIDENT,
    OLD_ROLE,
    RECEIVE,
    REGION,
    ROLE,
    RUNNING,
    SEND,
    UNDO,
    WORKER,
    FakeTopic,
    World,
    at,
)
from tests.unit.undone import POLICY


def with_changes(*before: str) -> World:
    """A run that attached two policies and redeployed; `before` was attached before it."""
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE, SEND))
    role = replace(ROLE, attached=before)
    world.journal.keep_baseline(INCIDENT, Baseline(str(WORKER), role, RUNNING, at(2)))
    for policy in (RECEIVE, SEND):
        world.journal.intend(INCIDENT, Change("attach", OLD_ROLE, policy, at(3), done_at=at(3)))
    world.journal.intend(INCIDENT, Change("redeploy", str(WORKER), OURS, at(5), done_at=at(5)))
    return world


def paged(state: RunState, world: World) -> Report:
    return page_operator(state, world, at(310))


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def test_a_page_has_the_commands_that_finish_the_undo_service_first() -> None:
    world = with_changes()
    world.services.redeploy(WORKER)
    step = paged(STUCK, world).next
    service = f"aws ecs describe-services --cluster {WORKER.cluster} --services {WORKER.name}"
    detach = f"aws iam detach-role-policy --role-name retainwise-ecs-task-role --policy-arn {RECEIVE}"
    assert service in step and detach in step and step.index(service) < step.index(detach)
    assert json.dumps({"mode": "rollback", "incident": INCIDENT}) in step


def test_a_page_leaves_out_what_is_undone_already() -> None:
    world = with_changes()
    world.journal.record(INCIDENT, replace(world.changes("attach")[0], undone_at=at(305)))
    step = paged(STUCK, world).next
    assert RECEIVE not in step and SEND in step


def test_a_page_leaves_out_what_was_attached_before_us() -> None:
    step = paged(STUCK, with_changes(SEND)).next
    assert SEND not in step and RECEIVE in step


def test_a_page_is_an_incomplete_rollback_on_the_topic() -> None:
    world = with_changes()
    report = paged(STUCK, world)
    assert report.outcome == "ROLLBACK_INCOMPLETE" and world.journal.closed[INCIDENT] == report
    assert world.topic.sent[0][0] == f"ROLLBACK_INCOMPLETE {WORKER}"


def test_a_page_about_an_undo_that_could_not_be_recorded_has_no_commands() -> None:
    step = paged(replace(UNDONE, error=Failure("AwsRefused", "no")), with_changes()).next
    assert "Everything is undone" in step and "detach-role-policy" not in step


def test_a_person_is_paged_even_if_the_journal_is_out_of_reach() -> None:
    world = with_changes()
    world.journal.failure = AwsRefused("no access to the table", "AccessDeniedException")
    report = paged(STUCK, world)
    # Whether another incident depends on it cannot be known now, so the undo is all that is asked for.
    assert "detach-role-policy" not in report.next and '"mode": "rollback"' in report.next
    assert {"JOURNAL_UNREADABLE", "NOT_RECORDED"} <= set(codes(report))
    assert world.topic.sent[0][0] == f"ROLLBACK_INCOMPLETE {WORKER}"


def test_a_person_is_paged_even_if_aws_cannot_be_asked_what_is_there() -> None:
    world = with_changes()
    world.roles.attached = failing(AwsUnavailable("throttled"))  # type: ignore[method-assign]
    report = paged(STUCK, world)
    assert f"  aws iam detach-role-policy {POLICY} --region {REGION}" in report.next.split("\n")
    assert "not checked" in report.next and codes(report)[-1] == "NOT_CHECKED"
    assert world.topic.sent


def test_a_page_about_a_role_that_aws_refuses_to_show_says_what_is_so_if_it_was_deleted() -> None:
    world = with_changes()
    world.roles.attached = failing(AwsRefused("AccessDenied: no", "AccessDenied"))  # type: ignore[method-assign]
    report = paged(STUCK, world)
    assert "could not be read: AccessDenied: no" in report.next
    assert "If the role was deleted, nothing of the grant is left" in report.next
    assert "detach-role-policy" not in report.next
    assert world.topic.sent


def test_a_person_is_paged_even_if_aws_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world, answered = with_changes(), Event()

    def silent(role: str) -> tuple[str, ...]:
        answered.wait(30)
        return ()

    monkeypatch.setattr(page, "LOOK", 0.01)
    world.roles.attached = silent  # type: ignore[method-assign]
    report = paged(STUCK, world)
    answered.set()
    assert report.findings[-1].text.endswith("no answer in 0 s") and world.topic.sent


def test_what_the_plan_would_have_changed_is_shown_where_the_journal_is_out_of_reach() -> None:
    world = with_changes()
    world.journal.failure = AwsRefused("no access to the table", "AccessDeniedException")
    assert [(change.kind, change.value) for change in paged(STUCK, world).changes] == [("attach", RECEIVE)]


def test_a_page_that_could_not_be_sent_is_recorded_with_that() -> None:
    world = with_changes()
    world.topic = FakeTopic(AwsRefused("no such topic", "NotFound"))
    report = paged(STUCK, world)
    assert codes(report)[-1] == "NOT_NOTIFIED" and world.journal.closed[INCIDENT] == report


def test_a_page_that_cannot_be_sent_now_is_recorded_and_tried_again() -> None:
    world = with_changes()
    world.topic = FakeTopic(AwsUnavailable("throttled"))
    with pytest.raises(AwsUnavailable):
        paged(STUCK, world)
    assert codes(world.journal.closed[INCIDENT])[-1] == "NOT_NOTIFIED"
    world.topic = FakeTopic()
    report = paged(STUCK, world)
    assert world.topic.sent and world.journal.closed[INCIDENT] == report
    assert "NOT_NOTIFIED" not in codes(report)


def test_an_undo_that_could_not_begin_says_why() -> None:
    refusal = Refusal("LEASE_REFUSED", "AWS refused the lease on the service.", "Start the undo again.")
    report = paged(RunState(replace(UNDO, role=OLD_ROLE, refusal=refusal)), with_changes())
    assert report.outcome == "ROLLBACK_INCOMPLETE" and "LEASE_REFUSED" in codes(report)
    assert f"--policy-arn {RECEIVE}" in report.next


def test_a_page_gives_the_service_back() -> None:
    world = with_changes()
    leased = replace(UNDO, role=OLD_ROLE, leased=True)
    take_service(leased, world, at(250))
    take_role(OLD_ROLE, leased, world, at(251))
    paged(RunState(leased), world)
    assert {lease.ends_at for lease in world.leases.held.values()} == {at(310)}
