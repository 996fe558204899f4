"""Revisions of task definitions: a copy differs in its task role and in nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from regrant.aws.revisions import EcsRevisions, _copying, _refuse_unknown
from regrant.aws.services import EcsServices
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.ports import Revisions
from sandbox.account import LocalAccount
from sandbox.engine.faults import Effect
from tests.aws.account import client
from tests.aws.registrable import INPUT, filled, leaves, leaves_of
from tests.aws.task_definitions import (
    EXECUTION_ROLE,
    SHAPES,
    TASK_ROLE,
    container,
    fargate,
    without,
)

NEW_ROLE = "arn:aws:iam::123456789012:role/shop/prod-orders-task-role"
PREFIX = "arn:aws:ecs:us-east-1:123456789012:task-definition/"
OUTPUT_ONLY = (
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
)


@pytest.fixture
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        yield account


@pytest.fixture
def ecs(account: LocalAccount) -> Any:
    return account.client("ecs")


@pytest.fixture
def revisions(ecs: Any) -> Revisions:
    return EcsRevisions(ecs, sent_once)


def sent_once() -> Any:
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    session = boto3.Session(region_name="us-east-1", **keys)
    return session.client("ecs", config=Config(retries={"mode": "standard", "total_max_attempts": 1}))


def register(ecs: Any, definition: dict[str, Any] | None = None, family: str = "orders") -> str:
    answer = ecs.register_task_definition(**{"family": family, **(definition or fargate())})
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def raw(ecs: Any, arn: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What DescribeTaskDefinition shows of what was registered, and the tags."""
    answer = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
    return without(answer["taskDefinition"], *OUTPUT_ONLY), answer["tags"]


# The copy


@pytest.mark.parametrize("name", SHAPES)
def test_a_copy_has_another_task_role_and_nothing_else(ecs: Any, revisions: Revisions, name: str) -> None:
    old = register(ecs, SHAPES[name])
    before, tags = raw(ecs, old)
    new = revisions.register(old, NEW_ROLE)
    after, tags_after = raw(ecs, new)
    assert new == f"{PREFIX}orders:2"
    assert after == {**before, "taskRoleArn": NEW_ROLE}
    assert tags_after == tags == SHAPES[name].get("tags", [])
    assert raw(ecs, old) == (before, tags)

    role = json.dumps(before["taskRoleArn"]) if "taskRoleArn" in before else "absent"
    assert revisions.differences(old, new) == (f'taskRoleArn: {role} -> "{NEW_ROLE}"',)
    assert revisions.copies(old, NEW_ROLE, after=old) == (new,)


def test_a_copy_has_every_member_that_the_sdk_knows(ecs: Any, revisions: Revisions) -> None:
    definition = filled(INPUT)
    old = register(ecs, definition, definition["family"])
    new = revisions.register(old, NEW_ROLE)
    shown, tags = raw(ecs, new)
    assert set(leaves_of({**shown, "tags": tags})) == set(leaves(INPUT))
    assert (shown, tags) == ({**raw(ecs, old)[0], "taskRoleArn": NEW_ROLE}, definition["tags"])


def test_a_definition_without_tags_is_registered_without_the_member(ecs: Any) -> None:
    # ECS: "Tags can not be empty."
    register(ecs)
    once = client("ecs")
    with Stubber(once) as stub:
        request, _ = raw(ecs, "orders")
        stub.add_response(
            "register_task_definition",
            {"taskDefinition": {"taskDefinitionArn": f"{PREFIX}orders:2"}},
            {**request, "taskRoleArn": NEW_ROLE},
        )
        assert EcsRevisions(ecs, lambda: once).register(f"{PREFIX}orders:1", NEW_ROLE) == f"{PREFIX}orders:2"


def test_tags_that_only_aws_may_set_stay_behind(ecs: Any, revisions: Revisions) -> None:
    old = register(ecs, fargate(tags=[{"key": "team", "value": "orders"}]))
    system = [{"key": "aws:cloudformation:stack-name", "value": "orders"}, {"key": "AWS:x", "value": "y"}]
    ecs.tag_resource(resourceArn=old, tags=system)
    new = revisions.register(old, NEW_ROLE)
    assert raw(ecs, new)[1] == [{"key": "team", "value": "orders"}]
    assert revisions.copies(old, NEW_ROLE, after=old) == (new,)


def knowing(newer: Any, container: dict[str, Any]) -> None:
    """From now on that client's ECS knows members of a container that its SDK does not."""

    def change(response_dict: dict[str, Any], **_: Any) -> None:
        body = json.loads(response_dict["body"])
        body["taskDefinition"]["containerDefinitions"][0] |= container
        response_dict["body"] = json.dumps(body).encode()

    newer.meta.events.register_first("before-parse.ecs.DescribeTaskDefinition", change)


def test_a_member_that_the_sdk_does_not_know_is_not_lost_in_silence(ecs: Any) -> None:
    old = register(ecs)
    newer = client("ecs")
    revisions = EcsRevisions(newer, lambda: newer)
    knowing(newer, {"newFlag": False, "newList": [], "newMap": {"a": None}})
    assert revisions.register(old, NEW_ROLE) == f"{PREFIX}orders:2"
    knowing(newer, {"secretStore": {"kind": "vault"}})
    with pytest.raises(AwsRefused, match=r"taskDefinition\.containerDefinitions\.0\.secretStore"):
        revisions.register(old, NEW_ROLE)
    assert revisions_of(ecs) == [f"{PREFIX}orders:1", f"{PREFIX}orders:2"]


def test_it_does_not_hinder_those_who_copy_nothing_over_the_same_client(ecs: Any) -> None:
    old = register(ecs)
    newer = client("ecs")
    revisions = EcsRevisions(newer, lambda: newer)
    knowing(newer, {"secretStore": {"kind": "vault"}})
    with pytest.raises(AwsRefused):
        revisions.register(old, NEW_ROLE)
    assert EcsServices(newer).task_definition(old).arn == old


def revisions_of(ecs: Any) -> list[str]:
    arns: list[str] = ecs.list_task_definitions(familyPrefix="orders")["taskDefinitionArns"]
    return arns


# Which revision


def test_the_latest_revision_is_active_and_of_that_family(ecs: Any, revisions: Revisions) -> None:
    first, second, third = (register(ecs) for _ in range(3))
    register(ecs, family="orders-worker")
    assert revisions.latest(first) == third
    revisions.deregister(third)
    assert revisions.latest(first) == revisions.latest(third) == second


def test_ten_comes_after_nine(ecs: Any, revisions: Revisions) -> None:
    arns = [register(ecs) for _ in range(11)]
    assert revisions.latest(arns[0]) == arns[10] == f"{PREFIX}orders:11"


def test_a_family_without_an_active_revision_has_no_latest(ecs: Any, revisions: Revisions) -> None:
    only = register(ecs)
    revisions.deregister(only)
    with pytest.raises(AwsRefused, match="orders has no ACTIVE revision"):
        revisions.latest(only)


def test_a_page_may_be_empty_and_name_other_families() -> None:
    ecs = client("ecs")
    asked = {"familyPrefix": "orders", "status": "ACTIVE", "sort": "DESC"}
    pages: list[list[str]] = [[], [f"{PREFIX}orders-worker:9"], [f"{PREFIX}orders:7", f"{PREFIX}orders:6"]]
    with Stubber(ecs) as stub:
        for number, page in enumerate(pages):
            token = {"nextToken": str(number)} if number else {}
            more = {"nextToken": str(number + 1)} if number < 2 else {}
            stub.add_response("list_task_definitions", {"taskDefinitionArns": page, **more}, asked | token)
        assert EcsRevisions(ecs).latest(f"{PREFIX}orders:3") == f"{PREFIX}orders:7"


def test_copies_are_found_on_every_page(ecs: Any, revisions: Revisions) -> None:
    old = register(ecs)
    made = [revisions.register(old, NEW_ROLE) for _ in range(2)]
    others = [register(ecs) for _ in range(101)]
    assert revisions.copies(old, NEW_ROLE, after=old) == tuple(made)
    assert revisions.copies(old, NEW_ROLE, after=made[0]) == (made[1],)
    assert revisions.copies(old, TASK_ROLE, after=others[-2]) == (others[-1],)


def test_what_is_not_exactly_a_copy_is_not_one(ecs: Any, revisions: Revisions) -> None:
    tags = [{"key": "team", "value": "orders"}]
    register(ecs, fargate(tags=tags, taskRoleArn=NEW_ROLE))  # before
    old = register(ecs, fargate(tags=tags))
    register(ecs, fargate(tags=tags))  # the old role
    register(ecs, fargate(taskRoleArn=NEW_ROLE))  # no tags
    register(ecs, fargate(container(image="shop/app:2"), tags=tags, taskRoleArn=NEW_ROLE))
    register(ecs, fargate(tags=tags, taskRoleArn=NEW_ROLE), family="orders-worker")
    copy = register(ecs, fargate(tags=tags, taskRoleArn=NEW_ROLE))
    gone = register(ecs, fargate(tags=tags, taskRoleArn=NEW_ROLE))
    revisions.deregister(gone)
    assert revisions.copies(old, NEW_ROLE, after=old) == (copy,)
    assert revisions.copies(old, NEW_ROLE, after=copy) == ()


def test_the_newest_revision_with_a_role_is_active_of_that_family_and_none_of_those(
    ecs: Any, revisions: Revisions
) -> None:
    old, second, third = (register(ecs) for _ in range(3))
    copy = revisions.register(old, NEW_ROLE)
    register(ecs, family="orders-worker")
    assert revisions.newest(old, TASK_ROLE, ()) == third
    assert revisions.newest(old, TASK_ROLE, (third,)) == second
    assert revisions.newest(old, NEW_ROLE, (copy,)) is None
    revisions.deregister(third)
    assert revisions.newest(old, TASK_ROLE, ()) == second


def test_only_the_newest_twenty_are_looked_at(ecs: Any, revisions: Revisions) -> None:
    old = register(ecs)
    for _ in range(20):
        revisions.register(old, NEW_ROLE)
    assert revisions.newest(old, TASK_ROLE, ()) is None


# What a crash leaves behind


def test_a_copy_whose_answer_was_lost_is_found_and_not_made_again(
    account: LocalAccount, ecs: Any, revisions: Revisions
) -> None:
    old = register(ecs)
    latest = revisions.latest(old)
    account.faults.add(Effect.RESPONSE_LOST, "ecs", "RegisterTaskDefinition")
    with pytest.raises(AwsUnavailable):
        revisions.register(old, NEW_ROLE)
    # The next try of the same step asks first.
    assert revisions.copies(old, NEW_ROLE, after=latest) == (f"{PREFIX}orders:2",)
    assert revisions_of(ecs) == [f"{PREFIX}orders:1", f"{PREFIX}orders:2"]


def test_a_client_that_retries_would_register_twice(account: LocalAccount, ecs: Any) -> None:
    # Why there are two clients.
    old = register(ecs)
    account.faults.add(Effect.RESPONSE_LOST, "ecs", "RegisterTaskDefinition")
    EcsRevisions(ecs, lambda: ecs).register(old, NEW_ROLE)
    assert len(revisions_of(ecs)) == 3


def test_the_undo_takes_back_every_copy_that_earlier_tries_made(ecs: Any, revisions: Revisions) -> None:
    old = register(ecs)
    made = [revisions.register(old, NEW_ROLE) for _ in range(3)]
    theirs = register(ecs, fargate(container(image="shop/app:2")))
    for _ in range(2):  # and can run twice
        for arn in revisions.copies(old, NEW_ROLE, after=old):
            revisions.deregister(arn)
    assert [revisions.status(arn) for arn in made] == ["INACTIVE"] * 3
    assert revisions_of(ecs) == [old, theirs]


@pytest.mark.parametrize("effect", [Effect.THROTTLE, Effect.SERVER_ERROR])
def test_a_bad_moment_is_unavailable(
    account: LocalAccount, ecs: Any, revisions: Revisions, effect: Effect
) -> None:
    old = register(ecs)
    account.faults.add(effect, "ecs", "RegisterTaskDefinition")
    with pytest.raises(AwsUnavailable):
        revisions.register(old, NEW_ROLE)
    assert revisions_of(ecs) == [old]


def test_a_refusal_is_a_refusal(ecs: Any, revisions: Revisions) -> None:
    unknown = f"{PREFIX}orders:9"
    with pytest.raises(AwsRefused, match="Unable to describe task definition"):
        revisions.execution_role(unknown)
    with pytest.raises(AwsRefused, match="Unable to describe task definition"):
        revisions.register(unknown, NEW_ROLE)


# Status, deregister, execution role


def test_a_revision_is_active_then_inactive_then_on_its_way_out(ecs: Any, revisions: Revisions) -> None:
    arn = register(ecs)
    assert revisions.status(arn) == "ACTIVE"
    for _ in range(2):
        revisions.deregister(arn)
        assert revisions.status(arn) == "INACTIVE"
    ecs.delete_task_definitions(taskDefinitions=[arn])
    revisions.deregister(arn)
    assert revisions.status(arn) == "DELETE_IN_PROGRESS"


def test_a_revision_that_is_not_known_is_deleted_and_so_deregistered(revisions: Revisions) -> None:
    unknown = f"{PREFIX}orders:9"
    assert revisions.status(unknown) == "DELETED"
    revisions.deregister(unknown)


def test_a_status_that_may_not_be_read_is_refused(
    account: LocalAccount, ecs: Any, revisions: Revisions
) -> None:
    arn = register(ecs)
    account.faults.add(Effect.DENIED, "ecs", "DescribeTaskDefinition")
    with pytest.raises(AwsRefused):
        revisions.status(arn)


@pytest.mark.parametrize(("status", "refused"), [("INACTIVE", False), ("ACTIVE", True)])
def test_a_refused_deregistration_counts_if_the_revision_is_still_active(status: str, refused: bool) -> None:
    ecs = client("ecs")
    with Stubber(ecs) as stub:
        stub.add_client_error("deregister_task_definition", "ClientException", "no")
        stub.add_response("describe_task_definition", {"taskDefinition": {"status": status}})
        revisions = EcsRevisions(ecs)
        if refused:
            with pytest.raises(AwsRefused, match="no"):
                revisions.deregister(f"{PREFIX}orders:1")
        else:
            revisions.deregister(f"{PREFIX}orders:1")
        stub.assert_no_pending_responses()


def test_the_execution_role_is_known_if_there_is_one(ecs: Any, revisions: Revisions) -> None:
    assert revisions.execution_role(register(ecs)) == EXECUTION_ROLE
    assert revisions.execution_role(register(ecs, SHAPES["fargate without an execution role"])) is None


@pytest.mark.parametrize("version", [{}, {"resolved_protocol": "json"}])
def test_an_answer_that_a_botocore_of_any_version_parsed_is_looked_at(version: dict[str, str]) -> None:
    """botocore has resolved_protocol since 1.37.39; its service-2.json of ECS says `protocol: json`."""
    ecs = client("ecs")
    model = SimpleNamespace(metadata={"protocol": "json"}, **version)
    output = ecs.meta.service_model.operation_model("DescribeTaskDefinition").output_shape
    answer = {"status_code": 200, "body": b'{"taskDefinition": {"family": "f", "ofTomorrow": 1}}'}
    token = _copying.set(True)
    try:
        with pytest.raises(AwsRefused, match="ofTomorrow"):
            _refuse_unknown(SimpleNamespace(service_model=model, output_shape=output), answer)
    finally:
        _copying.reset(token)
