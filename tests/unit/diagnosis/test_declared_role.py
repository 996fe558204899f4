"""Is the declared role fit for the tasks? Trust policies and boundaries of every shape that IAM takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from regrant.diagnosis.declared_role import problems
from regrant.iam.permissions import RolePermissions
from regrant.iam.policy import Policy
from regrant.iam.trust import ECS
from regrant.model.aws import RoleState
from tests.unit.cure import NEW_ROLE
from tests.unit.fakes import ACCOUNT, DOCUMENTS, QUEUE, RECEIVE, WORKER_ROLE

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/tasks-boundary"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:root"
ACTIONS = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]


def found(
    role: RoleState = NEW_ROLE,
    *,
    inline: Any = None,
    boundary: Any = None,
    declared: Any = DOCUMENTS[RECEIVE],
    policies: tuple[str, ...] = (RECEIVE,),
    nonexistent: tuple[str, ...] = (),
) -> list[str]:
    permissions = RolePermissions(
        role=role.arn,
        attached=role.attached,
        quota=10,
        identity=(Policy(RECEIVE, declared), *([Policy("own", inline)] if inline is not None else [])),
        boundary=Policy(BOUNDARY, boundary) if boundary is not None else None,
        declared=() if nonexistent else (Policy(RECEIVE, declared),),
        nonexistent=nonexistent,
    )
    return list(problems(role, permissions, policies))


def trusting(*statements: Any) -> RoleState:
    return replace(NEW_ROLE, trust={"Version": "2012-10-17", "Statement": list(statements)})


def trust(**changed: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"Service": ECS}, "Action": "sts:AssumeRole"} | changed


def document(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_a_role_with_the_policy_that_trusts_ecs_is_fit() -> None:
    assert found() == []


OWN = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
TASKS = {"ArnLike": {"aws:SourceArn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:*"}}
NOT_OWN = {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}}


@pytest.mark.parametrize(
    "statement",
    [
        trust(Principal={"Service": [ECS, "ec2.amazonaws.com"]}),
        trust(Principal={"Service": ECS.upper()}),
        trust(Principal={"Service": ECS, "AWS": ROLE_ARN}),
        trust(Principal="*"),
        trust(Action=["sts:TagSession", "sts:AssumeRole"]),
        trust(Action="sts:*"),
        trust(Action="sts:Assume*"),
        trust(Action="*"),
        trust(Condition={}),
        trust(Condition=OWN),
        trust(Condition=TASKS),
        trust(Condition=OWN | TASKS),
        trust(Condition={"StringEquals": {"AWS:SourceAccount": ["999999999999", ACCOUNT]}}),
        trust(Condition={"ArnLike": {"aws:SourceArn": f"arn:aws:ecs:*:{ACCOUNT}:*"}}),
        trust(Condition={"StringLike": {"aws:SourceArn": "arn:aws:ecs:*:*:*"}}),
    ],
)
def test_tasks_may_assume_it(statement: Any) -> None:
    assert found(trusting(statement)) == []
    assert found(trusting({"Effect": "Allow"}, statement)) == []
    assert found(replace(NEW_ROLE, trust={"Statement": statement})) == []


@pytest.mark.parametrize(
    "statement",
    [
        trust(Effect="Deny"),
        trust(Principal={"Service": "ec2.amazonaws.com"}),
        trust(Principal={"AWS": ROLE_ARN}),
        trust(Principal={"AWS": ECS}),
        trust(Principal={"Service": f"{ECS}.cn"}),
        trust(Principal=ECS),
        trust(Principal=None),
        trust(Action="sts:AssumeRoleWithWebIdentity"),
        trust(Action="sts:TagSession"),
        trust(Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}}),
        trust(Condition=NOT_OWN),
        trust(Condition={"StringEquals": {"sts:ExternalId": "x"}}),
        trust(Condition=OWN | {"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        trust(Condition={"ArnLike": {"aws:SourceArn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/prod"}}),
        trust(Condition={"ArnLike": {"aws:SourceArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:*"}}),
        trust(Condition={"Null": {"aws:SourceAccount": "true"}}),
        trust(Condition=[]) | {"Condition": ["x"]},
        {"Effect": "Allow", "NotPrincipal": {"Service": ECS}, "Action": "sts:AssumeRole"},
    ],
)
def test_tasks_may_not_assume_it(statement: Any) -> None:
    assert found(trusting(statement)) == [f"{NEW_ROLE_NAME} does not let {ECS} assume it."]


NEW_ROLE_NAME = WORKER_ROLE.rpartition("/")[2]


@pytest.mark.parametrize(
    "denying",
    [
        trust(Effect="Deny"),
        trust(Effect="Deny", Principal="*"),
        trust(Effect="Deny", Principal={"AWS": "*"}),
        trust(Effect="Deny", Action="sts:Assume*"),
        trust(Effect="Deny", Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}}),
        trust(Effect="Deny", Condition={"StringNotEquals": {"aws:SourceAccount": "999999999999"}}),
        {"Effect": "Deny", "Principal": "*", "NotAction": "sts:TagSession"},
        {"Effect": "Deny", "NotPrincipal": {"AWS": ROLE_ARN}, "Action": "sts:AssumeRole"},
    ],
)
def test_a_deny_shuts_the_tasks_out(denying: Any) -> None:
    assert found(trusting(trust(), denying)) == [f"{NEW_ROLE_NAME} does not let {ECS} assume it."]


@pytest.mark.parametrize(
    "denying",
    [
        trust(Effect="Deny", Condition=NOT_OWN),
        trust(Effect="Deny", Principal="*", Condition=NOT_OWN),
        trust(Effect="Deny", Principal={"AWS": ROLE_ARN}),
        trust(Effect="Deny", Action="sts:TagSession"),
        {"Effect": "Deny", "NotPrincipal": {"Service": ECS}, "Action": "sts:AssumeRole"},
    ],
)
def test_a_deny_for_others_does_not(denying: Any) -> None:
    assert found(trusting(trust(), denying)) == []


def test_a_declared_policy_that_is_not_attached_is_named() -> None:
    (text,) = found(replace(NEW_ROLE, attached=()))
    assert text.endswith("lacks prod-retainwise-sqs-worker, which the catalogue declares.")


def test_a_declared_policy_that_does_not_exist_is_named_once() -> None:
    (text,) = found(replace(NEW_ROLE, attached=()), nonexistent=(RECEIVE,))
    assert text == f"{RECEIVE}, which the catalogue declares, does not exist."


def test_everything_that_is_wrong_is_named() -> None:
    wrong = found(
        replace(trusting(), attached=()), boundary=document(Effect="Allow", Action="s3:*", Resource="*")
    )
    assert len(wrong) == 2 + len(ACTIONS)


@pytest.mark.parametrize(
    "boundary",
    [
        document(Effect="Allow", Action="*", Resource="*"),
        document(Effect="Allow", Action="SQS:*", Resource="*"),
        document(Effect="Allow", Action=ACTIONS, Resource=QUEUE),
        document(Effect="Allow", Action="sqs:*", Resource="arn:aws:sqs:*:*:prod-*"),
        document(Effect="Allow", NotAction="iam:*", Resource="*"),
        document(Effect="Allow", Action="sqs:*", NotResource=f"{QUEUE}-dlq"),
    ],
)
def test_a_boundary_that_allows_it_all_is_no_problem(boundary: Any) -> None:
    assert found(boundary=boundary) == []


@pytest.mark.parametrize(
    "boundary",
    [
        {},
        [],
        document(Effect="Allow", Action="s3:*", Resource="*"),
        document(Effect="Allow", Action="sqs:*", Resource=f"{QUEUE}-dlq"),
        document(Effect="Allow", Action="sqs:*", Resource="*", Condition={"Bool": {"a:b": "true"}}),
        document(Effect="Allow", NotAction="sqs:*", Resource="*"),
        document(Effect="Allow", Action="*", NotResource="arn:aws:sqs:*"),
        document(Effect="Allow", Action="sqs:???", Resource="*"),
    ],
)
def test_what_a_boundary_does_not_allow_is_named_for_each_action(boundary: Any) -> None:
    wrong = found(boundary=boundary)
    assert len(wrong) == len(ACTIONS)
    assert all("The boundary tasks-boundary" in text and "does not allow" in text for text in wrong)


def test_a_wildcard_is_not_inside_a_boundary_that_allows_one_character_for_it() -> None:
    wide = document(Effect="Allow", Action="sqs:Receive*", Resource=QUEUE)
    narrow = document(Effect="Allow", Action="sqs:Receive?", Resource="*")
    assert len(found(declared=wide, boundary=narrow)) == 1


@pytest.mark.parametrize(
    "denying",
    [
        document(Effect="Deny", Action="sqs:*", Resource="*"),
        document(Effect="Deny", Action="*", Resource=QUEUE),
        document(Effect="Deny", NotAction="s3:*", Resource="*"),
        document(Effect="Deny", Action="sqs:*", NotResource=f"{QUEUE}-dlq"),
    ],
)
def test_an_explicit_deny_is_named_wherever_it_is(denying: Any) -> None:
    assert len(found(inline=denying)) == len(ACTIONS)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    bounded = denying | {"Statement": [everything, *denying["Statement"]]}
    wrong = found(boundary=bounded)
    assert len(wrong) == len(ACTIONS) and all("of the boundary" in text for text in wrong)


@pytest.mark.parametrize(
    "denying",
    [
        document(Effect="Deny", Action="s3:*", Resource="*"),
        document(Effect="Deny", Action="sqs:*", Resource=f"{QUEUE}-dlq"),
        document(Effect="Deny", Action="sqs:*", NotResource=QUEUE),
        document(Effect="Deny", NotAction="sqs:*", Resource="*"),
        document(Effect="Deny", Action="*", Resource="*", Condition={"Bool": {"a:b": "false"}}),
        document(Effect="Deny", Action=7, Resource="*"),
    ],
)
def test_a_deny_that_does_not_meet_the_policy_is_no_problem(denying: Any) -> None:
    assert found(inline=denying) == []


WORDS = [ECS, "sts:AssumeRole", "*", "Allow", "Deny"]
ELEMENTS = (
    *(
        "Statement",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Service",
        "AWS",
        "Action",
        "NotAction",
        "Resource",
    ),
    *("NotResource", "Condition", "StringEquals", "aws:SourceArn", "Version", "Sid"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(ELEMENTS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON, JSON)
def test_whatever_the_documents_hold_they_are_read(trusted: Any, boundary: Any, inline: Any) -> None:
    for text in found(replace(NEW_ROLE, trust=trusted), boundary=boundary, inline=inline):
        assert text.endswith(".")


@given(JSON)
def test_whatever_is_declared_is_read(declared: Any) -> None:
    assert all(isinstance(text, str) for text in found(declared=declared, boundary=document()))
