"""What the roles of stacks ask of AWS, written down for `make privileges`.

RECORD_CALLS=<file> has each distinct question appended to that file as a line of JSON, by every process that
plays something. Unset, nothing is written down.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.iam.requests import Ask

VARIABLE = "RECORD_CALLS"


@dataclass(frozen=True)
class Asked:
    """May the role (its name) do this? context: condition keys in lower case with their values, sorted."""

    role: str
    action: str
    resource: str
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, role: str, action: str, resource: str, context: Mapping[str, str | Sequence[str]]) -> Asked:
        listed = {key: (value,) if isinstance(value, str) else tuple(value) for key, value in context.items()}
        return cls(role, action, resource, tuple(sorted(listed.items())))


class Recorder:
    """Appends to `path`. Each line is one write to a file that is only appended to, so forks do not mix."""

    @staticmethod
    def from_environment() -> Recorder | None:
        path = os.environ.get(VARIABLE)
        return Recorder(Path(path)) if path else None

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._known: set[Asked] = set()

    def record(self, role: str, asks: Iterable[Ask]) -> None:
        for ask in asks:
            asked = Asked.of(role, ask.action, ask.resource, ask.context)
            if asked not in self._known:
                self._known.add(asked)
                line = {
                    "role": role,
                    "action": ask.action,
                    "resource": ask.resource,
                    "context": dict(asked.context),
                }
                with self._path.open("ab", buffering=0) as file:
                    file.write((json.dumps(line) + "\n").encode())


def read(path: Path) -> set[Asked]:
    """Raises OSError; ValueError or KeyError where a line is none of Recorder's."""
    lines = map(json.loads, path.read_text().splitlines())
    return {Asked.of(line["role"], line["action"], line["resource"], line["context"]) for line in lines}
