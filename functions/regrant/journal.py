"""The rule that makes every change undoable: write the intent, act, record. It stands here and nowhere else.

Whatever a run changes goes through `carry_out`, and whatever an undo takes back through `take_back`; a crash
at any moment in them leaves an intent from which the undo starts (ADR 6).
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from regrant.leases import lease_of_role
from regrant.model.journal import Change
from regrant.model.run import Incident
from regrant.ports import Account, Journal


def carry_out(
    journal: Journal, incident: str, change: Change, act: Callable[[bool], str | None], now: str
) -> Change:
    """Write the intent unless an earlier try did, act, and record that it is done; what was recorded.

    act gets whether this is the first try, and returns the change's new value (an id that only AWS knows), or
    None to keep that of the intent. Raises what it raises: then the intent stands, and the undo looks.
    """
    value = act(journal.intend(incident, change))
    done = replace(change, value=change.value if value is None else value, done_at=now)
    journal.record(incident, done)
    return done


def record_done_and_give_back(
    aws: Account, incident: Incident, role: str, changes: tuple[Change, ...], now: str
) -> None:
    """Record of changes whose intents are written with their holds that they are done, and give the role
    (ARN) back, in one transaction."""
    done = tuple(replace(change, done_at=now) for change in changes)
    aws.journal.record_and_release(incident.id, done, lease_of_role(role, incident, now), now)


def take_back(
    journal: Journal, incident: str, change: Change, act: Callable[[], object], undone_at: str
) -> Change:
    """Take a change back, then record that it is undone."""
    act()
    undone = replace(change, undone_at=undone_at)
    journal.record(incident, undone)
    return undone
