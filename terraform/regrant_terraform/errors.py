"""How an action that is not done ends."""

from __future__ import annotations

from collections.abc import Mapping

from regrant_terraform.codes import CODES


class Refused(Exception):
    """`code` is one of CODES, `reason` is for a person, `more` are further members of the result."""

    def __init__(self, code: str, reason: str, more: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason, self.more = code, reason, dict(more or {})

    @property
    def status(self) -> int:
        return CODES[self.code].status


def refuse_if(code: str, objections: list[str], more: Mapping[str, object] | None = None) -> None:
    if objections:
        raise Refused(code, "\n".join(objections), more)
