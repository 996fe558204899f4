"""Every fault at every point: at each, the process is forked, and the child goes on with the fault.

Points: an AWS call of a function; a function's begin and end, and the state machine's call of it; a state
that is entered. Each is tried where the story comes to it first; with `every`, each time it comes there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.stepfunctions.parser.asl.component.state.state import CommonStateField

from sandbox.chaos.forks import Forks, Point
from sandbox.engine.faults import Effect, Faults

STRAGGLES = 40.0
"""Seconds for which a function goes on after its run was stopped; they end at 50."""

STOPPED = "execution stopped"
_ALWAYS = 10_000
_READS = ("Get", "List", "Describe", "Filter", "Query")


@dataclass(frozen=True)
class Kind:
    """A fault: what happens, how many times in a row, and at what."""

    name: str
    effect: Effect
    times: int = 1
    at_reads: bool = True
    at_changes: bool = True
    at_functions: bool = True
    in_full: bool = False

    def as_a_crash(self, reads: bool) -> bool:
        """Whether it is as with a crash before the call, or after it: the step is tried again."""
        same = (Effect.THROTTLE, Effect.TIMEOUT_AFTER, *([Effect.CRASH_AFTER] if reads else []))
        return self.effect in same


KINDS = (
    Kind("crash before", Effect.CRASH_BEFORE),
    Kind("crash after", Effect.CRASH_AFTER),
    # The others are repaired by the next try; here only the journal knows what the tries did.
    Kind("crash after, every try", Effect.CRASH_AFTER, _ALWAYS, at_reads=False, at_functions=False),
    # Three are all the tries that the SDK makes.
    Kind("throttled x3", Effect.THROTTLE, times=3),
    # The runbook takes these two alike, so the second is tried in the larger search only.
    Kind("server error x3", Effect.SERVER_ERROR, times=3, at_functions=False, in_full=True),
    Kind("timeout after the effect", Effect.TIMEOUT_AFTER),
    Kind("denied", Effect.DENIED, times=_ALWAYS),
    Kind("stale read", Effect.STALE_READ, at_changes=False, at_functions=False),
    Kind("response lost", Effect.RESPONSE_LOST, at_reads=False, at_functions=False),
)
FAULTS = (*(kind.name for kind in KINDS), STOPPED)

# Of a function itself: who sees the fault, and at what.
_OF_FUNCTIONS = {
    Effect.CRASH_BEFORE: ("function", "start"),
    Effect.CRASH_AFTER: ("function", "return"),
    Effect.TIMEOUT_AFTER: ("function", "return"),
    Effect.THROTTLE: ("lambda", "Invoke"),
    Effect.DENIED: ("lambda", "Invoke"),
}


class Explorer(Faults):
    """In place of the account's faults. `stop` stops the run; `only` limits the functions and faults."""

    def __init__(
        self, forks: Forks, story: str, stop: Callable[[], None], straggle: Callable[[float], None]
    ) -> None:
        super().__init__()
        self.exploring = False
        self.every = False
        self.lean = False
        """Whether what is as with another fault is left out."""
        self.stops = True
        """Whether runs are stopped."""
        self.functions: frozenset[str] | None = None
        """The functions at which faults are tried, and the states named after them; None for all."""
        self.only: Callable[[Point], bool] = lambda point: True
        self._forks, self._story, self._stop, self._straggle = forks, story, stop, straggle
        self._tried: set[tuple[str, int]] = set()
        self._calls = 0

    def match(self, service: str, operation: str, function: str | None, **about: Any) -> Effect | None:
        if self.exploring and function is not None:
            if (service, operation) == ("lambda", "Invoke"):
                self._try_function(function)
            elif (service, operation) == ("function", "start"):
                self._calls = 0
            elif service != "function":
                self._calls += 1
                self._try_call(service, operation, function, about["repeated"])
        return super().match(service, operation, function, **about)

    def entered(self, state: str) -> bool:
        """A state is entered; whether the run was stopped there."""
        return self._new(f"state {state}", 0, _function_of(state)) and self._stops(f"state {state}")

    def _try_function(self, function: str) -> None:
        if self._new(function, 0, function):
            for kind in KINDS:
                if kind.at_functions and self._branch(function, kind.name):
                    service, operation = _OF_FUNCTIONS[kind.effect]
                    self.add(kind.effect, service, operation, function=function, times=kind.times)
                    return

    def _try_call(self, service: str, operation: str, function: str, repeated: bool) -> None:
        place = f"{function} {service}:{operation}"
        if not self._new(place, self._calls, function):
            return
        reads = operation.startswith(_READS)
        for kind in KINDS:
            if not (kind.at_reads if reads else kind.at_changes) or (kind.in_full and not self.every):
                continue
            if self.lean and kind.as_a_crash(reads):
                continue
            # The journal is read consistently; where nothing was read before, nothing is stale.
            if kind.effect is Effect.STALE_READ and (service == "dynamodb" or not repeated):
                continue
            if self._branch(place, kind.name):
                self.add(kind.effect, service, operation, function=function, times=kind.times)
                return
        if self._stops(place):
            self._straggle(STRAGGLES)

    def _stops(self, place: str) -> bool:
        if not self.stops or not self._branch(place, STOPPED):
            return False
        self._stop()
        return True

    def _new(self, place: str, call: int, function: str) -> bool:
        tries = self.exploring and (self.functions is None or function in self.functions)
        new = tries and (self.every or (place, call) not in self._tried)
        if tries:
            self._tried.add((place, call))
        return new

    def _branch(self, place: str, fault: str) -> bool:
        point = Point(self._story, place, fault)
        if not self.only(point) or not self._forks.branch(point):
            return False
        self.exploring = False
        return True


def _function_of(state: str) -> str:
    """The function of a Task state; of another state none, but the name has the same form."""
    return "regrant-" + re.sub(r"(?<!^)(?=[A-Z])", "-", state).lower()


def watch_states(account: Any, entered: Callable[[str], bool]) -> None:
    """Announce each state before it begins. It does not if the answer is True: the run was stopped there."""
    evaluate = CommonStateField._eval_body

    def watched(state: Any, env: Any) -> None:
        if not entered(state.name):
            evaluate(state, env)

    account.patch(CommonStateField, "_eval_body", watched)
