"""The handlers of a cure and of a grant's end, each with its event on the seed's account."""

from __future__ import annotations

from typing import Any

import pytest
from moto.sns.models import sns_backends

from regrant.aws.holds import DynamoHolds
from tests.aws.account import ROLE_NAME, TABLE, client, create_new_role
from tests.handlers.conftest import Invoke, load
from tests.handlers.test_handlers import attached, contained, event_of, journal, service, settle
from tests.unit.fakes import ACCOUNT, INCIDENT, OLD_ROLE, RECEIVE, REGION, WORKER_ROLE

CURE = "cure-worker-1"


@pytest.fixture(autouse=True)
def new_role(account: None) -> None:
    create_new_role()


def schedules() -> list[str]:
    listed = client("scheduler").list_schedules(GroupName="regrant-grants")["Schedules"]
    return [each["Name"] for each in listed]


def cure(step: str, **state: Any) -> Any:
    """The step's event with the revision that this account's service runs."""
    event = event_of(step, **state)
    event["state"]["diagnosis"]["plan"]["task_definition"] = service()["taskDefinition"]
    return event


def test_plan_cure_plans_the_declared_role_and_the_grant_that_goes(invoke: Invoke) -> None:
    contained(invoke)
    settle()
    diagnosis = invoke("plan_cure")
    assert (diagnosis["decision"], diagnosis["refusal"]) == ("CURE", None)
    expected = load("register_revision")["state"]["diagnosis"]["plan"]
    assert diagnosis["plan"] == expected | {"task_definition": service()["taskDefinition"]}


def test_register_revision_registers_a_copy_with_the_declared_role(invoke: Invoke) -> None:
    new = invoke("register_revision", cure("register_revision"))["task_definition"]
    ecs = client("ecs")
    shapes = [
        ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        for arn in (service()["taskDefinition"], new)
    ]
    assert [shape["taskRoleArn"] for shape in shapes] == [OLD_ROLE, WORKER_ROLE]
    assert shapes[0]["containerDefinitions"] == shapes[1]["containerDefinitions"]
    (change,) = journal().load(CURE).changes
    assert (change.kind, change.value) == ("register", new)


def test_withdraw_grants_takes_the_grant_its_hold_and_its_schedule(invoke: Invoke) -> None:
    contained(invoke)
    assert len(schedules()) == 1
    withdrawal = invoke("withdraw_grants")
    assert (withdrawal["removed"], withdrawal["watch"]) == ([RECEIVE], True)
    assert (attached(), schedules()) == ([], [])
    assert DynamoHolds(client("dynamodb"), TABLE).of(OLD_ROLE) == ()


def undo_of_the_cure() -> Any:
    event = load("reattach_policies")
    event["state"]["incident"] |= {"id": CURE, "subject": CURE, "role": OLD_ROLE}
    return event


def test_reattach_policies_puts_all_of_it_back(invoke: Invoke) -> None:
    contained(invoke)
    before = schedules(), DynamoHolds(client("dynamodb"), TABLE).of(OLD_ROLE)
    invoke("withdraw_grants")
    assert invoke("reattach_policies", undo_of_the_cure())["attached"] == [RECEIVE]
    assert attached() == [RECEIVE]
    assert (schedules(), DynamoHolds(client("dynamodb"), TABLE).of(OLD_ROLE)) == before


def test_deregister_revision_takes_out_what_the_cure_registered(invoke: Invoke) -> None:
    new = invoke("register_revision", cure("register_revision"))["task_definition"]
    assert invoke("deregister_revision", undo_of_the_cure())["revisions"] == [new]
    shape = client("ecs").describe_task_definition(taskDefinition=new)["taskDefinition"]
    assert shape["status"] == "INACTIVE"


def test_plan_expiry_finds_the_service_that_still_lives_on_the_grant(invoke: Invoke) -> None:
    contained(invoke)
    settle()
    diagnosis = invoke("plan_expiry")
    assert (diagnosis["decision"], diagnosis["plan"]["withdraw"]) == ("EXPIRE", [RECEIVE])
    assert diagnosis["plan"]["watch"] is True
    assert "NOT_CURED" in [finding["code"] for finding in diagnosis["findings"]]


def test_a_grant_that_is_gone_needs_no_expiry(invoke: Invoke) -> None:
    contained(invoke)
    invoke("detach_policies")
    assert invoke("plan_expiry")["decision"] == "NOTHING_TO_FIX"


def test_open_incident_finds_whose_grant_is_at_its_end(invoke: Invoke) -> None:
    contained(invoke)
    opened = invoke("open_incident", load("open_incident") | {"state": load("console-expire")})["incident"]
    assert (opened["mode"], opened["expires"], opened["role"]) == ("expire", INCIDENT, OLD_ROLE)
    assert opened["entry"]["grant_ttl_hours"] == 24


def test_page_unopened_tells_the_topic_how_to_start_it_again(invoke: Invoke) -> None:
    invoke("page_unopened")
    (topic,) = sns_backends[ACCOUNT][REGION].topics.values()
    ((_, message, subject, *_),) = topic.sent_notifications
    assert subject == "NOT_OPENED undo-worker-1"
    assert INCIDENT in message and '"mode": "rollback"' in message
    assert ROLE_NAME not in message
