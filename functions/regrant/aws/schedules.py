"""One-time schedules of EventBridge Scheduler that start the state machine.

API reference: CreateSchedule, DeleteSchedule; EventBridge Scheduler User Guide, "One-time schedules".
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.settings import Settings

# As long and as often as AWS tries at most (API reference, RetryPolicy).
_RETRY = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
_DESCRIPTION_LIMIT = 512


class EventBridgeSchedules:
    """Implements ports.Schedules: in the stack's own group, with its own role and state machine."""

    def __init__(self, scheduler: Any, settings: Settings) -> None:
        self._scheduler = scheduler
        self._settings = (
            settings  # asked when it is needed: who only cancels has no state machine and no role
        )

    def put(self, incident: str, at: str) -> bool:
        """CreateSchedule, which deletes itself once it has fired (within 60 s of its time); False where it is
        there already.

        Raises AwsUnavailable, AwsRefused (denied, PassRole too; no such group; a role that does not trust
        scheduler.amazonaws.com; the quota of schedules).
        """
        try:
            with aws_errors():
                self._scheduler.create_schedule(
                    Name=_name(incident, at),
                    GroupName=self._settings.schedule_group,
                    Description=f"Regrant: end of the grant of {incident}"[:_DESCRIPTION_LIMIT],
                    ScheduleExpression=f"at({_whole_second(at)})",
                    ScheduleExpressionTimezone="UTC",
                    FlexibleTimeWindow={"Mode": "OFF"},
                    ActionAfterCompletion="DELETE",
                    Target={
                        "Arn": self._settings.state_machine,
                        "RoleArn": self._settings.schedule_role,
                        "Input": json.dumps({"mode": "expire", "incident": incident}),
                        "RetryPolicy": _RETRY,
                    },
                )
        except AwsRefused as refused:
            if refused.code != "ConflictException":
                raise
            return False
        return True

    def cancel(self, incident: str, at: str) -> None:
        """DeleteSchedule. Raises AwsUnavailable (also while it is being changed), AwsRefused (denied)."""
        try:
            with aws_errors():
                self._scheduler.delete_schedule(
                    Name=_name(incident, at), GroupName=self._settings.schedule_group
                )
        except AwsRefused as refused:
            # It fired and deleted itself, was deleted before, or its group was.
            if refused.code == "ResourceNotFoundException":
                return
            # "Updating or deleting the resource can cause an inconsistent state": not now.
            if refused.code == "ConflictException":
                raise AwsUnavailable(str(refused)) from refused
            raise


def _name(incident: str, at: str) -> str:
    """An execution's name may be longer than a schedule's, and hold other characters."""
    return sha256(f"{incident}|{at}".encode()).hexdigest()[:40]


def _whole_second(at: str) -> str:
    """yyyy-mm-ddThh:mm:ss in UTC, never before `at` (ISO 8601 with an offset)."""
    moment = datetime.fromisoformat(at).astimezone(UTC)
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
