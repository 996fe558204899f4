"""What the roles of stacks ask of AWS, written down for `make privileges`.

RECORD_CALLS=<file> has each distinct call, with all that IAM is asked about it, appended to that file as a
line of JSON, by every process that plays something. Unset, nothing is written down.
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


@dataclass(frozen=True)
class Recorded:
    """A call of a role: the API operation (`ecs:UpdateService`) and all that IAM was asked about it."""

    operation: str
    asked: tuple[Asked, ...]

    @classmethod
    def of(cls, role: str, operation: str, asks: Iterable[Ask]) -> Recorded:
        return cls(operation, tuple(Asked.of(role, a.action, a.resource, a.context) for a in asks))


def questions(calls: Iterable[Recorded]) -> set[Asked]:
    """What was asked, whatever the call."""
    return {asked for call in calls for asked in call.asked}


class Recorder:
    """Appends to `path`. Each line is one write to a file that is only appended to, so forks do not mix."""

    @staticmethod
    def from_environment() -> Recorder | None:
        path = os.environ.get(VARIABLE)
        return Recorder(Path(path)) if path else None

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._known: set[Recorded] = set()

    def record(self, role: str, operation: str, asks: Iterable[Ask]) -> None:
        call = Recorded.of(role, operation, asks)
        if call not in self._known:
            self._known.add(call)
            asked = [
                {"action": a.action, "resource": a.resource, "context": dict(a.context)} for a in call.asked
            ]
            line = {"role": role, "operation": operation, "asked": asked}
            with self._path.open("ab", buffering=0) as file:
                file.write((json.dumps(line) + "\n").encode())


def read(path: Path) -> set[Recorded]:
    """Raises OSError; ValueError or KeyError where a line is none of Recorder's."""
    lines = map(json.loads, path.read_text().splitlines())
    return {
        Recorded.of(
            line["role"],
            line["operation"],
            [Ask(asked["action"], asked["resource"], asked["context"]) for asked in line["asked"]],
        )
        for line in lines
    }
