"""What the audit does about what it has found, and how it remembers that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from regrant.audit.found import Neglect, Neglected
from regrant.model.run import Report

_KINDS: dict[Neglect, str] = {
    "alarm without a run": "alarm",
    "run without its undo": "undo",
    "undo without its page": "page",
    "role that cannot be read": "role",
    "refused list entry": "list",
}


class Due(msgspec.Struct, frozen=True):
    """What was found, and what makes it good: a run (name and input) to start, or a page to send; neither
    where that waits for a person. known: that the run is started is no news, only that it could not be."""

    found: Neglected
    run: str | None = None
    given: Mapping[str, Any] = {}
    page: Report | None = None
    known: bool = False


def subject_of(found: Neglected) -> str:
    """Under which the notice of it is kept (ports.Notices)."""
    return f"{_KINDS[found.state]}/{found.subject}"


def notice_of(found: Neglected) -> str:
    """What is remembered of it: what failed is notified once, tried again, and not taken for done."""
    if found.state == "role that cannot be read":
        return "refused"  # since when is not known
    if found.state == "refused list entry":
        return found.why
    return f"{found.since}{' failed' if found.error else ''}"
