"""The rule that makes every change undoable: write the intent, act, record. It stands here and nowhere else.

What a run changes goes through `carry_out` or `carry_out_grant`, and what an undo takes back through
`take_back`; a crash at any moment in them leaves an intent from which the undo starts (ADR 6).
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from regrant.leases import lease_of_role
from regrant.model.journal import Change, Hold
from regrant.model.run import Incident
from regrant.ports import Account
from regrant.stored import Journal


def carry_out(
    journal: Journal,
    incident: str,
    change: Change,
    act: Callable[[bool], str | None],
    now: str,
    plan: str | None = None,
) -> Change:
    """Write the intent unless an earlier try did, act, and record that it is done; what was recorded.

    plan: the digest with which it has to be planned (regrant.origin.planned), else NotOfThisRun is raised.
    act gets whether this is the first try, and returns the change's new value (an id that only AWS knows), or
    None to keep that of the intent. Raises what it raises: then the intent stands, and the undo looks.
    """
    value = act(journal.intend(incident, change, plan))
    done = replace(change, value=change.value if value is None else value, done_at=now)
    journal.record(incident, done, plan)
    return done


def carry_out_grant(
    aws: Account,
    incident: Incident,
    role: str,
    changes: tuple[tuple[Change, Hold], ...],
    act: Callable[[tuple[Change, ...]], None],
    now: str,
    plan: str,
) -> None:
    """The same for the attachments of one grant, with the role (ARN) given back at the end.

    Each intent is written in one transaction with its hold, and all records in one with the lease's end. act
    gets the changes whose intent an earlier try has written; it returns once IAM shows all attached.
    """
    act(tuple(c for c, hold in changes if not aws.journal.intend_grant(incident.id, c, hold, plan)))
    done = tuple(replace(change, done_at=now) for change, _ in changes)
    holds = tuple(hold for _, hold in changes)
    aws.journal.record_and_release(incident.id, done, holds, lease_of_role(role, incident, now), now, plan)


def note_answered(journal: Journal, incident: str, change: Change, now: str, plan: str) -> None:
    """Write that AWS has answered that it made the change, which it does not show yet: what is absent from
    now on may have been taken off by somebody, so the change is not made a second time."""
    journal.record(incident, replace(change, answered_at=now), plan)


def leave(journal: Journal, incident: str, change: Change, why: str) -> Change:
    """Record that a change is not taken back, and who needs it; the next undo looks again."""
    left = replace(change, left_for=why)
    journal.record(incident, left)
    return left


def begin_to_take_back(journal: Journal, incident: str, change: Change, now: str) -> Change:
    """Write that an undo is about to take the change back, so that what is gone is its doing."""
    begun = replace(change, undoing_at=change.undoing_at or now)
    journal.record(incident, begun)
    return begun


def note_shown(journal: Journal, incident: str, change: Change, now: str) -> None:
    """Write that IAM shows the change as undone; what is there after that is somebody else's."""
    journal.record(incident, replace(change, shown_at=now))


def note_undone(
    journal: Journal, incident: str, change: Change, undone_at: str, plan: str | None = None
) -> Change:
    """Record that a change is undone without a call: there is nothing of it, or it is not ours any more."""
    undone = replace(change, undone_at=undone_at)
    journal.record(incident, undone, plan)
    return undone


def take_back(
    journal: Journal, incident: str, change: Change, act: Callable[[], object], undone_at: str
) -> Change:
    """Take a change back, then record that it is undone."""
    act()
    return note_undone(journal, incident, change, undone_at)
