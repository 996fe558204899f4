"""Runs that ended without a report, and whose end nobody has heard of: the event of it was lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from regrant.audit.found import Neglected
from regrant.audit.grants import run_name
from regrant.audit.holders import Holder
from regrant.audit.start import Due
from regrant.clock import seconds_between
from regrant.opening.ended_run import AUDIT_SOURCE, EVENT, read_ended_run
from regrant.settings import Settings

# Seconds for which the event may be on its way, and the undo that it starts may wait for the lease.
_ON_ITS_WAY = 900.0


def undos_to_start(holders: Mapping[str, Holder], settings: Settings, now: str) -> tuple[Due, ...]:
    """For each such run the undo that the event of its end would have started; once a day."""
    left = ((service, holder) for service, holder in sorted(holders.items()) if _is_left(holder, now))
    return tuple(_due(service, holder, settings, now) for service, holder in left)


def _is_left(holder: Holder, now: str) -> bool:
    if holder.ended_at is None or not holder.left_open:
        return False
    return seconds_between(holder.ended_at, now) >= _ON_ITS_WAY


def _due(service: str, holder: Holder, settings: Settings, now: str) -> Due:
    run, given = holder.lease.owner, event_of(holder, settings)
    found = Neglected(
        "run without its undo",
        service=service,
        subject=run,
        since=holder.ended_at or now,
        why=f"It ended ({holder.status}) before it reported, and still has the lease.",
    )
    refusal = read_ended_run(given["detail"], settings).refusal
    if refusal:  # such as an undo that a person has stopped
        why = f"{found.why} {refusal.message} {refusal.next}"
        return Due(replace(found, why=why, waits=True))
    return Due(found, run_name("undo", run, now, once_a="%Y%m%d"), given)


def event_of(holder: Holder, settings: Settings) -> dict[str, Any]:
    """As Step Functions would have sent it. Of a run that is not known, the lease says what it worked on."""
    lease = holder.lease
    undone = {"mode": "rollback", "incident": lease.subject}
    known = holder.input or (json.dumps(undone) if lease.subject not in ("", lease.owner) else "")
    return {
        "source": AUDIT_SOURCE,
        "detail-type": EVENT,
        "detail": {
            "name": lease.owner,
            "stateMachineArn": settings.state_machine,
            "status": holder.status,
            "input": known,
        },
    }
