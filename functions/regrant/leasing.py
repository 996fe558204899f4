"""Leases: the right to change one service or one role, held by one run at a time.

A run has its service from before the diagnosis to its end, and its role only while it changes that: so two
services on one role are mended side by side, which they may need, where one works on what the other sends.

A lease names its owner, an execution, and ends by itself after LIFE. It is taken over before that where its
owner's execution has ended: such a run changes nothing any more, once its last function has ended too.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.models import Incident, Leasing, Refusal, Restore, RunState
from regrant.ports import Executions, Leases
from regrant.records import Lease
from regrant.resources import name_of
from regrant.wire import earlier, seconds_between

# Seconds. Longer than the state machine's TimeoutSeconds, so that no run loses its lease while it goes on.
LIFE = 30_000.0
# A function goes on for up to its time limit (50) after its execution was stopped.
STRAGGLERS = 60.0
# How often a run asks for a service (15 seconds in between) and for a role (10 seconds).
TRIES, TURNS = 8, 60


def lease_service(state: RunState, leases: Leases, executions: Executions, now: str) -> Leasing:
    """Try to get the service for this run: HELD, BUSY with a refusal that names the run that has it, or
    PENDING while that run has only just ended, which is over after TRIES."""
    incident = state.incident
    leasing = _lease(f"service/{incident.service}", incident.id, state.lease, leases, executions, now)
    if leasing.verdict != "PENDING":
        return leasing
    if leasing.checks >= TRIES or executions.ended_at(leasing.holder or "") is None:
        return replace(leasing, verdict="BUSY", refusal=_service_busy(leasing.holder, incident))
    return leasing


def lease_role(state: RunState, leases: Leases, executions: Executions, now: str) -> Leasing:
    """Try to get the role for this run: HELD, PENDING while another run changes it, which takes a minute at
    most, or BUSY with a refusal when that has lasted for TURNS."""
    role = state.role
    assert role is not None  # from the plan, or for an undo from the journal
    leasing = _lease(f"role/{role}", state.incident.id, state.turn, leases, executions, now)
    if leasing.verdict == "PENDING" and leasing.checks >= TURNS:
        return replace(leasing, verdict="BUSY", refusal=_role_busy(leasing.holder, role))
    return leasing


def await_role(
    restore: Restore, state: RunState, leases: Leases, executions: Executions, now: str
) -> Restore:
    """The restore, still PENDING where another run is changing the role, which this one is to change next."""
    leasing = _lease(f"role/{state.role}", state.incident.id, None, leases, executions, now)
    if leasing.verdict == "HELD":
        return restore
    waits = f"Waits for run {leasing.holder}, which is changing the role."
    return replace(restore, verdict="PENDING", evidence=(waits, *restore.evidence))


def release_role(role: str, owner: str, leases: Leases, now: str) -> None:
    """Give the role (ARN) back, if it is this run's."""
    _release(f"role/{role}", owner, leases, now)


def release_all(state: RunState, leases: Leases, now: str) -> None:
    """Give back whatever this run holds: it is about to end."""
    if state.role:
        release_role(state.role, state.incident.id, leases, now)
    if state.lease and state.lease.verdict == "HELD":
        _release(f"service/{state.incident.service}", state.incident.id, leases, now)


def _lease(
    resource: str, owner: str, before: Leasing | None, leases: Leases, executions: Executions, now: str
) -> Leasing:
    checks = before.checks + 1 if before and before.verdict == "PENDING" else 1
    mine = Lease(resource, owner, now, earlier(now, -LIFE))
    standing = leases.take(mine, now)
    if standing.owner != owner:
        ended = executions.ended_at(standing.owner)
        if ended is not None and seconds_between(ended, now) >= STRAGGLERS:
            standing = leases.take(mine, now, instead_of=standing.owner)
    if standing.owner == owner:
        return Leasing("HELD", now, checks)
    return Leasing("PENDING", now, checks, standing.owner)


def _release(resource: str, owner: str, leases: Leases, now: str) -> None:
    try:
        leases.release(resource, owner, now)
    except (AwsRefused, AwsUnavailable):
        # Then it is taken over a minute after this run has ended.
        return


def _service_busy(holder: str | None, incident: Incident) -> Refusal:
    own = incident.mode == "rollback" and holder == incident.subject
    return Refusal(
        "SERVICE_BUSY",
        f"Run {holder} works on {incident.service}.",
        "Stop that run first (docs/operations.md, Undo a run)."
        if own
        else "Read that run's report. If the service is still denied then, start a run by hand.",
    )


def _role_busy(holder: str | None, role: str) -> Refusal:
    return Refusal(
        "ROLE_BUSY",
        f"Run {holder} has been changing {name_of(role)} for too long to wait.",
        "See what that run is at, and start this one again when it has ended.",
    )
