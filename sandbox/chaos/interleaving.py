"""Runs side by side: each is held up at each of its changes, in turn, while the others go on.

This is a search bounded by preemptions (Musuvathi and Qadeer, "Iterative Context Bounding for Systematic
Testing of Multithreaded Programs", PLDI 2007): one hold-up in a story, or two. A function that is held up
waits in the middle of its work, for less time than it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox.chaos.forks import Forks, Point
from sandbox.chaos.verdicts import judge_all
from sandbox.chaos.world import BACKEND, SECOND, WORKER, World, world
from sandbox.engine.faults import Effect, Faults

HELD_UP: tuple[float, ...] = (12.0,)
"""Seconds: in that time the others do all that they can, and ask for the role a second time."""

HELD_UP_IN_FULL = (1.0, 12.0, 40.0)
"""From the others' first wait up to nearly as long as a function may take."""

_READS = ("Get", "List", "Describe", "Filter", "Query")


@dataclass(frozen=True)
class Meeting:
    """contained: the services whose runs are over before it begins. undone, cured, expired: whose are then
    undone, cured, or at their end, beside the runs for `services`, which begin in that order."""

    name: str
    services: tuple[str, ...]
    contained: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    cured: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()

    @property
    def everybody(self) -> frozenset[str]:
        """The services that the account must keep at work."""
        return frozenset({*self.services, *self.contained})

    @property
    def world(self) -> tuple[bool, bool]:
        """Meetings in which this is equal begin alike: is there a second worker, is the backend broken."""
        return SECOND in self.everybody, BACKEND in self.everybody


MEETINGS = (
    Meeting("two services on one role", (WORKER, BACKEND)),
    Meeting("one service twice", (WORKER, WORKER)),
    Meeting("a shared grant, both undone", (), contained=(WORKER, SECOND), undone=(WORKER, SECOND)),
    Meeting("a run beside an undo", (BACKEND,), contained=(WORKER,), undone=(WORKER,)),
    Meeting("three services on one role", (WORKER, SECOND, BACKEND)),
    Meeting("a run beside a cure", (BACKEND,), contained=(WORKER,), cured=(WORKER,)),
    Meeting("a run for the same grant beside its end", (SECOND,), contained=(WORKER,), expired=(WORKER,)),
)


class Interleaver(Faults):
    """In place of the account's faults: no fault, but each change is held up once, while runs meet."""

    def __init__(
        self, forks: Forks, story: str, straggle: Callable[[float], None], meeting: Callable[[], bool]
    ) -> None:
        super().__init__()
        self.bound, self.seconds, self.private = 1, HELD_UP, False
        self.exploring = False
        self.only: Callable[[Point], bool] = lambda point: True
        self._forks, self._story, self._straggle, self._meeting = forks, story, straggle, meeting
        self._changes = 0

    def match(self, service: str, operation: str, function: str | None, **about: Any) -> Effect | None:
        ours = self.exploring and function is not None and service not in ("function", "lambda")
        if (
            ours
            and not operation.startswith(_READS)
            and self._shared(about["parameters"])
            and self._meeting()
        ):
            self._changes += 1
            for seconds in self.seconds:
                if self._branch(f"{function} {service}:{operation}, change {self._changes}", seconds):
                    self._straggle(seconds)
                    break
        return super().match(service, operation, function, **about)

    def _shared(self, parameters: Mapping[str, Any]) -> bool:
        """Whether others may see the change. A run's own journal they read only to undo it."""
        item = parameters.get("Item", {}).get("incident", {}).get("S", "#")
        return self.private or "#" in item

    def _branch(self, place: str, seconds: float) -> bool:
        before = f"{self._forks.point.place}; " if self._forks.point else ""
        point = Point(self._story, f"{before}{place} for {seconds:.0f} s", "held up")
        if not self.bound or not self.only(point) or not self._forks.branch(point):
            return False
        self.bound -= 1
        return True


def interleave(
    meetings: Sequence[Meeting], forks: Forks, seed: int, *, full: bool, only: Callable[[Point], bool]
) -> None:
    """Play meetings that begin in the same world, each with every hold-up. Raises AssertionError if one does
    not end well without one.
    """
    second, broken = meetings[0].world
    uploads = 16 if second else 20  # four tasks take from one queue, and each service must show its work
    with world("broken", seed, uploads=uploads, second=second, sending=not broken) as there:
        there.rehearse()
        for meeting in meetings:
            forks.part(meeting.name, partial(_interleave, meeting, there, forks, full, only))
        assert forks.wait(), "a meeting did not end well"


def _interleave(
    meeting: Meeting, there: World, forks: Forks, full: bool, only: Callable[[Point], bool]
) -> None:
    assert {*meeting.undone, *meeting.cured, *meeting.expired} <= {*meeting.contained}
    for service in meeting.contained:
        there.start({"service": service})
    there.rest()
    there.remember()
    there.granted_by = {service: there.incident(service) for service in meeting.contained}
    interleaver = Interleaver(forks, meeting.name, there.straggle, lambda: len(there.running()) > 1)
    interleaver.only = only
    if full:
        interleaver.bound, interleaver.seconds, interleaver.private = 2, HELD_UP_IN_FULL, True
    there.account.faults = interleaver
    interleaver.exploring = True
    for service in meeting.undone:
        there.start({"mode": "rollback", "incident": there.incident(service)})
    for service in meeting.cured:
        there.start({"service": service, "mode": "cure"})
    for service in meeting.expired:
        there.start({"mode": "expire", "incident": there.incident(service)})
    for service in meeting.services:
        there.start({"service": service})
    there.rest()
    interleaver.exploring = False
    duplicates = len(meeting.services) - len({*meeting.services})
    ending, why = judge_all(there, meeting.everybody, duplicates, meeting.cured)
    if forks.point:
        forks.end(ending, why)
    assert ending != "other", f"{meeting.name} without a hold-up ended {why}"
    _all_fixed(meeting, there)


def _all_fixed(meeting: Meeting, there: World) -> None:
    """Without a hold-up all of them are contained (and have been undone since, by the judge)."""
    for service in meeting.services:
        assert any(
            report.get("outcome") == "CONTAINED" and report.get("service") == service
            for _, report in there.reports()
        ), f"{meeting.name}: {service} was not contained"
