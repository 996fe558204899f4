"""Children of this process, a few at a time, each with one line to tell."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import NoReturn

LIMIT = 120
"""Real seconds after which a child is ended. One takes about one."""


@dataclass(frozen=True)
class Point:
    """What happened where: `fault` at `place` of `story`."""

    story: str
    place: str
    fault: str


@dataclass(frozen=True)
class Ending:
    """How the story ended that a point was in: fixed, restored, paged, or other, which is never right."""

    point: Point
    ending: str
    why: str = ""


class Forks:
    """`at_once` children at a time; a child's own children one at a time."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._running: dict[int, Point] = {}
        self._told, self._path = tempfile.mkstemp(prefix="regrant-chaos-")
        self.point: Point | None = None
        """In a child: the point it is for."""

    def branch(self, point: Point) -> bool:
        """True in the child, which goes on from here with the point's fault; False in the parent."""
        while len(self._running) >= self._at_once:
            self._wait()
        child = os.fork()
        if child:
            self._running[child] = point
            return False
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LIMIT)
        self._at_once, self._running, self.point = 1, {}, point
        return True

    @contextmanager
    def story(self) -> Iterator[None]:
        """Within, a child that fails says so and ends."""
        try:
            yield
        except BaseException as error:
            if self.point is None:
                raise
            self.end("other", "".join(traceback.format_exception(error)[-3:]))

    def end(self, ending: str, why: str) -> NoReturn:
        """Of a child: tell how it ended, and end."""
        assert self.point is not None
        while self._running:
            self._wait()
        self._tell(Ending(self.point, ending, why))
        os._exit(0)

    def endings(self) -> list[Ending]:
        """Wait for all of them."""
        while self._running:
            self._wait()
        with open(self._path) as lines:  # noqa: PTH123  # a temporary file, by its name
            told = [json.loads(line) for line in lines]
        os.close(self._told)
        os.unlink(self._path)  # noqa: PTH108
        return [Ending(Point(**line.pop("point")), **line) for line in told]

    def _wait(self) -> None:
        child, status = os.wait()
        point = self._running.pop(child)
        if status:
            self._tell(Ending(point, "other", f"The process ended with {os.waitstatus_to_exitcode(status)}."))

    def _tell(self, ending: Ending) -> None:
        # One write in append mode: lines of several children do not mix.
        os.lseek(self._told, 0, os.SEEK_END)
        os.write(self._told, (json.dumps(asdict(ending)) + "\n").encode())
