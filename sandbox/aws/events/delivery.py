"""How a target is reached: again as its retry policy says, else into its dead-letter queue.

Immediately if trying again cannot help, else after the policy's tries (EventBridge User Guide, "Using
dead-letter queues to process undelivered events"). A rule's targets are called with the
rule's own permission: a role for state machines, a resource policy for functions, queues and topics.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from moto.awslambda.models import lambda_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from sandbox.aws.events.inputs import target_input
from sandbox.engine.clock import Clock
from sandbox.engine.core import Core
from sandbox.engine.roles import trusts
from sandbox.iam.evaluate import Request, lets_service
from sandbox.iam.requests import ACCOUNT, REGION

_EVENTS = "events.amazonaws.com"
_WORTH_ANOTHER_TRY = ("Throttl", "TooManyRequests", "ServiceException", "InternalError", "InternalFailure")


@dataclass(frozen=True)
class Undelivered:
    """What did not reach a target, as metric FailedInvocations counts it."""

    sender: str
    """Name of the rule or of the schedule."""
    target: str
    code: str
    message: str


class Refused(Exception):
    """The target does not let the sender in."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def deliver(
    clock: Clock, target: Mapping[str, Any], send: Callable[[], None], bury: Callable[[str, str], None]
) -> None:
    """Send till it succeeds or the target's retry policy ends; then bury it with code and text of the error.

    `send` raises ClientError or Refused.
    """
    policy = target.get("RetryPolicy") or {}
    tries = int(policy.get("MaximumRetryAttempts", 185))
    give_up = clock.elapsed() + int(policy.get("MaximumEventAgeInSeconds", 86_400))
    pause = 1.0
    while True:
        try:
            send()
            return
        except (ClientError, Refused) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else error.code
            again = any(word in code for word in _WORTH_ANOTHER_TRY)
            if not again or tries <= 0 or clock.elapsed() + pause > give_up:
                bury(code, str(error))
                return
        tries -= 1
        clock.sleep(pause)
        pause = min(pause * 2, 900)


def queue_url(arn: str) -> str:
    return f"https://queue.amazonaws.com/{ACCOUNT}/{arn.rpartition(':')[2]}"


def attributes(about: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Message attributes of text."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in about.items()}


class RuleTargets:
    """`undelivered` hears of events that reach no target."""

    def __init__(self, core: Core, undelivered: list[Undelivered]) -> None:
        self._core = core
        self._undelivered = undelivered

    def offer(self, rule: Any, event: Mapping[str, Any]) -> None:
        """Send the event to each of the rule's targets."""
        clock = self._core.clock
        for target in rule.targets:
            send = partial(self._send, rule, target, event)
            bury = partial(self._bury, rule, target, event)
            clock.spawn(partial(deliver, clock, target, send, bury), rule.name)

    def _send(self, rule: Any, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        arn, body = target["Arn"], target_input(target, event, rule.arn)
        service = arn.split(":")[2]
        if service == "states":
            role = str(target.get("RoleArn", "")).rpartition("/")[2]
            # EventBridge User Guide, "Cross-service confused deputy prevention".
            if not trusts(role, _EVENTS, _context(rule.arn)):
                raise Refused("NO_PERMISSIONS", f"Role {role} does not let {_EVENTS} assume it")
            # The name that EventBridge gives: the event's id and one of its own.
            run = uuid.uuid5(uuid.UUID(event["id"]), rule.arn + target["Id"])
            self._core.role_client(role, "stepfunctions", "events").start_execution(
                stateMachineArn=arn, name=f"{event['id']}_{run}", input=body
            )
        elif service == "lambda":
            functions = lambda_backends[ACCOUNT][REGION]
            statements = functions.get_function(arn, None).policy.statements
            _allowed({"Statement": statements}, "lambda:InvokeFunction", arn, rule.arn)
            self._core.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=body)
        elif service == "sqs":
            _allowed(_queue_policy(arn), "sqs:SendMessage", arn, rule.arn)
            self._core.client("sqs").send_message(QueueUrl=queue_url(arn), MessageBody=body)
        elif service == "sns":
            topic = sns_backends[ACCOUNT][REGION].get_topic(arn)
            _allowed(topic.policy, "sns:Publish", arn, rule.arn)
            self._core.client("sns").publish(TopicArn=arn, Message=body)
        else:
            raise NotImplementedError(f"The local account's EventBridge does not deliver to {arn}")

    def _bury(
        self, rule: Any, target: Mapping[str, Any], event: Mapping[str, Any], code: str, text: str
    ) -> None:
        self._undelivered.append(Undelivered(rule.name, target["Arn"], code, text))
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return
        try:
            _allowed(_queue_policy(queue), "sqs:SendMessage", queue, rule.arn)
        except Refused as error:
            self._undelivered.append(Undelivered(rule.name, queue, error.code, str(error)))
            return
        about = {
            "RULE_ARN": rule.arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": code,
            "ERROR_MESSAGE": text,
        }
        self._core.client("sqs").send_message(
            QueueUrl=queue_url(queue), MessageBody=json.dumps(event), MessageAttributes=attributes(about)
        )


def _queue_policy(arn: str) -> Any:
    return sqs_backends[ACCOUNT][REGION].get_queue(arn.rpartition(":")[2]).policy


def _allowed(policy: Any, action: str, resource: str, rule_arn: str) -> None:
    """Whether the resource's own policy lets EventBridge in, for this rule."""
    document = json.loads(policy) if isinstance(policy, str) and policy else policy or {}
    if not lets_service(document, _EVENTS, Request(action, resource, _context(rule_arn))):
        raise Refused("NO_PERMISSIONS", f"{resource} does not let {_EVENTS} do {action}")


def _context(rule_arn: str) -> dict[str, str]:
    return {"aws:sourcearn": rule_arn, "aws:sourceaccount": ACCOUNT}
