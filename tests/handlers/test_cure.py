"""The handlers of a cure and of a grant's end, each with its event on the seed's account."""

from __future__ import annotations

from typing import Any

import pytest

from regrant.aws.table.holds import DynamoHolds
from tests.aws.account import TABLE, client, create_new_role
from tests.handlers.conftest import Invoke, load
from tests.handlers.test_handlers import (
    attached,
    contained,
    journal,
    lease,
    opened,
    service,
    settle,
)
from tests.unit.cure import unmarked
from tests.unit.fakes import INCIDENT, OLD_ROLE, RECEIVE, WORKER, WORKER_ROLE, at

CURE = "cure-worker-1"
NOW = at(3600)
KEYS = {"diagnose": "diagnosis", "capture_baseline": "baseline", "redeploy_service": "rollout"}


@pytest.fixture(autouse=True)
def new_role(account: None) -> None:
    create_new_role()


def schedules() -> list[str]:
    listed = client("scheduler").list_schedules(GroupName="regrant-grants")["Schedules"]
    return [each["Name"] for each in listed]


def holds() -> tuple[Any, ...]:
    return DynamoHolds(client("dynamodb"), TABLE).of(OLD_ROLE)


def diagnosed(invoke: Invoke, incident: Any) -> Any:
    return invoke("diagnose", {"state": {"incident": incident}, "now": NOW})


def cured(invoke: Invoke, *steps: str) -> Any:
    """What the steps of a cure have returned that begins when the worker was contained and has settled."""
    contained(invoke)
    settle()
    state = {"incident": opened(invoke, load("console-cure"), execution=CURE, now=NOW)}
    for step in ("diagnose", *steps):
        state[KEYS[step]] = invoke(step, {"state": state, "now": NOW})
    return state


def test_diagnose_plans_the_declared_role_and_the_grant_that_goes(invoke: Invoke) -> None:
    diagnosis = cured(invoke)["diagnosis"]
    assert (diagnosis["next"], diagnosis["refusal"]) == ("CHANGE", None)
    expected = load("withdraw_grants")["state"]["diagnosis"]["plan"]
    assert diagnosis["plan"] == expected | {"task_definition": service()["taskDefinition"]}


def test_redeploy_service_registers_a_copy_with_the_declared_role_and_deploys_it(invoke: Invoke) -> None:
    old = service()["taskDefinition"]
    rollout = cured(invoke, "capture_baseline", "redeploy_service")["rollout"]
    new = rollout["revision"]
    ecs = client("ecs")
    shapes = [ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"] for arn in (old, new)]
    assert [shape["taskRoleArn"] for shape in shapes] == [OLD_ROLE, WORKER_ROLE]
    assert shapes[0]["containerDefinitions"] == shapes[1]["containerDefinitions"]
    assert service()["taskDefinition"] == new
    changes = journal().load(CURE).changes
    assert [(change.kind, change.value) for change in changes] == [
        ("register", new),
        ("redeploy", rollout["deployment"]),
    ]


def test_withdraw_grants_takes_the_grant_its_hold_and_its_schedule(invoke: Invoke) -> None:
    state = cured(invoke, "capture_baseline")
    assert len(schedules()) == len(holds()) == 1
    withdrawal = invoke("withdraw_grants", {"state": state, "now": NOW})
    assert (withdrawal["removed"], withdrawal["next"]) == ([RECEIVE], "WATCH")
    assert (attached(), schedules(), holds()) == ([], [], ())
    assert lease(f"role/{OLD_ROLE}")["held_by"] == CURE


def test_undo_role_puts_all_of_it_back(invoke: Invoke) -> None:
    state = cured(invoke, "capture_baseline")
    before = schedules(), tuple(map(unmarked, holds()))
    state["withdrawal"] = invoke("withdraw_grants", {"state": state, "now": NOW})
    undo = invoke("undo_role", {"state": state, "now": NOW})
    assert (undo["put_back"], undo["next"]) == ([RECEIVE], "CONFIRM")
    assert attached() == [RECEIVE]
    assert (schedules(), tuple(map(unmarked, holds()))) == before


def test_undo_service_deregisters_what_the_cure_registered(invoke: Invoke) -> None:
    """moto's deployments go on with their revision, so somebody else moves the service back here."""
    old = service()["taskDefinition"]
    state = cured(invoke, "capture_baseline", "redeploy_service")
    client("ecs").update_service(cluster=WORKER.cluster, service=WORKER.name, taskDefinition=old)
    state["undo"] = invoke("undo_role", {"state": state, "now": NOW})
    assert state["undo"]["next"] == "SERVICE"
    new = state["rollout"]["revision"]
    assert invoke("undo_service", {"state": state, "now": NOW})["deregistered"] == [new]
    shape = client("ecs").describe_task_definition(taskDefinition=new)["taskDefinition"]
    assert shape["status"] == "INACTIVE"


def test_diagnose_finds_the_service_that_still_depends_on_an_expired_grant(invoke: Invoke) -> None:
    contained(invoke)
    settle()
    diagnosis = diagnosed(invoke, opened(invoke, load("console-expire")))
    assert (diagnosis["next"], diagnosis["plan"]["withdraw"]) == ("CHANGE", [RECEIVE])
    assert diagnosis["plan"]["watch"] is True
    assert "NOT_CURED" in [finding["code"] for finding in diagnosis["findings"]]


def test_a_grant_that_is_gone_needs_no_expiry(invoke: Invoke) -> None:
    contained(invoke)
    incident = opened(invoke, load("console-expire"))
    invoke("undo_role")
    assert diagnosed(invoke, incident)["next"] == "NOTHING_TO_FIX"


def test_open_incident_finds_whose_grant_has_expired(invoke: Invoke) -> None:
    contained(invoke)
    incident = opened(invoke, load("console-expire"))
    assert (incident["mode"], incident["expires"], incident["role"]) == ("expire", INCIDENT, OLD_ROLE)
    assert incident["entry"]["grant_ttl_hours"] == 24
