"""EventBridge Scheduler: one-time schedules start their state machine, on the account's clock.

EventBridge Scheduler User Guide: "Schedule types", "Configuring a schedule's dead-letter queue" and "Confused
deputy prevention" (the role's trust is asked about the schedule group's ARN). The role is all that a schedule
may use, for its dead-letter queue, too. AWS fires within the minute that the time begins, this account at its
second. A time in the past, of which AWS's documentation says nothing, fires immediately.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from botocore.exceptions import ClientError
from moto.scheduler.exceptions import ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule, scheduler_backends
from moto.scheduler.responses import EventBridgeSchedulerResponse

from sandbox.aws.events.delivery import Refused, Undelivered, attributes, deliver, queue_url
from sandbox.engine.clock import Event
from sandbox.engine.core import Core
from sandbox.engine.roles import trusts
from sandbox.iam.requests import ACCOUNT, REGION, arn

_UNTRUSTED = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


class Scheduler:
    def __init__(self, core: Core, undelivered: list[Undelivered]) -> None:
        self._core = core
        self._undelivered = undelivered
        self._due: dict[str, Event] = {}

    def plan(self, schedule: Schedule) -> None:
        """Fire it at its time, and no more at the time that it had before."""
        if former := self._due.pop(schedule.arn, None):
            former.cancel()
        clock = self._core.clock
        left = _time(schedule.schedule_expression, schedule.schedule_expression_timezone) - clock.now()
        seconds = max(left.total_seconds(), 0)
        self._due[schedule.arn] = clock.call_later(seconds, partial(self._come, schedule))

    def _come(self, schedule: Schedule) -> None:
        del self._due[schedule.arn]
        if _stands(schedule) and schedule.state == "ENABLED":
            self._core.clock.spawn(partial(self._fire, schedule), schedule.name)

    def _fire(self, schedule: Schedule) -> None:
        send, bury = partial(self._send, schedule), partial(self._bury, schedule)
        deliver(self._core.clock, schedule.target, send, bury)
        if schedule.action_after_completion == "DELETE" and _stands(schedule):
            scheduler_backends[ACCOUNT][REGION].delete_schedule(schedule.group_name, schedule.name)

    def _send(self, schedule: Schedule) -> None:
        target = schedule.target
        if not _trusted(target["RoleArn"], schedule.group_name):
            raise Refused("AccessDeniedException", _UNTRUSTED)
        self._client(schedule, "stepfunctions").start_execution(
            stateMachineArn=target["Arn"], input=target.get("Input", "{}")
        )

    def _bury(self, schedule: Schedule, code: str, text: str) -> None:
        target = schedule.target
        self._undelivered.append(Undelivered(schedule.name, target["Arn"], code, text))
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return
        about = {
            "SCHEDULE_ARN": schedule.arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": code,
            "ERROR_MESSAGE": text,
        }
        try:
            self._client(schedule, "sqs").send_message(
                QueueUrl=queue_url(queue),
                MessageBody=target.get("Input", "{}"),
                MessageAttributes=attributes(about),
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            self._undelivered.append(Undelivered(schedule.name, queue, code, str(error)))

    def _client(self, schedule: Schedule, service: str) -> Any:
        role = schedule.target["RoleArn"].rpartition("/")[2]
        return self._core.role_client(role, service, "scheduler")


def install(core: Core, undelivered: list[Undelivered]) -> None:
    """What reaches no target is added to `undelivered`."""
    scheduler = Scheduler(core, undelivered)
    backend, response = EventBridgeSchedulerBackend, EventBridgeSchedulerResponse
    create, update, delete_group = (
        backend.create_schedule,
        backend.update_schedule,
        backend.delete_schedule_group,
    )
    parse = response.parse_parameters

    def created(self: Any, **schedule: Any) -> Schedule:
        _check(self, schedule)
        made = create(self, **schedule)
        scheduler.plan(made)
        return made

    def updated(self: Any, **schedule: Any) -> Schedule:
        _check(self, schedule)
        changed = update(self, **schedule)
        scheduler.plan(changed)
        return changed

    def group_deleted(self: Any, name: str | None) -> None:
        self.get_schedule_group(name)  # moto does not look
        delete_group(self, name)

    def parsed(self: Any, request: Any) -> None:
        # moto's URLs call it `name`, the API's shapes Name.
        self.uri_match = {"Name" if k == "name" else k: v for k, v in (self.uri_match or {}).items()}
        parse(self, request)

    core.patch(backend, "create_schedule", created)
    core.patch(backend, "update_schedule", updated)
    core.patch(backend, "delete_schedule_group", group_deleted)
    core.patch(response, "parse_parameters", parsed)


def _check(backend: EventBridgeSchedulerBackend, schedule: Mapping[str, Any]) -> None:
    """What AWS checks and moto does not, and what this account cannot do."""
    group = backend.get_schedule_group(schedule["group_name"]).name
    _time(schedule["schedule_expression"], schedule["schedule_expression_timezone"])
    target = schedule["target"]
    if not _trusted(target["RoleArn"], group):
        raise ValidationException(_UNTRUSTED)
    if not target["Arn"].startswith("arn:aws:states:"):
        raise NotImplementedError(f"The local account's schedules do not reach {target['Arn']}")


def _time(expression: str, zone: str | None) -> datetime:
    if expression.startswith(("rate(", "cron(")):
        raise NotImplementedError(f"The local account's schedules come once: {expression}")
    try:
        # Not every machine has a database of time zones, and UTC needs none.
        tz = UTC if zone in (None, "UTC") else ZoneInfo(zone)
        return datetime.strptime(expression, "at(%Y-%m-%dT%H:%M:%S)").replace(tzinfo=tz)
    except (ValueError, KeyError) as error:  # a KeyError is a zone that is not known
        raise ValidationException(f"Invalid Schedule Expression {expression}.") from error


def _trusted(role_arn: str, group: str) -> bool:
    context = {"aws:sourceaccount": ACCOUNT, "aws:sourcearn": arn("scheduler", f"schedule-group/{group}")}
    return trusts(role_arn.rpartition("/")[2], "scheduler.amazonaws.com", context)


def _stands(schedule: Schedule) -> bool:
    """Whether it has been neither deleted, with its group or without it, nor made again."""
    group = scheduler_backends[ACCOUNT][REGION].schedule_groups.get(schedule.group_name)
    return group is not None and group.schedules.get(schedule.name) is schedule
