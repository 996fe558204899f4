"""CloudTrail's event history: who started a run. No API of Step Functions says that."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from regrant.aws.clients import aws_errors
from regrant.aws.executions import execution_arn
from regrant.model.approval import Starter

# Seconds around the execution's start in which the call's own time lies: that has whole seconds, and comes
# from another host (CloudTrail user guide, Record contents, eventTime).
_AROUND = 60
# Of 50 events each (API reference, LookupEvents).
_PAGES = 20


class _Identity(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    arn: str | None = None
    principal_id: str | None = None
    invoked_by: str | None = None


class _Elements(msgspec.Struct, frozen=True, rename="camel"):
    execution_arn: str | None = None
    state_machine_arn: str | None = None
    name: str | None = None


class _Record(msgspec.Struct, frozen=True, rename="camel"):
    """CloudTrail user guide, Record contents; Step Functions developer guide, Recording API calls with
    CloudTrail (StartExecution)."""

    event_source: str = ""
    event_name: str = ""
    error_code: str | None = None
    user_identity: _Identity = _Identity()
    request_parameters: _Elements | None = None
    response_elements: _Elements | None = None


class CloudTrail:
    """Implements ports.Trail. `machine` is the runbook's ARN."""

    def __init__(self, cloudtrail: Any, machine: str) -> None:
        self._cloudtrail = cloudtrail
        self._machine = machine

    def starters(self, execution: str, started: str) -> tuple[Starter, ...] | None:
        """LookupEvents for StartExecution around that moment: everybody who started a run of that name. A
        second start of one that runs is answered like the first (API reference, StartExecution), so all of
        the minute are read, and None if they are more than that.

        The history has an event some minutes after the call, two look-ups a second are let through (API
        reference, LookupEvents), and it holds management events only, of which StartExecution is one.
        Raises AwsUnavailable (also if it is asked too often), AwsRefused (denied).
        """
        moment, around = datetime.fromisoformat(started), timedelta(seconds=_AROUND)
        request: dict[str, Any] = {
            "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "StartExecution"}],
            "StartTime": moment - around,
            "EndTime": moment + around,
            "MaxResults": 50,
        }
        arn = execution_arn(self._machine, execution)
        found: list[Starter] = []
        for _ in range(_PAGES):
            with aws_errors():
                page = self._cloudtrail.lookup_events(**request)
            records = (msgspec.json.decode(each["CloudTrailEvent"], type=_Record) for each in page["Events"])
            found += [_starter(record) for record in records if _is(record, arn)]
            if "NextToken" not in page:
                return tuple(found)
            request["NextToken"] = page["NextToken"]
        return None


def _is(record: _Record, arn: str) -> bool:
    if (record.event_source, record.event_name) != ("states.amazonaws.com", "StartExecution"):
        return False
    if record.error_code:
        return False
    answered, asked = record.response_elements, record.request_parameters
    if answered and answered.execution_arn:
        return answered.execution_arn == arn
    machine, _, name = arn.replace(":execution:", ":stateMachine:", 1).rpartition(":")
    return bool(asked and (asked.state_machine_arn, asked.name) == (machine, name))


def _starter(record: _Record) -> Starter:
    who = record.user_identity
    return Starter(who.type, who.arn or "", who.principal_id or "", who.invoked_by or "")
