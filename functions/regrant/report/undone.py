"""The changes of a run that is undone, as its report shows them, and what there is to know after an undo:
what came off, what stays and for whom, what is temporary again."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from regrant.clock import HOUR, later
from regrant.grants import standing
from regrant.model.aws import name_of
from regrant.model.journal import COOL_DOWN, Change, Hold, Outcome
from regrant.model.results import Receipt
from regrant.model.run import RunState
from regrant.model.undone import undone_attachments, within_a_day


def as_shown(changes: tuple[Change, ...], state: RunState, outcome: Outcome) -> tuple[Change, ...]:
    """With each deployment of an undone run undone: by what was deployed in its place, or when the service
    had settled without that.

    The journal leaves it open, so that an undo that is started again looks at the service again.
    """
    if outcome != "ROLLED_BACK":
        return changes
    replaced = [c.done_at for c in changes if c.kind == "restore" and c.done_at]
    settled = state.undo.at if state.undo else state.receipt.at if state.receipt else None
    at = max(replaced, default=settled)
    return tuple(replace(change, undone_at=at) if _stands(change) else change for change in changes)


def _stands(change: Change) -> bool:
    return change.kind == "redeploy" and change.done_at is not None and change.undone_at is None


def after_undo(
    state: RunState, changes: tuple[Change, ...], held: tuple[Hold, ...], now: str
) -> Iterator[str]:
    """Sentences for whoever is on call. held: the holds on the role, of the undo of what attached nothing."""
    yield _what_was_undone(state, changes)
    attached = [change for change in changes if change.kind == "attach" and change.undone_at]
    off = [change for change in attached if _is_off(change, state.receipt)]
    if off and not _runs_another_revision(state.receipt):
        names = ", ".join(name_of(change.value) for change in off)
        role = name_of(off[0].target)
        yield f"{state.incident.service} runs as {role} without {names} and may be denied."
    if undone := within_a_day(undone_attachments(changes, own=False), now):  # as the journal remembers it
        until = f"{later(max(undone.values()), COOL_DOWN)} ({COOL_DOWN / HOUR:.0f} hours)"
        names = ", ".join(dict.fromkeys(name_of(each.rpartition(" ")[2]) for each in undone))
        only = f"Events start no run that would attach only {names} again until {until}"
        yield f"{only}; one started by hand is never held back."
    for change in attached:
        if change.left_for:
            yield f"{name_of(change.value)} stays: {change.left_for}."
    for hold in standing(held):
        if hold.service == str(state.incident.service):
            policy, role = name_of(hold.policy), name_of(state.incident.role or "")
            yield f"{policy} is a temporary grant on {role} again, until {hold.expires_at or 'no time'}."


def _what_was_undone(state: RunState, changes: tuple[Change, ...]) -> str:
    incident, in_use = state.incident, state.undo.in_use if state.undo else ()
    # Of holds that an undo puts back, as that of a keep does, the journal has no change.
    if changes and not in_use and not any(_undone_since(change, incident.opened_at) for change in changes):
        return f"Nothing of run {incident.subject} was left to undo."
    used = ", ".join(map(name_of, in_use))
    stay = ", ".join(name_of(c.value) for c in changes if c.kind == "attach" and c.left_for)
    but = (f", but for {used}, which is in use: the changes say by whom" if used else "") + (
        f", but for {stay}" if stay else ""
    )
    return f"Everything that the incident changed is undone{but}."


def _undone_since(change: Change, opened_at: str) -> bool:
    """Whether this undo did it, or something for it."""
    times = (change.undone_at, change.done_at if change.kind in ("restore", "reattach") else None)
    return any(at is not None and at >= opened_at for at in times)


def _is_off(change: Change, receipt: Receipt | None) -> bool:
    """The undo, or somebody, took it off, and nobody has attached it since. What a run has ended before was
    not needed any more."""
    if change.left_for or change.ended_by:
        return False
    theirs = receipt.changed_by_others if receipt else ()
    return not any(f"+ role.attached.{change.value} = true".startswith(line) for line in theirs)


def _runs_another_revision(receipt: Receipt | None) -> bool:
    """Somebody has deployed one since, or the service is gone: which role it has now was not read."""
    theirs = receipt.changed_by_others if receipt else ()
    return any(line[2:].startswith(("service.task_definition", "service = ", "role = ")) for line in theirs)
