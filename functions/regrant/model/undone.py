"""What events do not try again for a day: attaching what was attached for the service and undone.

An undo brings the denials back, and with them the events; without this the two would take turns, and each try
may cost messages and restarts. It holds for the same policies on the same role. Another cause gets its run:
whoever may start an undo, or have one started, must not keep the service from all repairs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from regrant.clock import seconds_between
from regrant.model.aws import name_of
from regrant.model.journal import COOL_DOWN, Change, LastOutcome
from regrant.model.results import Refusal

_THEN = "and repair the cause; then start a run by hand, which is never held back."


def undone_attachments(changes: Collection[Change], *, own: bool) -> dict[str, str]:
    """When each attachment (`<role ARN> <policy ARN>`) that was made was undone.

    own: the run undid itself. An undo of another run has changed nothing of what somebody took off before, of
    what stays for somebody, and of a grant that had ended; and what is undone a second time keeps its time.
    """
    return {
        f"{change.target} {change.value}": change.undone_at
        for change in changes
        if change.kind == "attach" and change.undone_at and _was_made(change) and (own or _took_off(change))
    }


def _was_made(change: Change) -> bool:
    return bool(change.done_at or change.answered_at or change.undoing_at) and not change.ended_by


def _took_off(change: Change) -> bool:
    return not (change.left_for or change.lost_at)


def within_a_day(undone: Mapping[str, str], now: str) -> dict[str, str]:
    """Those that are still held back."""
    return {each: at for each, at in undone.items() if seconds_between(at, now) <= COOL_DOWN}


def judge_last_outcome(last: LastOutcome | None, now: str) -> Refusal | None:
    """Why no event starts a run for the service at all: its last undo did not finish, so a person is to.

    So it is with an undo of which is not written what it took off, as by a version before 0.2.0.
    """
    if last is None or seconds_between(last.at, now) > COOL_DOWN:
        return None
    if last.outcome != "ROLLBACK_INCOMPLETE" and (last.outcome != "ROLLED_BACK" or last.undone is not None):
        return None
    return Refusal(
        "RECENTLY_UNDONE",
        f"The last run, {last.incident}, was undone ({last.outcome}) at {last.at}.",
        f"Read that run's report {_THEN}",
    )


def held_back(last: LastOutcome | None, now: str) -> dict[str, str]:
    """What the service's automatic runs do not attach where there is nothing else to attach."""
    return within_a_day(last.undone or {}, now) if last and last.outcome == "ROLLED_BACK" else {}


def judge_plan(role: str, attach: tuple[str, ...], undone: Mapping[str, str], by: str) -> Refusal | None:
    """Why an automatic run does not attach these policies to the role (ARNs), if all of it was undone.

    by: the run that ended with the service's last undo; empty if that is not known.
    """
    times = [undone.get(f"{role} {policy}") for policy in attach]
    if not times or None in times:
        return None
    last = max(at for at in times if at)
    return Refusal(
        "RECENTLY_UNDONE",
        f"The same was tried and undone at {last}: {', '.join(map(name_of, attach))} on {name_of(role)}.",
        f"Read the report of {f'run {by}, ' if by else ''}the service's last undo, {_THEN}",
    )
