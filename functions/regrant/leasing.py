"""Leases: the right to change one service or one role, held by one run at a time.

A lease names its owner, an execution, and ends by itself after LIFE. It is taken over before that where its
owner's execution has ended: such a run changes nothing any more, once its last function has ended too.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.models import Incident, Lease, Leasing, Refusal, RunState
from regrant.ports import Executions, Leases
from regrant.resources import name_of
from regrant.wire import earlier, seconds_between

# Seconds. Longer than the state machine's TimeoutSeconds, so that no run loses its lease while it goes on.
LIFE = 15_000.0
# A function goes on for up to its time limit (50) after its execution was stopped.
STRAGGLERS = 60.0
# How long a run waits for its turn; the header of the state machine has it in its sum.
PATIENCE = 3_600.0


def lease_service(state: RunState, leases: Leases, executions: Executions, now: str) -> Leasing:
    """Try to get the service for this run. A second run for a service that one works on is refused."""
    incident = state.incident
    resource = f"service/{incident.service}"
    leasing = _lease(resource, state.service_lease, incident.id, leases, executions, now)
    # The owner has ended, or will have within the minute: an undo and a new run wait for that.
    if leasing.verdict == "PENDING" and leasing.holder_ended:
        return leasing
    return leasing if leasing.verdict == "HELD" else _service_busy(leasing, incident)


def lease_role(state: RunState, leases: Leases, executions: Executions, now: str) -> Leasing:
    """Try to get the role for this run, which waits its turn where another service's run has it."""
    role = state.diagnosis.plan.role if state.diagnosis and state.diagnosis.plan else state.incident.role
    assert role is not None  # Decide sends only plans here, and OpenIncident takes an undo's from the journal
    leasing = _lease(f"role/{role}", state.role_lease, state.incident.id, leases, executions, now)
    if leasing.verdict == "PENDING" and seconds_between(leasing.since, now) >= PATIENCE:
        return _role_busy(leasing, role)
    return leasing


def release(state: RunState, leases: Leases, now: str) -> None:
    """Give back what this run holds. What cannot be given back is taken over: the run has ended then."""
    for leasing in (state.role_lease, state.service_lease):
        if leasing and leasing.verdict == "HELD":
            try:
                leases.release(leasing.resource, state.incident.id, now)
            except (AwsRefused, AwsUnavailable):
                continue


def _lease(
    resource: str, before: Leasing | None, owner: str, leases: Leases, executions: Executions, now: str
) -> Leasing:
    since = before.since if before else now
    standing = leases.take(Lease(resource, owner, now, earlier(now, -LIFE)), now)
    ended = None
    if standing.owner != owner:
        ended = executions.ended_at(standing.owner)
        if ended is not None and seconds_between(ended, now) >= STRAGGLERS:
            mine = Lease(resource, owner, now, earlier(now, -LIFE))
            standing = leases.take(mine, now, instead_of=standing.owner)
            ended = None
    held = standing.owner == owner
    return Leasing(
        verdict="HELD" if held else "PENDING",
        resource=resource,
        since=since,
        at=now,
        checks=(before.checks if before else 0) + 1,
        # What was read before another run's turn may be out of date.
        waited=bool(before and before.verdict == "PENDING"),
        holder=None if held else standing.owner,
        holder_ended=ended is not None,
    )


def _service_busy(leasing: Leasing, incident: Incident) -> Leasing:
    own = incident.mode == "rollback" and leasing.holder == incident.subject
    refusal = Refusal(
        "SERVICE_BUSY",
        f"Run {leasing.holder} works on {incident.service}.",
        "Stop that run first, which undoes it (docs/operations.md, Undo a run)."
        if own
        else "Read that run's report. If the service is still denied then, start a run by hand.",
    )
    return replace(leasing, verdict="BUSY", refusal=refusal)


def _role_busy(leasing: Leasing, role: str) -> Leasing:
    refusal = Refusal(
        "ROLE_BUSY",
        f"Run {leasing.holder} has worked on {name_of(role)} for all of the {PATIENCE / 60:.0f} minutes that"
        " this run waited.",
        "See what that run is at. When it has ended, start this one again by hand.",
    )
    return replace(leasing, verdict="BUSY", refusal=refusal)
