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
from regrant.opening.ended_run import AUDIT_SOURCE, EVENT, read_ended_run, stopped
from regrant.opening.request import as_input
from regrant.ports import Account
from regrant.settings import Settings

# Seconds for which the event may be on its way, and the undo that it starts may wait for the lease.
_ON_ITS_WAY = 900.0
_MOST_BYTES = 248 * 1024
"""Of an input, escaped, that an event carries; EventBridge's own leave out a longer one (Step Functions
developer guide, "Automating Step Functions event delivery with EventBridge"). StartExecution takes 256 KiB in
all (API reference)."""


def undos_to_start(holders: Mapping[str, Holder], aws: Account, now: str) -> tuple[Due, ...]:
    """For each such run the undo that the event of its end would have started; once a day. Reads only."""
    left = ((service, holder) for service, holder in sorted(holders.items()) if _is_left(holder, now))
    return tuple(_due(service, holder, aws, now) for service, holder in left)


def _is_left(holder: Holder, now: str) -> bool:
    if holder.ended_at is None or not holder.left_open:
        return False
    return seconds_between(holder.ended_at, now) >= _ON_ITS_WAY


def _due(service: str, holder: Holder, aws: Account, now: str) -> Due:
    run, given = holder.lease.owner, event_of(holder, aws.settings)
    found = Neglected(
        "run without its undo",
        service=service,
        subject=run,
        since=holder.ended_at or now,
        why=f"It ended ({holder.status}) before it reported, and still has the lease.",
    )
    if stays := _why_it_stays(holder, given, aws):
        return Due(replace(found, why=f"{found.why} {stays}", waits=True))
    return Due(found, run_name("undo", run, now, once_a="%Y%m%d"), _that_fits(given, holder))


def _why_it_stays(holder: Holder, given: Mapping[str, Any], aws: Account) -> str | None:
    """That a person has stopped the undo: the holder is one itself, or was to be undone by one that was
    stopped while it waited for the lease. Who has taken that since has begun it again."""
    if refusal := read_ended_run(given["detail"], aws.settings).refusal:
        return f"{refusal.message} {refusal.next}"
    lease = holder.lease
    at = aws.notices.last(stopped(lease.subject))
    if at is None or seconds_between(lease.taken_at, at) < 0:
        return None
    by_hand = as_input(mode="rollback", incident=lease.subject)
    return f"The undo that its end had started was stopped (seen at {at}). Undo it by hand:{by_hand}"


def event_of(holder: Holder, settings: Settings) -> dict[str, Any]:
    """As Step Functions would have sent it. Of a run that is not known, the lease says what it worked on."""
    return {
        "source": AUDIT_SOURCE,
        "detail-type": EVENT,
        "detail": {
            "name": holder.lease.owner,
            "stateMachineArn": settings.state_machine,
            "status": holder.status,
            "input": holder.input or _by_lease(holder),
        },
    }


def _by_lease(holder: Holder) -> str:
    """An input that says what the run was to undo, as its lease has it; empty of one that was no undo."""
    lease = holder.lease
    undone = {"mode": "rollback", "incident": lease.subject}
    return json.dumps(undone) if lease.subject not in ("", lease.owner) else ""


def _that_fits(event: dict[str, Any], holder: Holder) -> dict[str, Any]:
    """The event, with what the lease says where the run's own input is too long to start another with."""
    if len(json.dumps(holder.input)) <= _MOST_BYTES:
        return event
    return {**event, "detail": {**event["detail"], "input": _by_lease(holder)}}
