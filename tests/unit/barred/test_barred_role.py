"""Only the role of tasks is granted anything, and no role of the stack."""

from __future__ import annotations

from typing import Any

import pytest

from regrant.barred.role import judge_role
from tests.unit.fakes import ACCOUNT, OLD_ROLE, ROLE

OWN = f"arn:aws:iam::{ACCOUNT}:role/regrant-AttachPoliciesFunctionRole-1ABCDEF"
LONG = "the-runbook-of-the-whole-of-our-platform"
CUT = f"arn:aws:iam::{ACCOUNT}:role/{LONG[:24]}-AttachPoliciesFunctionRo-1ABCDEFGHIJK"


def trust(*services: str, **more: Any) -> dict[str, Any]:
    principal = {"Service": list(services)}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"} | more
    return {"Version": "2012-10-17", "Statement": [statement]}


def code(role: str, policy: Any, stack: str = "regrant") -> str | None:
    refusal = judge_role(role, policy, stack)
    return refusal.code if refusal else None


def test_the_role_of_tasks_is_fit_whatever_else_may_assume_it() -> None:
    assert code(OLD_ROLE, ROLE.trust) is None
    assert code(OLD_ROLE, trust("ec2.amazonaws.com", "ecs-tasks.amazonaws.com")) is None
    assert code(OLD_ROLE, trust("ecs-tasks.amazonaws.com", Condition={"Bool": {"x:y": "true"}})) is None


@pytest.mark.parametrize(
    "policy",
    [
        trust("ec2.amazonaws.com"),
        trust("lambda.amazonaws.com"),
        trust("ecs-tasks.amazonaws.com", Effect="Deny"),
        trust("ecs-tasks.amazonaws.com", Action="sts:TagSession"),
        trust("ecs-tasks.amazonaws.com", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        {},
        None,
    ],
    ids=str,
)
def test_a_role_that_ecs_may_not_assume_is_no_tasks(policy: Any) -> None:
    assert code(OLD_ROLE, policy) == "ROLE_NOT_FOR_TASKS"


@pytest.mark.parametrize("service", ["lambda", "states", "events", "scheduler"])
def test_a_role_of_the_stack_is_never_granted_anything_although_ecs_may_assume_it(service: str) -> None:
    assert code(OWN, trust(f"{service}.amazonaws.com", "ecs-tasks.amazonaws.com")) == "OWN_ROLE"


def test_a_long_name_of_a_stack_is_cut_in_its_roles_names() -> None:
    assert code(CUT, trust("lambda.amazonaws.com"), LONG) == "OWN_ROLE"


def test_somebody_elses_role_that_begins_so_is_theirs() -> None:
    """A stack may be called `prod`, and so may everything else."""
    role = f"arn:aws:iam::{ACCOUNT}:role/prod-worker-task-role"
    assert code(role, trust("ecs-tasks.amazonaws.com"), "prod") is None
    assert code(OWN, trust("lambda.amazonaws.com", "ecs-tasks.amazonaws.com"), "other") is None
