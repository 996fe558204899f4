"""The audit's handler with the rule's event on the seed's account, two hours after a grant's end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.sns.models import sns_backends

from regrant.aws.table.holds import DynamoHolds
from regrant.model.journal import Hold
from tests.aws.account import ROLE_NAME, TABLE, client
from tests.handlers.conftest import Invoke, load
from tests.unit.fakes import ACCOUNT, INCIDENT, OLD_ROLE, RECEIVE, REGION, SEND, SETTINGS, WORKER, at

HOUR = 3600
HOLD = Hold(
    RECEIVE, INCIDENT, str(WORKER), held_at=at(0), expires_at=at(24 * HOUR), why="alarm of the worker"
)


@pytest.fixture
def machine(account: None) -> Any:
    stepfunctions = client("stepfunctions")
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    stepfunctions.create_state_machine(
        name="regrant-runbook", definition=definition, roleArn=SETTINGS.schedule_role
    )
    return stepfunctions


def granted() -> None:
    DynamoHolds(client("dynamodb"), TABLE).write(OLD_ROLE, HOLD)
    for policy in (RECEIVE, SEND):
        client("iam").attach_role_policy(RoleName=ROLE_NAME, PolicyArn=policy)


def runs(machine: Any) -> list[Any]:
    listed = machine.list_executions(stateMachineArn=SETTINGS.state_machine)["executions"]
    return [json.loads(machine.describe_execution(executionArn=e["executionArn"])["input"]) for e in listed]


def subjects() -> list[str]:
    """Of what was published."""
    (topic,) = sns_backends[ACCOUNT][REGION].topics.values()
    return [str(subject) for _, _, subject, *_ in topic.sent_notifications]


def test_in_time_it_lists_the_grant_and_leaves_it_alone(
    machine: Any, invoke: Invoke, caplog: pytest.LogCaptureFixture
) -> None:
    granted()
    audit = invoke("audit_grants", load("audit_grants") | {"time": "2025-11-11T23:52:31Z"})
    expected = {
        "role": OLD_ROLE,
        "policy": RECEIVE,
        "service": str(WORKER),
        "incident": INCIDENT,
        "held_at": HOLD.held_at,
        "age_hours": 2.0,
        "expires_at": HOLD.expires_at,
        "why": "alarm of the worker",
        "state": "held",
        "lost_at": None,
        "expiry": "",
        "notices": 0,
    }
    assert audit == {
        "at": "2025-11-11T23:52:31Z",
        "grants": [expected],
        "not_by_us": {OLD_ROLE: 1},
        "expiries": [],
        "neglected": [],
    }
    assert (runs(machine), subjects()) == ([], [])
    logged = [vars(record) for record in caplog.records]
    assert [list(line["result"]["grants"]) for line in logged if line["msg"] == "done"] == [[expected]]


def test_overdue_it_starts_the_expiry_once_and_notifies_the_topic(machine: Any, invoke: Invoke) -> None:
    granted()
    first, second = invoke("audit_grants"), invoke("audit_grants")
    assert first["expiries"] == second["expiries"]
    assert [(grant["state"], grant["notices"]) for grant in second["grants"]] == [("overdue", 1)]
    assert runs(machine) == [{"mode": "expire", "incident": INCIDENT}]
    assert subjects() == ["AUDIT 1 overdue"]


def test_a_look_starts_nothing_and_notifies_nobody(machine: Any, invoke: Invoke) -> None:
    granted()
    audit = invoke("audit_grants", load("audit_grants") | {"dry_run": True})
    assert [grant["state"] for grant in audit["grants"]] == ["overdue"]
    assert (runs(machine), subjects()) == ([], [])
