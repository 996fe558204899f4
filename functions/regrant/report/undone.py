"""The changes of a run that is undone, as its report shows them."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.model.journal import Change, Outcome
from regrant.model.run import RunState


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
