"""AWS CloudTrail's event history, as far as somebody asks who has started an execution.

It has StartExecution's records, in the shape of the user guide's "Record contents" and of the Step Functions
developer guide ("Recording API calls with CloudTrail"), some minutes after the call: about five, says the
user guide of what trails deliver. LookupEvents gives the newest first, 50 at most (API reference).
"""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from moto.cloudtrail.responses import CloudTrailResponse
from moto.stepfunctions.responses import StepFunctionResponse

from sandbox.engine.core import Core
from sandbox.engine.gateway import Gateway, Principal
from sandbox.iam.requests import ACCOUNT, REGION

DELAY = 300.0
_MOST = 50


@dataclass(frozen=True)
class _Event:
    at: datetime
    name: str
    record: dict[str, Any]


class Trail:
    """`delay` is how many simulated seconds after its call the history has an event."""

    def __init__(self, core: Core) -> None:
        self.delay = DELAY
        self._core = core
        self._events: list[_Event] = []
        self._ids = random.Random(core.seed)

    def add(self, name: str, identity: Any, request: Any, response: Any) -> None:
        now = self._core.clock.now()
        record = {
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": "states.amazonaws.com",
            "eventName": name,
            "awsRegion": REGION,
            "requestParameters": request,
            "responseElements": response,
            "eventID": str(uuid.UUID(int=self._ids.getrandbits(128), version=4)),
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "eventCategory": "Management",
            "recipientAccountId": ACCOUNT,
        }
        self._events.append(_Event(now, name, record))

    def look_up(self, name: str | None, since: float | None, until: float | None) -> list[dict[str, Any]]:
        """The shapes of the events, newest first; times in seconds of the epoch."""
        now = self._core.clock.now().timestamp()
        return [
            {
                "EventId": event.record["eventID"],
                "EventName": event.name,
                "EventTime": int(event.at.timestamp()),
                "EventSource": event.record["eventSource"],
                "CloudTrailEvent": json.dumps(event.record),
            }
            for event in reversed(self._events)
            if name in (None, event.name)
            and event.at.timestamp() + self.delay <= now
            and (since is None or int(event.at.timestamp()) >= since)
            and (until is None or int(event.at.timestamp()) <= until)
        ]


def _identity(principal: Principal, unique: str) -> dict[str, Any]:
    """User guide, "CloudTrail userIdentity element"."""
    known: dict[str, Any] = {"principalId": unique, "arn": principal.arn, "accountId": ACCOUNT}
    if principal.role is None:
        return {"type": "IAMUser", **known, "userName": principal.arn.rpartition("/")[2]}
    issuer = {"type": "Role", "principalId": unique.partition(":")[0], "userName": principal.role}
    return {"type": "AssumedRole", **known, "sessionContext": {"sessionIssuer": issuer}}


def install(core: Core, gateway: Gateway) -> Trail:
    trail = Trail(core)
    start = StepFunctionResponse.start_execution

    def started(self: Any) -> Any:
        answer: Any = start(self)
        arn = answer.result["executionArn"]
        asked = {key: self._get_param(key) for key in ("stateMachineArn", "name", "input")}
        request = {key: value for key, value in asked.items() if value is not None}
        key = self.get_access_key()
        identity = _identity(gateway.principal(key), gateway.unique_id(key))
        trail.add("StartExecution", identity, request, {"executionArn": arn})
        return answer

    def lookup_events(self: Any) -> str:
        (wanted,) = self._get_param("LookupAttributes") or [{}]
        times = [self._get_param(key) for key in ("StartTime", "EndTime")]
        since, until = (None if each is None else float(each) for each in times)
        found = trail.look_up(wanted.get("AttributeValue"), since, until)
        first = int(self._get_param("NextToken") or 0)
        last = first + min(int(self._get_param("MaxResults") or _MOST), _MOST)
        page: dict[str, Any] = {"Events": found[first:last]}
        return json.dumps(page | ({"NextToken": str(last)} if last < len(found) else {}))

    core.patch(StepFunctionResponse, "start_execution", started)
    # moto does not have it at all.
    setattr(CloudTrailResponse, "lookup_events", lookup_events)  # noqa: B010  # mypy minds the other way
    core.on_close(partial(delattr, CloudTrailResponse, "lookup_events"))
    return trail
