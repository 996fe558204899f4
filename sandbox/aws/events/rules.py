"""EventBridge: events reach rules, and CloudWatch alarms, Step Functions and the time of day make events.

Rules with a pattern are offered every event of the bus; rules with a rate get one of their own each time the
rate says so (EventBridge User Guide, "Creating a scheduled rule that runs at regular rates"). How the targets
are reached is delivery.py's part. Event shapes: "Alarm events and EventBridge" and "EventBridge for Step
Functions".
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import Alarm
from moto.events.exceptions import InvalidEventPatternException
from moto.events.models import EventPatternParser, EventsBackend, Rule, events_backends

from sandbox.aws.events.delivery import RuleTargets, Undelivered
from sandbox.aws.events.operators import InvalidPattern
from sandbox.aws.events.patterns import read
from sandbox.engine.core import Core
from sandbox.iam.requests import ACCOUNT, REGION

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_MOST_BYTES = 248 * 1024
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


class Events:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._count = 0
        self.undelivered: list[Undelivered] = []
        self._targets = RuleTargets(core, self.undelivered)

    def emit(self, source: str, detail_type: str, resources: list[str], detail: Mapping[str, Any]) -> None:
        """An event of an AWS service, on the default bus."""
        event = self._event(source, detail_type, resources, detail)
        for rule in list(_rules().values()):
            self.offer(rule, event)

    def offer(self, rule: Any, event: Mapping[str, Any]) -> None:
        """Send the event to the rule's targets if it matches."""
        pattern = rule.event_pattern.dump()
        if rule.state.startswith("ENABLED") and pattern and read(pattern).matches(event):
            self._targets.offer(rule, event)

    def repeat(self, rule: Rule) -> None:
        """Send the rule's targets a Scheduled Event at its rate, first when one period has passed.

        It ends when the rule is deleted or put again.
        """
        rate = _RATE.fullmatch(rule.scheduled_expression or "")
        if rate is None:
            raise NotImplementedError(f"The local account's EventBridge has no {rule.scheduled_expression}")

        def fire() -> None:
            if _rules().get(rule.name) is not rule:
                timer.cancel()
            elif rule.state.startswith("ENABLED"):
                event = self._event("aws.events", "Scheduled Event", [rule.arn], {})
                self._targets.offer(rule, event)

        timer = self._core.clock.every(float(rate[1]) * _SECONDS[rate[2]], fire)

    def _event(
        self, source: str, detail_type: str, resources: list[str], detail: Mapping[str, Any]
    ) -> dict[str, Any]:
        self._count += 1
        return {
            "version": "0",
            "id": str(uuid.UUID(int=self._count, version=4)),
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT,
            "time": _iso(self._core.clock.now()),
            "region": REGION,
            "resources": resources,
            "detail": detail,
        }

    # What other services report

    def execution_changed(self, execution: Any) -> None:
        """Step Functions Execution Status Change.

        The members, and null for what is not there, are as LocalStack recorded them at AWS
        (tests/aws/services/stepfunctions/v2/base/test_base.snapshot.json, test_event_bridge_events_base).
        """
        status = execution.status
        output = json.dumps(execution.output) if status == "SUCCEEDED" else None
        given, given_details, output, output_details = _that_fits(execution.execution_input, output)
        # An end without success can be redriven for 14 days (API reference, DescribeExecution).
        redrivable = status in ("FAILED", "TIMED_OUT", "ABORTED")
        reason = None if redrivable else f"Execution is {status} and cannot be redriven"
        detail = {
            "executionArn": execution.execution_arn,
            "stateMachineArn": execution.state_machine_arn,
            "name": execution.name,
            "status": status,
            "startDate": _millis(execution.start_date),
            "stopDate": _millis(execution.stop_date) if execution.stop_date else None,
            "input": given,
            "output": output,
            "stateMachineVersionArn": None,
            "stateMachineAliasArn": None,
            "redriveCount": 0,
            "redriveDate": None,
            "redriveStatus": "REDRIVABLE" if redrivable else "NOT_REDRIVABLE",
            "redriveStatusReason": reason,
            "inputDetails": given_details,
            "outputDetails": output_details,
            "error": execution.error,
            "cause": execution.cause,
        }
        self.emit("aws.states", "Step Functions Execution Status Change", [execution.execution_arn], detail)

    def alarm_changed(self, alarm: Any, previous: Mapping[str, Any]) -> None:
        """CloudWatch Alarm State Change."""
        metric = {
            "namespace": alarm.namespace,
            "name": alarm.metric_name,
            "dimensions": {dimension.name: dimension.value for dimension in alarm.dimensions},
        }
        stat = {"metric": metric, "period": int(alarm.period or 60), "stat": alarm.statistic or "Average"}
        configuration: dict[str, Any] = {
            "metrics": [{"id": "m1", "metricStat": stat, "returnData": True}],
        }
        if alarm.rule:
            suppressor = {"actionsSuppressor": alarm.actions_suppressor} if alarm.actions_suppressor else {}
            configuration = {"alarmRule": alarm.rule, **suppressor}
        if alarm.description:
            configuration["description"] = alarm.description
        detail = {
            "alarmName": alarm.name,
            "state": alarm_state(alarm),
            "previousState": previous,
            "configuration": configuration,
        }
        self.emit("aws.cloudwatch", "CloudWatch Alarm State Change", [alarm.alarm_arn], detail)


def install(core: Core) -> Events:
    events = Events(core)
    update_state, put_rule = Alarm.update_state, EventsBackend.put_rule

    def changed(alarm: Any, reason: str, reason_data: str, state_value: str) -> None:
        previous = alarm_state(alarm)
        update_state(alarm, reason, reason_data, state_value)
        if previous["value"] != state_value:
            events.alarm_changed(alarm, previous)

    def send(rule: Any, event: Mapping[str, Any], transform_input: bool = True) -> None:
        time = event["time"]
        events.offer(rule, event if isinstance(time, str) else {**event, "time": _iso(core.clock.now())})

    def put(self: Any, *args: Any, **more: Any) -> Any:
        rule = put_rule(self, *args, **more)
        if rule.scheduled_expression:
            events.repeat(rule)
        return rule

    def parsed(self: Any) -> dict[str, Any]:
        try:
            return read(self.pattern).pattern if self.pattern else {}
        except InvalidPattern as error:
            raise InvalidEventPatternException(str(error)) from error

    core.patch(Alarm, "update_state", changed)
    core.patch(EventPatternParser, "parse", parsed)
    core.patch(EventsBackend, "put_rule", put)
    core.patch(Rule, "send_to_targets", send)
    return events


def _that_fits(given: str, output: str | None) -> tuple[str | None, Any, str | None, Any]:
    """(input, inputDetails, output, outputDetails), without the input if both texts, escaped, are too long,
    and without the output if that alone is (Step Functions developer guide, "Automating Step Functions event
    delivery with EventBridge"). That what is left out is null is our reading.
    """
    given_bytes = len(json.dumps(given).encode())
    output_bytes = 0 if output is None else len(json.dumps(output).encode())
    input_fits, output_fits = given_bytes + output_bytes <= _MOST_BYTES, output_bytes <= _MOST_BYTES
    return (
        given if input_fits else None,
        {"included": input_fits},
        output if output_fits else None,
        None if output is None else {"included": output_fits},
    )


def alarm_state(alarm: Any) -> dict[str, Any]:
    """The alarm's state as an event has it."""
    state = {
        "value": alarm.state_value,
        "reason": alarm.state_reason,
        # CloudWatch writes the offset without a colon.
        "timestamp": alarm.state_updated_timestamp.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
    }
    if by := alarm.actions_suppressed_by:
        state |= {"actionsSuppressedBy": by, "actionsSuppressedReason": f"Actions suppressed by {by}"}
    if alarm.state_reason_data and alarm.state_reason_data != "{}":
        state["reasonData"] = alarm.state_reason_data
    return state


def _rules() -> dict[str, Rule]:
    """Of the default bus."""
    rules: dict[str, Rule] = events_backends[ACCOUNT][REGION].event_buses["default"].rules
    return rules


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
