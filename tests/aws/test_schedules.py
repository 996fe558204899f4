"""One-time schedules in EventBridge Scheduler."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.schedules import EventBridgeSchedules
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.settings import Settings
from tests.aws.account import client
from tests.unit.fakes import SETTINGS

GROUP = "regrant"
ROLE = "arn:aws:iam::123456789012:role/regrant-expiry"
AT = "2026-03-02T10:00:00.000Z"


@pytest.fixture
def scheduler() -> Any:
    made = client("scheduler")
    made.create_schedule_group(Name=GROUP)
    return made


def schedules(scheduler: Any) -> EventBridgeSchedules:
    names = {
        "SCHEDULE_GROUP": GROUP,
        "STATE_MACHINE_ARN": SETTINGS.state_machine,
        "SCHEDULE_ROLE_ARN": ROLE,
    }
    return EventBridgeSchedules(scheduler, Settings(names))


def stored(scheduler: Any) -> list[dict[str, Any]]:
    found = scheduler.list_schedules()["Schedules"]
    return [scheduler.get_schedule(GroupName=each["GroupName"], Name=each["Name"]) for each in found]


def test_it_starts_the_state_machine_once_and_deletes_itself(scheduler: Any) -> None:
    schedules(scheduler).put("run-1", AT)
    (schedule,) = stored(scheduler)
    assert schedule["GroupName"] == GROUP
    assert schedule["ScheduleExpression"] == "at(2026-03-02T10:00:00)"
    assert schedule["ScheduleExpressionTimezone"] == "UTC"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["ActionAfterCompletion"] == "DELETE"
    assert "run-1" in schedule["Description"]
    target = schedule["Target"]
    assert (target["Arn"], target["RoleArn"]) == (SETTINGS.state_machine, ROLE)
    assert json.loads(target["Input"]) == {"mode": "expire", "incident": "run-1"}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}


@pytest.mark.parametrize(
    ("at", "second"),
    [
        ("2026-03-02T10:00:00.001Z", "2026-03-02T10:00:01"),
        ("2026-12-31T23:59:59.500Z", "2027-01-01T00:00:00"),
        ("2026-03-02T10:00:00+02:00", "2026-03-02T08:00:00"),
    ],
)
def test_it_never_comes_before_its_time(scheduler: Any, at: str, second: str) -> None:
    schedules(scheduler).put("run-1", at)
    assert stored(scheduler)[0]["ScheduleExpression"] == f"at({second})"


def test_put_twice_is_there_once(scheduler: Any) -> None:
    for _ in range(2):
        schedules(scheduler).put("run-1", AT)
    assert len(stored(scheduler)) == 1


def test_each_incident_and_each_time_has_its_own(scheduler: Any) -> None:
    schedules(scheduler).put("run-1", AT)
    schedules(scheduler).put("run-2", AT)
    schedules(scheduler).put("run-1", "2026-03-02T11:00:00.000Z")
    schedules(scheduler).cancel("run-1", AT)
    left = {
        (each["ScheduleExpression"], json.loads(each["Target"]["Input"])["incident"])
        for each in stored(scheduler)
    }
    assert left == {("at(2026-03-02T10:00:00)", "run-2"), ("at(2026-03-02T11:00:00)", "run-1")}


def test_any_name_of_an_execution_will_do(scheduler: Any) -> None:
    # EventBridge names its executions with two UUIDs, people with what they like.
    incident = "grün & größer: " + "x" * 700
    schedules(scheduler).put(incident, AT)
    (schedule,) = stored(scheduler)
    model = scheduler.meta.service_model.operation_model("CreateSchedule").input_shape.members
    assert len(schedule["Name"]) <= model["Name"].metadata["max"]
    assert len(schedule["Description"]) <= model["Description"].metadata["max"]
    assert json.loads(schedule["Target"]["Input"])["incident"] == incident
    schedules(scheduler).cancel(incident, AT)
    assert stored(scheduler) == []


def test_what_is_not_there_is_cancelled(scheduler: Any) -> None:
    schedules(scheduler).cancel("run-1", AT)
    scheduler.delete_schedule_group(Name=GROUP)
    schedules(scheduler).cancel("run-1", AT)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("AccessDeniedException", 403, AwsRefused),
        ("ValidationException", 400, AwsRefused),
        ("ServiceQuotaExceededException", 402, AwsRefused),
        ("ResourceNotFoundException", 404, AwsRefused),
        ("ThrottlingException", 429, AwsUnavailable),
        ("InternalServerException", 500, AwsUnavailable),
    ],
)
def test_one_that_could_not_be_put_is_an_error(
    scheduler: Any, code: str, status: int, error: type[Exception]
) -> None:
    with Stubber(scheduler) as stub:
        stub.add_client_error("create_schedule", code, http_status_code=status)
        with pytest.raises(error):
            schedules(scheduler).put("run-1", AT)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("AccessDeniedException", 403, AwsRefused), ("ConflictException", 409, AwsUnavailable)],
)
def test_one_that_could_not_be_cancelled_is_an_error(
    scheduler: Any, code: str, status: int, error: type[Exception]
) -> None:
    with Stubber(scheduler) as stub:
        stub.add_client_error("delete_schedule", code, http_status_code=status)
        with pytest.raises(error):
            schedules(scheduler).cancel("run-1", AT)
