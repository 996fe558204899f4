"""The state's bucket and lock table: made before the first import, and removed again only by who made them,
and only while nothing is in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from regrant.errors import StateUnfit
from regrant.handover.ports import HandoverAccount
from regrant.journal import carry_out, leave, take_back
from regrant.model.handover import HandoverEvent, Made, Removed
from regrant.model.journal import Change
from regrant.model.runs import run_of

_IN_USE = "not empty: Terraform's state is in it"
_NAMED = "the bucket stays, and its backend names this table"


def create_state(event: HandoverEvent, aws: HandoverAccount) -> Made:
    """Bucket and table as a state needs them. Settings are made on what this handover made, and nothing else.

    Raises StateUnfit for somebody's that is not fit; AwsUnavailable (also while the table is being made),
    AwsRefused.
    """
    created, found = list[str](), list[str]()
    bucket, table = aws.state_bucket, aws.lock_table
    ours = _make("bucket", bucket.name, bucket.exists, bucket.create, event, aws)
    if ours:
        bucket.secure()
    (created if ours else found).append(f"bucket {bucket.name}")
    faults = [f"bucket {bucket.name}: {fault}" for fault in bucket.faults()]
    if table.name is not None and not faults:
        ours = _make("table", table.name, table.exists, table.create, event, aws)
        # It is ACTIVE before anything locks in it.
        faults = [f"table {table.name}: {fault}" for fault in table.faults()]
        (created if ours else found).append(f"table {table.name}")
    if faults:
        raise StateUnfit("; ".join(faults))
    return Made(event.now, tuple(created), tuple(found))


def _make(
    kind: Literal["bucket", "table"],
    name: str,
    exists: Callable[[], bool],
    create: Callable[[], None],
    event: HandoverEvent,
    aws: HandoverAccount,
) -> bool:
    """Whether this handover made it, now or in an earlier try."""
    run = run_of(event.state.handover.subject)
    change = Change(kind, name, "", event.now)
    intended = any((each.kind, each.target) == (kind, name) for each in aws.journal.load(run).changes)
    there = exists()
    if there and not intended:
        return False

    def act(first: bool) -> None:
        if not there:
            create()

    carry_out(aws.journal, run, change, act, event.now)
    return True


def remove_state(event: HandoverEvent, aws: HandoverAccount) -> Removed:
    """Delete what the handover made and nothing is in. The table goes only if the bucket does: a backend that
    names a table needs it. Raises AwsUnavailable, AwsRefused."""
    run = run_of(event.state.handover.subject)
    made = {
        c.kind: c for c in aws.journal.load(run).changes if c.kind in ("bucket", "table") and not c.undone_at
    }
    removed, kept = list[str](), list[str]()
    bucket, table = made.get("bucket"), made.get("table")
    if bucket is not None and _remove(bucket, run, aws.state_bucket.delete_if_empty, event, aws):
        removed.append(f"bucket {bucket.target}")
    elif bucket is not None:
        kept.append(f"bucket {bucket.target}: {_IN_USE}")
    if table is not None and aws.lock_table.name == table.target:
        if removed and _remove(table, run, aws.lock_table.delete_if_empty, event, aws):
            removed.append(f"table {table.target}")
        else:
            leave(aws.journal, run, table, _NAMED)
            kept.append(f"table {table.target}: {_NAMED}")
    return Removed(event.now, tuple(removed), tuple(kept))


def _remove(
    change: Change, run: str, delete: Callable[[], bool], event: HandoverEvent, aws: HandoverAccount
) -> bool:
    if not delete():
        leave(aws.journal, run, change, _IN_USE)
        return False
    take_back(aws.journal, run, change, lambda: None, event.now)
    return True
