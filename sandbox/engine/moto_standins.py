"""What moto's interpreter of state machines gets instead of the standard library: threads and time on the
clock.

The interpreter waits with `threading.Event`, sleeps with `time.sleep`, and asks `datetime.now`. With these in
their place all of that, and so every wait, retry interval, time-out, heartbeat and branch, happens in
simulated time.
"""

from __future__ import annotations

import datetime as real_datetime
import sys
import threading as real_threading
import time as real_time
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

from sandbox.engine.clock import Clock, Signal


class _Moment(real_datetime.datetime):
    """Prints as AWS prints times: 2026-03-02T09:00:00.000Z."""

    def isoformat(self, sep: str = "T", timespec: str = "milliseconds") -> str:
        utc = self.astimezone(real_datetime.UTC).replace(tzinfo=None)
        return real_datetime.datetime.isoformat(utc, sep, timespec) + "Z"


def moment(at: real_datetime.datetime) -> real_datetime.datetime:
    return _Moment(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, at.tzinfo)


class StandIns:
    """`threading`, `time` and `datetime` on the given clock."""

    def __init__(self, clock: Clock) -> None:
        class Event:
            def __init__(self) -> None:
                self._signal = Signal()

            def is_set(self) -> bool:
                return self._signal.is_set

            def set(self) -> None:
                self._signal.set()

            def clear(self) -> None:
                self._signal.clear()

            def wait(self, timeout: float | None = None) -> bool:
                return clock.wait(self._signal, timeout)

        class Condition:
            """Needs no lock: only one participant runs at a time."""

            def __init__(self) -> None:
                self._signal = Signal()

            def acquire(self) -> bool:
                return True

            def release(self) -> None:
                pass

            def notify_all(self) -> None:
                self._signal.set()
                self._signal = Signal()

            def wait(self) -> bool:
                return clock.wait(self._signal)

        class Thread:
            native_id = 0

            def __init__(
                self,
                target: Callable[..., object],
                args: tuple[Any, ...] = (),
                name: str = "state machine",
                daemon: bool = True,
            ) -> None:
                self._call, self._name = partial(target, *args), name
                self._done = Signal()

            def start(self) -> None:
                clock.spawn(self._run, self._name)

            def _run(self) -> None:
                try:
                    self._call()
                finally:
                    self._done.set()

            def join(self, timeout: float | None = None) -> None:
                clock.wait(self._done, timeout)

            def is_alive(self) -> bool:
                return not self._done.is_set

        class IsDatetime(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, real_datetime.datetime)

        class Datetime(real_datetime.datetime, metaclass=IsDatetime):
            @classmethod
            def now(cls, tz: real_datetime.tzinfo | None = None) -> Any:
                now = moment(clock.now())
                return now.astimezone(tz) if tz else now.replace(tzinfo=None)

        self.threading = SimpleNamespace(
            Event=Event,
            Thread=Thread,
            Condition=Condition,
            Lock=real_threading.Lock,
            RLock=real_threading.RLock,
        )
        self.time = SimpleNamespace(sleep=clock.sleep, time=lambda: clock.now().timestamp())
        self.datetime = SimpleNamespace(
            datetime=Datetime, timezone=real_datetime.timezone, timedelta=real_datetime.timedelta
        )

    def replacements(self, package: str) -> Iterator[tuple[Any, str, Any]]:
        """(module, name, stand-in) for every imported module of the package."""
        originals = {
            id(real_threading): self.threading,
            id(real_threading.Event): self.threading.Event,
            id(real_threading.Thread): self.threading.Thread,
            id(real_time): self.time,
            id(real_datetime): self.datetime,
        }
        for module_name, module in list(sys.modules.items()):
            if module is not None and f"{module_name}.".startswith(f"{package}."):
                for name, value in list(vars(module).items()):
                    if id(value) in originals:
                        yield module, name, originals[id(value)]
