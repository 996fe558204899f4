"""EventBridge: rules reach their targets, and CloudWatch alarms and Step Functions reach EventBridge.

Targets are called with the rule's own permission: a role for state machines, a resource policy for functions,
queues and topics. What cannot be delivered goes to the dead-letter queue of the target, at once if trying
again cannot help, else after the target's retry policy (EventBridge User Guide, "Using dead-letter queues to
process undelivered events"). Event shapes: "Alarm events and EventBridge" and "EventBridge for Step
Functions".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.awslambda.models import lambda_backends
from moto.cloudwatch.models import Alarm
from moto.events.models import Rule, events_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from sandbox.authorization import ACCOUNT, REGION
from sandbox.iam import Request, evaluate
from sandbox.patterns import matches, target_input

if TYPE_CHECKING:
    from sandbox.account import LocalAccount

_WORTH_ANOTHER_TRY = ("Throttl", "TooManyRequests", "ServiceException", "InternalError", "InternalFailure")


@dataclass(frozen=True)
class Undelivered:
    """An event that did not reach a target, as metric FailedInvocations counts them."""

    rule: str
    target: str
    code: str
    message: str


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Events:
    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self._count = 0
        self.undelivered: list[Undelivered] = []

    def emit(self, source: str, detail_type: str, resources: list[str], detail: Mapping[str, Any]) -> None:
        """An event of an AWS service, on the default bus."""
        self._count += 1
        event = {
            "version": "0",
            "id": str(uuid.UUID(int=self._count, version=4)),
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT,
            "time": _iso(self._account.clock.now()),
            "region": REGION,
            "resources": resources,
            "detail": detail,
        }
        for rule in list(events_backends[ACCOUNT][REGION].event_buses["default"].rules.values()):
            self.offer(rule, event)

    def offer(self, rule: Any, event: Mapping[str, Any]) -> None:
        """Send the event to the rule's targets if it matches."""
        pattern = rule.event_pattern.get_pattern()
        if rule.state.startswith("ENABLED") and pattern and matches(pattern, event):
            for target in rule.targets:
                self._account.clock.spawn(partial(self._deliver, rule, target, event), rule.name)

    def _deliver(self, rule: Any, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        policy = target.get("RetryPolicy") or {}
        tries = int(policy.get("MaximumRetryAttempts", 185))
        give_up = self._account.clock.elapsed() + int(policy.get("MaximumEventAgeInSeconds", 86_400))
        pause = 1.0
        while True:
            try:
                self._send(rule, target, event)
                return
            except (ClientError, _Refused) as error:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else error.code
                again = any(word in code for word in _WORTH_ANOTHER_TRY)
                if not again or tries <= 0 or self._account.clock.elapsed() + pause > give_up:
                    self._bury(rule, target, event, code, str(error))
                    return
            tries -= 1
            self._account.clock.sleep(pause)
            pause = min(pause * 2, 900)

    def _send(self, rule: Any, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        arn, body = target["Arn"], target_input(target, event, rule.arn)
        service, name = arn.split(":")[2], arn.rpartition(":")[2]
        if service == "states":
            role = str(target.get("RoleArn", "")).rpartition("/")[2]
            # The name that EventBridge gives: the event's id and one of its own.
            run = uuid.uuid5(uuid.UUID(event["id"]), rule.arn + target["Id"])
            self._account.role_client(role, "stepfunctions", "events").start_execution(
                stateMachineArn=arn, name=f"{event['id']}_{run}", input=body
            )
        elif service == "lambda":
            functions = lambda_backends[ACCOUNT][REGION]
            statements = functions.get_function(arn, None).policy.statements
            self._allowed({"Statement": statements}, "lambda:InvokeFunction", arn, rule.arn)
            self._account.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=body)
        elif service == "sqs":
            queue = sqs_backends[ACCOUNT][REGION].get_queue(name)
            self._allowed(queue.policy, "sqs:SendMessage", arn, rule.arn)
            self._account.client("sqs").send_message(QueueUrl=_queue_url(name), MessageBody=body)
        elif service == "sns":
            topic = sns_backends[ACCOUNT][REGION].get_topic(arn)
            self._allowed(topic.policy, "sns:Publish", arn, rule.arn)
            self._account.client("sns").publish(TopicArn=arn, Message=body)
        else:
            raise NotImplementedError(f"The local account's EventBridge does not deliver to {arn}")

    @staticmethod
    def _allowed(policy: Any, action: str, resource: str, rule_arn: str) -> None:
        """Whether the resource's own policy lets EventBridge in, for this rule."""
        document = json.loads(policy) if isinstance(policy, str) and policy else policy or {}
        ours = [s for s in document.get("Statement", []) if "events.amazonaws.com" in _services(s)]
        request = Request(action, resource, {"aws:sourcearn": rule_arn, "aws:sourceaccount": ACCOUNT})
        if not evaluate(request, [{"Statement": ours}]).allowed:
            raise _Refused("NO_PERMISSIONS", f"{resource} does not let events.amazonaws.com do {action}")

    def _bury(
        self, rule: Any, target: Mapping[str, Any], event: Mapping[str, Any], code: str, text: str
    ) -> None:
        self.undelivered.append(Undelivered(rule.name, target["Arn"], code, text))
        queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue_arn:
            return
        name = queue_arn.rpartition(":")[2]
        try:
            queue = sqs_backends[ACCOUNT][REGION].get_queue(name)
            self._allowed(queue.policy, "sqs:SendMessage", queue_arn, rule.arn)
        except _Refused as error:
            self.undelivered.append(Undelivered(rule.name, queue_arn, error.code, str(error)))
            return
        about = {
            "RULE_ARN": rule.arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": code,
            "ERROR_MESSAGE": text,
        }
        self._account.client("sqs").send_message(
            QueueUrl=_queue_url(name),
            MessageBody=json.dumps(event),
            MessageAttributes={k: {"DataType": "String", "StringValue": v} for k, v in about.items()},
        )

    # What other services tell

    def execution_changed(self, execution: Any) -> None:
        """Step Functions Execution Status Change."""
        succeeded = execution.status == "SUCCEEDED"
        detail = {
            "executionArn": execution.execution_arn,
            "stateMachineArn": execution.state_machine_arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": _millis(execution.start_date),
            "stopDate": _millis(execution.stop_date) if execution.stop_date else None,
            "input": execution.execution_input,
            "inputDetails": {"included": True},
            "output": json.dumps(execution.output) if succeeded else None,
            "outputDetails": {"included": True} if succeeded else None,
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
        if alarm.description:
            configuration["description"] = alarm.description
        detail = {
            "alarmName": alarm.name,
            "state": _alarm_state(alarm),
            "previousState": previous,
            "configuration": configuration,
        }
        self.emit("aws.cloudwatch", "CloudWatch Alarm State Change", [alarm.alarm_arn], detail)


def install(account: LocalAccount) -> Events:
    events = Events(account)
    update_state = Alarm.update_state

    def changed(alarm: Any, reason: str, reason_data: str, state_value: str) -> None:
        previous = _alarm_state(alarm)
        update_state(alarm, reason, reason_data, state_value)
        if previous["value"] != state_value:
            events.alarm_changed(alarm, previous)

    def send(rule: Any, event: Mapping[str, Any], transform_input: bool = True) -> None:
        time = event["time"]
        events.offer(rule, event if isinstance(time, str) else {**event, "time": _iso(account.clock.now())})

    account.patch(Alarm, "update_state", changed)
    account.patch(Rule, "send_to_targets", send)
    return events


def _alarm_state(alarm: Any) -> dict[str, Any]:
    state = {
        "value": alarm.state_value,
        "reason": alarm.state_reason,
        # CloudWatch writes the offset without a colon.
        "timestamp": alarm.state_updated_timestamp.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
    }
    if alarm.state_reason_data and alarm.state_reason_data != "{}":
        state["reasonData"] = alarm.state_reason_data
    return state


def _services(statement: Mapping[str, Any]) -> Any:
    principal = statement.get("Principal", {})
    return principal.get("Service", []) if isinstance(principal, Mapping) else ["events.amazonaws.com"]


def _queue_url(name: str) -> str:
    return f"https://queue.amazonaws.com/{ACCOUNT}/{name}"


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
