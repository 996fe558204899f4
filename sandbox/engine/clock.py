"""Simulated time: one heap of events, and only one participant runs at a time.

Every wait of the local account (Wait states, Retry intervals, time-outs, agents, workloads) is an event here.
With `pace=None` time jumps from event to event, so hours pass in milliseconds; because events fire in the
order of (time, sequence) and one participant runs at a time, every run repeats exactly. With a pace, the same
events fire in real time. Participants are greenlets of the thread that drives, not threads: so the process
can be forked in the middle of a run (sandbox.chaos), and changing from one to the next costs little.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from greenlet import getcurrent, greenlet

START = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
"""When simulated time begins, unless another time is given. Fixed, so that runs repeat."""


class ClockClosed(BaseException):
    """Raised in a participant that still waits when the clock closes. No `except Exception` may stop it."""


class Event:
    """Something that will happen. `cancel()` makes it not happen."""

    def __init__(self, at: float, sequence: int, action: Callable[[], None]) -> None:
        self.at = at
        self.sequence = sequence
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def __lt__(self, other: Event) -> bool:
        return (self.at, self.sequence) < (other.at, other.sequence)


class Signal:
    """A flag that participants can wait for, with or without a limit (see `Clock.wait`)."""

    def __init__(self) -> None:
        self.is_set = False
        self._waiters: list[Callable[[], object]] = []

    def set(self) -> None:
        self.is_set = True
        for wake in self._waiters:
            wake()
        self._waiters.clear()

    def clear(self) -> None:
        self.is_set = False

    def on_set(self, wake: Callable[[], object]) -> None:
        self._waiters.append(wake)


class _Participant(greenlet):
    """Code that runs from one wait to the next, and then gives the baton back to the driver."""

    def hand_over(self) -> None:
        """Let it run until it waits or ends."""
        self.switch()

    def give_back(self) -> None:
        """In it: go on where the driver handed over."""
        assert self.parent is not None  # the driver, in which it was made
        self.parent.switch()


class Clock:
    def __init__(self, start: datetime = START, pace: float | None = None) -> None:
        """`pace` is simulated seconds per real second; None jumps from event to event."""
        self.pace = pace
        self._jumps = pace is None
        self._working = 0
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0
        self._idle_since: float | None = None
        self._heap: list[Event] = []
        self._sequence = itertools.count()
        self._changed = threading.Condition(threading.RLock())
        self._participants: set[_Participant] = set()
        self._outside: set[threading.Event] = set()
        self._failure: BaseException | None = None
        self._closed = False
        self._driven = False

    # Reading

    def now(self) -> datetime:
        """Simulated time, aware, UTC."""
        return self._start + timedelta(seconds=self.elapsed())

    def elapsed(self) -> float:
        """Simulated seconds since the start."""
        idle_since = self._idle_since
        if self.pace is None or idle_since is None:
            return self._elapsed
        return self._elapsed + (time.monotonic() - idle_since) * self.pace

    # Taking part

    def can_sleep(self) -> bool:
        """Whether the calling thread may sleep: a participant; another thread while the clock is driven;
        the main thread while it is not, because then it drives.
        """
        if isinstance(getcurrent(), _Participant):
            return True
        return self._driven != (threading.current_thread() is threading.main_thread())

    def spawn(self, target: Callable[[], object], name: str = "") -> None:
        """Let `target` take part; it starts at the next turn, not immediately. Any thread may ask for it."""

        def body() -> None:
            try:
                target()
            except ClockClosed:
                pass
            except BaseException as failure:  # a participant has no caller: run() raises it
                failure.add_note(f"in the participant {name or target}")
                self._failure = self._failure or failure
            finally:
                self._participants.discard(participant)

        participant: _Participant

        def begin() -> None:
            nonlocal participant
            participant = _Participant(body)  # in the driver's thread, where it will run
            self._participants.add(participant)
            participant.hand_over()

        self._schedule(0, begin)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Event:
        """Call `callback` from run(). It must not sleep: what waits is spawned."""
        return self._schedule(seconds, callback)

    def every(self, seconds: float, callback: Callable[[], None]) -> Event:
        """Call `callback` again and again, first after `seconds`. Cancelling the event ends it."""

        def tick() -> None:
            callback()
            if not event.cancelled:
                with self._changed:
                    event.at += seconds
                    event.sequence = next(self._sequence)
                    heapq.heappush(self._heap, event)

        event = self._schedule(seconds, tick)
        return event

    def sleep(self, seconds: float) -> None:
        """Give the baton away and take it back `seconds` of simulated time later."""
        self.wait(Signal(), seconds)

    def wait(self, signal: Signal, seconds: float | None = None) -> bool:
        """Sleep till the signal is set or `seconds` have passed. Says whether it was set."""
        if signal.is_set:
            return True
        participant = getcurrent()
        if not isinstance(participant, _Participant):
            return self._wait_outside(signal, seconds)
        pending = True

        def hand_over() -> None:
            nonlocal pending
            if pending:
                pending = False
                participant.hand_over()

        timer = None if seconds is None else self._schedule(max(seconds, 0), hand_over)
        signal.on_set(lambda: self._schedule(0, hand_over))
        participant.give_back()
        if timer:
            timer.cancel()
        if self._closed:
            raise ClockClosed
        return signal.is_set

    def _wait_outside(self, signal: Signal, seconds: float | None) -> bool:
        """For threads that take no part: an HTTP request, or the main thread, which drives then."""
        if not self.can_sleep():
            raise RuntimeError("a callback cannot sleep, and nobody can while the clock is not driven")
        if not self._driven:
            return self.run(lambda: signal.is_set, 86_400 if seconds is None else seconds)
        done = threading.Event()
        self._outside.add(done)
        timer = None if seconds is None else self._schedule(max(seconds, 0), done.set)
        signal.on_set(done.set)
        done.wait()
        self._outside.discard(done)
        if timer:
            timer.cancel()
        if self._closed:
            raise ClockClosed
        return signal.is_set

    # Driving

    def run(self, until: Callable[[], bool], limit: float = 86_400) -> bool:
        """Drive from the main thread. True once `until()` holds, False after `limit` simulated seconds."""
        deadline = self.elapsed() + limit
        self._driven = True
        try:
            return self._drive(until, deadline)
        finally:
            self._driven = False

    def _drive(self, until: Callable[[], bool], deadline: float) -> bool:
        while True:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if until():
                return True
            if self._closed:
                return False
            event = self._next(deadline)
            if event is not None:
                event.action()
            elif self._elapsed >= deadline:
                return until()

    def run_for(self, seconds: float) -> None:
        """Let `seconds` of simulated time pass."""
        self.run(lambda: False, seconds)

    def outside_work(self, pace: float) -> Callable[[], None]:
        """While somebody outside works in real time, as a process does, time does not jump over it but passes
        at a pace. The driver asks for it, and calls what is returned when the work has ended."""
        self._working += 1
        if self._jumps:
            self.pace = pace

        def end() -> None:
            self._working -= 1
            if self._jumps and not self._working:
                self.pace = None

        return end

    def interrupt(self) -> None:
        """For a signal handler: run() raises KeyboardInterrupt, but between two events, not within one."""
        if not self._driven:
            raise KeyboardInterrupt
        self._failure = self._failure or KeyboardInterrupt()

    def close(self) -> None:
        """End every participant that still waits. The clock cannot be used afterwards."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify_all()
        for done in list(self._outside):
            done.set()
        while self._participants:
            next(iter(self._participants)).hand_over()

    def _schedule(self, seconds: float, action: Callable[[], None]) -> Event:
        with self._changed:
            event = Event(self.elapsed() + seconds, next(self._sequence), action)
            heapq.heappush(self._heap, event)
            self._changed.notify_all()
            return event

    def _next(self, deadline: float) -> Event | None:
        """The next event, once its time has come. None: something changed, or the deadline is here."""
        with self._changed:
            while self._heap and self._heap[0].cancelled:
                heapq.heappop(self._heap)
            target = min(self._heap[0].at, deadline) if self._heap else deadline
            if self.pace is not None and target > self._elapsed:
                self._idle_since = time.monotonic()
                # Not for ever: until() may depend on what does not touch the clock, such as a signal.
                self._changed.wait(min((target - self._elapsed) / self.pace, 0.5))
                self._elapsed, self._idle_since = min(self.elapsed(), target), None
                if self._elapsed < target:
                    return None
            else:
                self._elapsed = max(self._elapsed, target)
            if self._heap and self._heap[0].at <= self._elapsed:
                event = heapq.heappop(self._heap)
                return None if event.cancelled else event
            return None
