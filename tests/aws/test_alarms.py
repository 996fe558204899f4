"""Which alarms are in ALARM, and whether their rule starts runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.alarms import CloudWatchAlarms
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import FiringAlarm
from tests.aws.account import client
from tests.unit.fakes import SETTINGS, WORKER

MOVED = datetime(2025, 11, 11, 21, 52, 11, 438_000, tzinfo=UTC)
ASKED = {
    "AlarmNamePrefix": "regrant/",
    "StateValue": "ALARM",
    "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
}


def alarms(cloudwatch: Any = None) -> CloudWatchAlarms:
    return CloudWatchAlarms(cloudwatch or client("cloudwatch"), client("events"))


def test_metric_and_composite_alarms_are_shown_from_every_page() -> None:
    cloudwatch = client("cloudwatch")
    metric = {"AlarmName": f"regrant/{WORKER}", "StateTransitionedTimestamp": MOVED}
    composite = {"AlarmName": "regrant/c/s", "ActionsSuppressedBy": "Alarm", "StateUpdatedTimestamp": MOVED}
    with Stubber(cloudwatch) as stub:
        page = {"MetricAlarms": [metric], "CompositeAlarms": [], "NextToken": "more"}
        stub.add_response("describe_alarms", page, ASKED)
        stub.add_response("describe_alarms", {"CompositeAlarms": [composite]}, ASKED | {"NextToken": "more"})
        assert alarms(cloudwatch).firing("regrant/") == (
            FiringAlarm(f"regrant/{WORKER}", "2025-11-11T21:52:11.438Z"),
            FiringAlarm("regrant/c/s", "2025-11-11T21:52:11.438Z", "Alarm", composite=True),
        )


def test_a_rule_starts_runs_unless_it_is_disabled() -> None:
    events = client("events")
    events.put_rule(Name=SETTINGS.alarm_rule, EventPattern="{}")
    assert alarms().start_runs(SETTINGS.alarm_rule)
    events.disable_rule(Name=SETTINGS.alarm_rule)
    assert not alarms().start_runs(SETTINGS.alarm_rule)


@pytest.mark.parametrize(
    ("code", "failure"), [("AccessDenied", AwsRefused), ("ThrottlingException", AwsUnavailable)]
)
def test_what_cannot_be_read_is_a_failure(code: str, failure: type[Exception]) -> None:
    cloudwatch = client("cloudwatch")
    with Stubber(cloudwatch) as stub:
        stub.add_client_error("describe_alarms", code)
        with pytest.raises(failure):
            alarms(cloudwatch).firing("regrant/")
