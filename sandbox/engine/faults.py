"""Faults to order: what AWS does on a bad day, at a chosen call of a chosen function.

Error codes per service: botocore's service models and the tables of each service's "Common errors" page. A
function that dies in the middle of a call leaves the caller without an answer, which is why each effect says
whether the call took place.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any


class Effect(Enum):
    THROTTLE = "throttle"
    """Refused: rate exceeded. The call does not take place."""
    SERVER_ERROR = "server error"
    """HTTP 500. The call does not take place."""
    DENIED = "denied"
    """Refused as if no policy allowed it."""
    CRASH_BEFORE = "crash before"
    """The function dies (Runtime.ExitError). The call does not take place."""
    CRASH_AFTER = "crash after"
    """The call takes place, then the function dies."""
    TIMEOUT_AFTER = "time-out after"
    """The call takes place, then the function waits for the answer till Lambda ends it (Sandbox.Timedout)."""
    RESPONSE_LOST = "response lost"
    """The call takes place, the connection breaks, and the SDK tries again."""
    STALE_READ = "stale read"
    """The answer that the same read gave before (nothing, if it never answered before)."""


class FunctionCrashed(BaseException):
    """The function's process ended. A BaseException, because no handler can catch its own death."""


class FunctionTimedOut(BaseException):
    """Lambda ended the function at its time limit."""


@dataclass
class Rule:
    """Applies to `times` matching calls, beginning with the `occurrence`-th. Names may hold * and ?.

    function is the one that calls, or for lambda:Invoke the one that is called. Service `function` with
    operation `start` or `return` is the function's own begin and end.
    """

    effect: Effect
    service: str = "*"
    operation: str = "*"
    function: str | None = None
    occurrence: int = 1
    times: int = 1
    seen: int = field(default=0, init=False)

    def matches(self, service: str, operation: str, function: str | None) -> bool:
        if service == "function" != self.service:
            return False
        if not (fnmatchcase(service, self.service) and fnmatchcase(operation, self.operation)):
            return False
        if (
            self.effect in (Effect.CRASH_BEFORE, Effect.CRASH_AFTER, Effect.TIMEOUT_AFTER)
            and function is None
        ):
            return False
        if self.function is not None and not (function and fnmatchcase(function, self.function)):
            return False
        self.seen += 1
        return self.occurrence <= self.seen < self.occurrence + self.times


@dataclass
class Slow:
    """The function takes `seconds` of simulated time more in `times` invocations."""

    function: str
    seconds: float
    times: int


class Faults:
    def __init__(self) -> None:
        self.iam_lag: float = 0
        """Simulated seconds until a role's calls feel a change of the role. AWS: about 4."""
        self.iam_flapping: random.Random | None = None
        """Until then each call meets the old or the new, drawn from here; None: always the old."""
        self.rules: list[Rule] = []
        self._slow: list[Slow] = []

    def add(
        self,
        effect: Effect,
        service: str = "*",
        operation: str = "*",
        *,
        function: str | None = None,
        occurrence: int = 1,
        times: int = 1,
    ) -> Rule:
        """E.g. `faults.add(Effect.THROTTLE, "iam", "AttachRolePolicy", function="*-attach-policies")`."""
        rule = Rule(effect, service, operation, function, occurrence, times)
        self.rules.append(rule)
        return rule

    def slow(self, function: str, seconds: float, times: int = 1) -> None:
        """Let the next `times` invocations of a function take `seconds` of simulated time."""
        self._slow.append(Slow(function, seconds, times))

    def clear(self) -> None:
        self.iam_lag, self.iam_flapping = 0, None
        self.rules.clear()
        self._slow.clear()

    def match(
        self,
        service: str,
        operation: str,
        function: str | None,
        *,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        repeated: bool = False,
    ) -> Effect | None:
        """What befalls this call. `repeated` says that the same read has been answered before."""
        hits = [rule.effect for rule in self.rules if rule.matches(service, operation, function)]
        return hits[0] if hits else None

    def duration(self, function: str) -> float:
        for slow in self._slow:
            if slow.times > 0 and fnmatchcase(function, slow.function):
                slow.times -= 1
                return slow.seconds
        return 0


# (code, HTTP status, message); the other services answer as JSON services commonly do.
THROTTLED = {
    "iam": ("Throttling", 400, "Rate exceeded"),
    "sts": ("Throttling", 400, "Rate exceeded"),
    "cloudwatch": ("Throttling", 400, "Rate exceeded"),
    "sns": ("Throttled", 429, "Rate exceeded"),
    "sqs": ("RequestThrottled", 403, "Request was throttled."),
    "s3": ("SlowDown", 503, "Please reduce your request rate."),
    "lambda": ("TooManyRequestsException", 429, "Rate Exceeded."),
    "scheduler": ("ThrottlingException", 429, "Rate exceeded"),
}
SERVER_ERRORS = {
    "iam": ("ServiceFailure", 500, "The request processing has failed because of an unknown error."),
    "s3": ("InternalError", 500, "We encountered an internal error. Please try again."),
    "ecs": ("ServerException", 500, "Service Unavailable. Please try again later."),
    "ssm": ("InternalServerError", 500, "An error occurred on the server side."),
    "dynamodb": ("InternalServerError", 500, "Internal server error"),
    "lambda": ("ServiceException", 500, "The service encountered an internal error."),
    "scheduler": ("InternalServerException", 500, "Unexpected error encountered while processing."),
    "logs": ("ServiceUnavailableException", 503, "The service cannot complete the request."),
}


def throttled(service: str) -> tuple[str, int, str]:
    return THROTTLED.get(service, ("ThrottlingException", 400, "Rate exceeded"))


def server_error(service: str) -> tuple[str, int, str]:
    return SERVER_ERRORS.get(service, ("InternalFailure", 500, "The request processing has failed."))
