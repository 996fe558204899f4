"""What is never granted, and to whom never, is refused before anything is written."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.model.run import Diagnosis
from tests.unit.cure import CURE, EXPIRY, granted, planned
from tests.unit.fakes import (
    ACCOUNT,
    ENTRY,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    RECEIVE,
    REGION,
    ROLE,
    SEND,
    World,
)
from tests.unit.run import Run

ANSWER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:regrant-answer-approval"
KEEP = replace(EXPIRY, id="keep-1", subject="keep-1", mode="keep")
EVERYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}}
APPROVES = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": ANSWER},
}


def trusted_by(*services: str) -> dict[str, Any]:
    (statement,) = ROLE.trust["Statement"]
    return {"Version": "2012-10-17", "Statement": [statement | {"Principal": {"Service": [*services]}}]}


def refused(diagnosis: Diagnosis) -> str:
    assert (diagnosis.next, diagnosis.plan, diagnosis.planned_against) == ("REFUSE", None, None)
    assert diagnosis.refusal is not None
    return diagnosis.refusal.code


@pytest.mark.parametrize("mode", ["contain", "plan"])
def test_a_policy_that_changes_permissions_is_not_attached(mode: str) -> None:
    world = World()
    world.roles.documents[RECEIVE] = EVERYTHING
    diagnosis = Run(world, replace(INCIDENT_OF_WORKER, mode=mode)).diagnose()
    assert refused(diagnosis) == "POLICY_CHANGES_PERMISSIONS"
    assert "MISSING_ATTACHMENT" in [finding.code for finding in diagnosis.findings]


def test_a_policy_whose_holder_could_approve_as_anybody_is_neither_attached_nor_kept() -> None:
    world = World()
    world.roles.documents[RECEIVE] = APPROVES
    assert refused(Run(world).diagnose()) == "REACHES_THE_STACK"
    world = granted()
    world.roles.documents[RECEIVE] = APPROVES
    assert refused(planned(world, KEEP)) == "REACHES_THE_STACK"


def test_one_that_is_declared_and_not_attached_by_the_plan_is_no_reason() -> None:
    world = World()
    world.roles.documents[SEND] = EVERYTHING
    world.roles.role = replace(ROLE, attached=(SEND,))
    both = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, policies=(RECEIVE, SEND)))
    assert Run(world, both).diagnose().plan is not None


def test_a_role_that_is_no_tasks_is_granted_nothing() -> None:
    world = World()
    world.roles.role = replace(ROLE, trust=trusted_by("ec2.amazonaws.com"))
    assert refused(Run(world).diagnose()) == "ROLE_NOT_FOR_TASKS"


def test_a_role_of_the_stack_is_granted_nothing() -> None:
    own = OLD_ROLE.replace("retainwise-ecs-task-role", "regrant-UndoRoleFunctionRole-1ABC")
    world = World()
    trust = trusted_by("ecs-tasks.amazonaws.com", "lambda.amazonaws.com")
    world.roles.role = replace(ROLE, arn=own, trust=trust)
    world.services.definition = replace(world.services.definition, task_role=own)
    world.allowed.allowed = replace(world.allowed.allowed, roles=frozenset({own}))
    assert refused(Run(world).diagnose()) == "OWN_ROLE"


def test_what_is_never_granted_is_not_kept_for_good() -> None:
    world = granted()
    world.roles.documents[RECEIVE] = EVERYTHING
    assert refused(planned(world, KEEP)) == "POLICY_CHANGES_PERMISSIONS"


def test_what_is_never_granted_can_be_taken_off() -> None:
    """It was granted by an earlier version, or its text has changed since."""
    world = granted()
    world.roles.documents[RECEIVE] = EVERYTHING
    world.roles.role = replace(world.roles.role, trust=trusted_by("ec2.amazonaws.com"))
    for incident in (CURE, EXPIRY):
        plan = planned(world, incident).plan
        assert plan is not None and plan.withdraw == (RECEIVE,)
