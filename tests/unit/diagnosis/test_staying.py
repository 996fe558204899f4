"""A call that is denied before a cure or a trial, and that nobody declared, does not make its proof fail."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.model.denial import StaysDenied
from regrant.model.run import Diagnosis, Incident
from tests.unit.cure import CURE, EXPIRY, LATER, granted, planned
from tests.unit.fakes import ACCOUNT, DENIAL, ENTRY, QUEUE, WORKER_ROLE, World

TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/other"
UPDATE = DENIAL.replace("sqs:receivemessage", "dynamodb:UpdateItem").replace(QUEUE, TABLE)
STAYS = (StaysDenied("dynamodb:UpdateItem", TABLE),)


def plan(message: str, incident: Incident, world: World | None = None, ago: float = 60) -> Diagnosis:
    """The diagnosis an hour after the containment, with that line in the log."""
    world = world or granted()
    world.logs.write(LATER - ago, message, "old-1")
    return planned(world, incident)


@pytest.mark.parametrize("incident", [CURE, EXPIRY], ids=["cure", "expire"])
def test_what_is_denied_and_undeclared_before_and_after_is_named_and_carried(incident: Incident) -> None:
    diagnosis = plan(UPDATE, incident)
    assert diagnosis.plan is not None and diagnosis.stays_denied == STAYS
    (finding,) = [finding for finding in diagnosis.findings if finding.code == "NOT_DECLARED"]
    assert "It stays denied" in finding.text


@pytest.mark.parametrize("incident", [CURE, EXPIRY], ids=["cure", "expire"])
@pytest.mark.parametrize(
    "message",
    [
        DENIAL,
        UPDATE.replace("retainwise-ecs-task-role", "somebody-else"),
        UPDATE.split(" because ")[0] + " with an explicit deny in a service control policy",
        "user 17 is not authorized to perform this action",
    ],
    ids=["what works now", "another principal", "another layer", "an app's own words"],
)
def test_nothing_else_is(incident: Incident, message: str) -> None:
    diagnosis = plan(message, incident)
    assert diagnosis.plan is not None and diagnosis.stays_denied == ()
    assert "stays denied" not in "".join(finding.text for finding in diagnosis.findings)


def test_what_was_denied_longer_ago_says_nothing() -> None:
    assert plan(UPDATE, CURE, ago=901).stays_denied == ()


@pytest.mark.parametrize("role", ["in use", "declared"])
def test_what_one_of_the_two_roles_may_do_has_to_work_after_a_cure(role: str) -> None:
    allow = {"Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": TABLE}
    inline = {"more": {"Version": "2012-10-17", "Statement": [allow]}}
    world = granted()
    if role == "in use":
        world.roles.role = replace(world.roles.role, inline=inline)
    else:
        world.roles.others[WORKER_ROLE] = replace(world.roles.others[WORKER_ROLE], inline=inline)
    assert plan(UPDATE, CURE, world).stays_denied == ()


def test_what_the_enrolment_ignores_is_named() -> None:
    ignoring = replace(CURE, entry=replace(ENTRY, ignore_actions=("dynamodb:UpdateItem",)))
    diagnosis = plan(UPDATE, ignoring)
    assert diagnosis.stays_denied == ()
    assert diagnosis.findings[-1].code == "IGNORED"
