"""A CloudTrail event of a refused call as a trigger, believed only where it has the right shape."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.denial_types import Denial
from regrant.diagnosis import diagnose
from regrant.models import Incident, OpenEvent
from regrant.opening import open_incident
from regrant.request import Request
from regrant.triggers import read_trigger
from regrant.wire import decode, encode
from tests.unit.fakes import (
    ACCOUNT,
    CLUSTER,
    ENTRY,
    QUEUE,
    RECEIVE,
    SETTINGS,
    WORKER,
    FakeCatalogue,
    World,
    at,
)
from tests.unit.test_triggers import JSON, event

TASK = "0f9c2f1d7f3f4c5e8a6b9d0e1c2a3b4f"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/retainwise-ecs-task-role/{TASK}"
STRANGERS = "arn:aws:sts::999999999999:assumed-role/retainwise-ecs-task-role/" + TASK


def called_by(arn: str) -> dict[str, Any]:
    whole = json.loads(json.dumps(event("cloudtrail.json")).replace(SESSION, arn))
    assert isinstance(whole, dict)
    return whole


def changed(**detail: Any) -> dict[str, Any]:
    whole: dict[str, Any] = event("cloudtrail.json")
    return whole | {"detail": whole["detail"] | detail}


def refusal(raw: object) -> tuple[str, str]:
    found = read_trigger(raw, SETTINGS).refusal
    assert found is not None
    return found.code, found.outcome


def test_the_event_tells_who_was_denied_what() -> None:
    request = read_trigger(event("cloudtrail.json"), SETTINGS)
    assert request.refusal is None and request.automatic
    assert (request.mode, request.task) == ("contain", TASK)
    assert request.denials == (
        Denial(
            action="sqs:ReceiveMessage",
            resource=QUEUE,
            principal_arn=SESSION,
            role_name="retainwise-ecs-task-role",
            effect="implicit",
            policy_type="identity",
        ),
    )
    assert request.trigger == (
        "CloudTrail event 8e6f1b3c-2d47-4a90-b5c8-7f0a9d3e6b21 of sqs:ReceiveMessage"
        " by retainwise-ecs-task-role"
    )


def test_an_older_tasks_id_is_a_uuid() -> None:
    task = "7e2d1f4b-93a0-4f77-8a3e-5a8a3a6f1c2b"
    assert read_trigger(called_by(SESSION.replace(TASK, task)), SETTINGS).task == task


@pytest.mark.parametrize("code", [None, "ThrottlingException", "ExpiredToken", 7])
def test_an_event_of_no_denial_is_nothing_to_fix(code: object) -> None:
    assert refusal(changed(errorCode=code)) == ("NO_DENIAL", "NOTHING_TO_FIX")


@pytest.mark.parametrize(
    "caller",
    [
        SESSION.replace(TASK, "botocore-session-1700000000"),
        SESSION.replace(TASK, "ci@example.com"),
        f"arn:aws:iam::{ACCOUNT}:user/deploy",
        f"arn:aws:iam::{ACCOUNT}:root",
        STRANGERS,
        SESSION.replace("retainwise-ecs-task-role", "some-other-role"),
    ],
)
def test_a_caller_that_is_no_task_of_a_managed_role_is_left_alone(caller: str) -> None:
    assert refusal(called_by(caller)) == ("OTHER_CALLER", "REFUSED")


def test_a_message_that_speaks_of_somebody_else_is_not_believed() -> None:
    message = event("cloudtrail.json")["detail"]["errorMessage"].replace(SESSION, STRANGERS)
    assert refusal(changed(errorMessage=message)) == ("OTHER_CALLER", "REFUSED")


def test_other_events_are_named_with_what_starts_a_run() -> None:
    found = read_trigger({"detail-type": "EC2 Instance State-change Notification", "detail": {}}, SETTINGS)
    assert found.refusal is not None and "CloudTrail" in found.refusal.next


PATHS = st.sampled_from(
    ["errorCode", "errorMessage", "eventID", "eventName", "eventSource", "userIdentity", "requestParameters"]
)


@given(st.dictionaries(PATHS, JSON | st.text(max_size=3000), max_size=4))
def test_whatever_an_event_holds_it_is_a_request_or_a_refusal(detail: dict[str, Any]) -> None:
    request: Request = read_trigger(changed(**detail), SETTINGS)
    assert bool(request.task) != bool(request.refusal)
    assert request.trigger.isprintable() and len(request.trigger) < 400
    for denial in request.denials:
        for value in msgspec.to_builtins(denial).values():
            assert not isinstance(value, str) or (value.isprintable() and len(value) <= 2048)


def opened(world: World, raw: object) -> Incident:
    catalogue = FakeCatalogue({WORKER: msgspec.json.encode(ENTRY).decode()})
    return open_incident(OpenEvent(raw, at(0), "run-1"), catalogue, world.services, world.journal, SETTINGS)


def test_the_service_is_that_of_the_task() -> None:
    world = World()
    world.services.groups[CLUSTER, TASK] = f"service:{WORKER.name}"
    incident = opened(world, event("cloudtrail.json"))
    assert (incident.refusal, incident.service, incident.entry) == (None, WORKER, ENTRY)
    assert decode(encode(incident), Incident) == incident


@pytest.mark.parametrize("group", [None, "family:one-off", "service:", "service:a b", ""])
def test_a_task_of_no_service_is_refused_with_what_to_do(group: str | None) -> None:
    world = World()
    if group is not None:
        world.services.groups[CLUSTER, TASK] = group
    incident = opened(world, event("cloudtrail.json"))
    assert incident.refusal is not None and incident.refusal.code == "UNKNOWN_TASK"
    assert "by hand" in incident.refusal.next


def test_a_run_needs_no_line_in_the_log() -> None:
    world = World()
    world.services.groups[CLUSTER, TASK] = f"service:{WORKER.name}"
    incident = opened(world, copy.deepcopy(event("cloudtrail.json")))
    found = diagnose(incident, world.services, world.roles, world.logs, world.queues, SETTINGS, at(1))
    assert found.plan is not None and found.plan.attach == (RECEIVE,)
    assert found.findings[0].text.endswith(
        f"sqs:ReceiveMessage on {QUEUE}, denied once at 2025-11-11T21:52:14Z."
    )
    assert found.findings[0].evidence == (incident.trigger,)
