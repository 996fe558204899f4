"""What the audit does about what it has found, and how it remembers that it has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from regrant.audit.found import Neglect, Neglected
from regrant.model.run import Report
from regrant.ports import Account

_KINDS: dict[Neglect, str] = {
    "alarm without a run": "alarm",
    "run without its undo": "undo",
    "undo without its page": "page",
    "role that cannot be read": "role",
    "refused list entry": "list",
}
_STANDING = "standing"
"""Under which the subjects of roles and lists that are wrong now are kept, in one notice."""


class Due(msgspec.Struct, frozen=True):
    """What was found, and what makes it good: a run (name and input) to start, or a page to send; neither
    where that waits for a person. known: that the run is started is no news, only that it could not be."""

    found: Neglected
    run: str | None = None
    given: Mapping[str, Any] = {}
    page: Report | None = None
    known: bool = False


def subject_of(found: Neglected) -> str:
    """Under which the notice of it is kept (stored.Notices)."""
    return f"{_KINDS[found.state]}/{found.subject}"


def notice_of(found: Neglected) -> str:
    """What is remembered of it: what failed is notified once, tried again, and not taken for done."""
    if found.state == "role that cannot be read":
        return "refused"  # since when is not known
    if found.state == "refused list entry":
        return found.why
    return f"{found.since}{' failed' if found.error else ''}"


def forget_repaired(made: tuple[Due, ...], aws: Account) -> None:
    """Of the roles and list entries that were wrong and are not any more, so that whoever has repaired one
    hears of it if it is wrong again. Only after all of them were looked at; one read, however many there are.

    A role that cannot be read now was not looked at as an entry of its list. Raises AwsUnavailable,
    AwsRefused.
    """
    wrong = {subject_of(due.found) for due in made if _KINDS[due.found.state] in ("role", "list")}
    unread = {due.found.subject for due in made if due.found.state == "role that cannot be read"}
    before = {*json.loads(aws.notices.last(_STANDING) or "[]")}
    now = wrong | (before & {f"list/{role}" for role in unread})
    for subject in sorted(before - now):
        aws.notices.note(subject, "")
    if now != before:  # in this order: what could not be forgotten is by the next try
        aws.notices.note(_STANDING, json.dumps(sorted(now)))
