"""Parts of the search and their children: processes that share the processors and report how they ended.

A part plays a story in a process of its own; at each point it forks a child that goes on with the point's
fault. Stories that begin alike are parts of a part, which has made their world. As many of all of them run as
there are processors: whoever runs holds a token (as make's jobserver has it); a part hands its own to its
child and waits for another.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

LIMIT = 300
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
    """`at_once`: how many processes run at a time. `ended` hears of each part that has ended, and whether
    it ended well. `point`: in a child, what it is for."""

    def __init__(self, at_once: int, ended: Callable[[str, bool], None]) -> None:
        self._free, self._give = os.pipe()
        os.write(self._give, b"." * at_once)
        self._file, path = tempfile.mkstemp(prefix="regrant-chaos-")
        self._path = Path(path)
        self._parts: dict[int, str] = {}
        self._children: dict[int, Point] = {}
        self._ended = ended
        self._runs = False
        """Whether this process holds a token."""
        self.point: Point | None = None

    # Of the main process, and of a part that has parts

    def part(self, name: str, play: Callable[[], None]) -> None:
        """Begin to play a story."""
        part = os.fork()
        if part:
            self._parts[part] = name
            return
        self._parts = {}
        self._take()
        self._runs, status = True, 1
        try:
            play()
            status = 0
        except BaseException as error:
            if self.point:
                self.end("other", "".join(traceback.format_exception(error)[-3:]))
            traceback.print_exc()
            sys.stderr.flush()
        self._release()
        while self._children:
            self._reap()
        os._exit(status)

    def wait(self) -> bool:
        """Wait for the parts of this process; whether all ended well."""
        if self._runs:
            self._release()
        well = True
        while self._parts:
            part, status = os.wait()
            self._ended(self._parts.pop(part), status == 0)
            well = well and status == 0
        if self._runs:
            self._take()
        return well

    def read(self) -> tuple[list[Ending], dict[str, Any]]:
        """All that was reported."""
        endings: list[Ending] = []
        notes: dict[str, Any] = {}
        for line in map(json.loads, self._path.read_text().splitlines()):
            if "point" in line:
                endings.append(Ending(Point(**line.pop("point")), **line))
            else:
                notes |= line
        self._path.unlink()
        return endings, notes

    # Of a part

    def branch(self, point: Point) -> bool:
        """True in the child, which goes on from here with the point's fault; False in the parent."""
        child = os.fork()
        if child:
            self._children[child] = point
            self._reap(os.WNOHANG)
            self._take()
            return False
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LIMIT)
        self._children, self.point = {}, point
        return True

    def end(self, ending: str, why: str) -> NoReturn:
        """Of a child: report how it ended, and end."""
        assert self.point is not None
        self.report(Ending(self.point, ending, why))
        self._release()
        while self._children:
            self._reap()
        os._exit(0)

    def report(self, ending: Ending) -> None:
        self._write(asdict(ending))

    def note(self, name: str, figures: Mapping[str, int]) -> None:
        """Figures that are no points."""
        self._write({name: dict(figures)})

    def _take(self) -> None:
        os.read(self._free, 1)

    def _release(self) -> None:
        os.write(self._give, b".")

    def _reap(self, options: int = 0) -> None:
        child, status = os.waitpid(-1, options)
        if child:
            point = self._children.pop(child)
            if status:
                self._release()
                code = os.waitstatus_to_exitcode(status)
                self.report(Ending(point, "other", f"The process ended with {code}."))

    def _write(self, line: dict[str, Any]) -> None:
        # The file's offset is shared by all, and a write of this size is one step.
        os.write(self._file, (json.dumps(line) + "\n").encode())
