"""Leases: the right to change one service or one role, held by one run at a time.

A run has its service from before the diagnosis to its end, and its role only while it changes that: so two
services on one role are mended side by side, which they may need, where one works on what the other sends.

A lease names its owner, an execution, and ends by itself after LIFE. It is taken over before that where its
owner's execution has ended: such a run changes nothing any more, once its last function has ended too.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.clock import earlier, seconds_between
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import name_of
from regrant.model.journal import Lease
from regrant.model.results import Restore
from regrant.model.run import Incident, Leasing, Refusal, RunState
from regrant.ports import Executions, Journal, Leases

# Seconds. Longer than the state machine's TimeoutSeconds, so that no run loses its lease while it goes on.
LIFE = 37_000.0
# A function goes on for up to its time limit (50) after its execution was stopped.
STRAGGLERS = 60.0
# How often a run asks for a service (15 seconds in between) and for a role (10 seconds), and an undo that a
# run's end has started, which has to come to its end, for a service.
TRIES, TURNS, UNDO_TRIES = 8, 60, 240


def lease_service(
    state: RunState, leases: Leases, executions: Executions, journal: Journal, now: str
) -> Leasing:
    """Try to get the service for this run: HELD, BUSY with a refusal that names the run that has it, or
    PENDING.

    PENDING while that run has only just ended, which is over after TRIES, and for an undo that a run's end
    has started while any run works on the service. A run that ended before its own undo is undone before
    another works on its service.
    """
    incident = state.incident
    leasing, holder = _lease(
        f"service/{incident.service}", incident, state.lease, leases, executions, now, journal
    )
    if leasing.verdict != "PENDING":
        return leasing
    if incident.ended:
        too_long = leasing.checks >= UNDO_TRIES or _waited(leasing) >= UNDO_TRIES * 15
    else:
        too_long = leasing.checks >= TRIES or not _has_ended(holder, incident, executions)
    if too_long or (incident.mode != "rollback" and _left_open(holder, journal)):
        return replace(leasing, verdict="BUSY", refusal=_service_busy(leasing.holder, incident))
    return leasing


def lease_role(state: RunState, leases: Leases, executions: Executions, now: str) -> Leasing:
    """Try to get the role for this run: HELD, PENDING while another run changes it, which takes a minute as a
    rule, or BUSY with a refusal when that has lasted for TURNS."""
    role = state.role
    assert role is not None  # from the plan, or for an undo from the journal
    leasing, _ = _lease(f"role/{role}", state.incident, state.turn, leases, executions, now)
    if leasing.verdict == "PENDING" and (leasing.checks >= TURNS or _waited(leasing) >= TURNS * 10):
        return replace(leasing, verdict="BUSY", refusal=_role_busy(leasing.holder, role))
    return leasing


def holder_of_role(state: RunState, leases: Leases, executions: Executions, now: str) -> str | None:
    """Try to get the role for this run: None if it has it, else the run that it has to wait for."""
    leasing, _ = _lease(f"role/{state.role}", state.incident, None, leases, executions, now)
    return leasing.holder


def await_role(
    restore: Restore, state: RunState, leases: Leases, executions: Executions, now: str
) -> Restore:
    """The restore of a service that has settled (or will not), still PENDING where another run is changing
    the role, which this one is to change next. While the service settles the role is left to others."""
    if restore.verdict == "PENDING":
        return restore
    holder = holder_of_role(state, leases, executions, now)
    if holder is None:
        return restore
    waits = f"Waits for run {holder}, which is changing the role."
    return replace(restore, verdict="PENDING", waits_for=holder, evidence=(waits, *restore.evidence))


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
    resource: str,
    incident: Incident,
    before: Leasing | None,
    leases: Leases,
    executions: Executions,
    now: str,
    journal: Journal | None = None,
) -> tuple[Leasing, Lease]:
    """Where a journal is given, what an ended run left open is taken over by its undo only."""
    checks = before.checks + 1 if before and before.verdict == "PENDING" else 1
    mine = Lease(resource, incident.id, now, earlier(now, -LIFE), incident.subject)
    standing = leases.take(mine, now)
    if standing.owner != incident.id:
        ended = _ended_at(standing, incident, executions)
        over = ended is not None and seconds_between(ended, now) >= STRAGGLERS
        if over and (journal is None or incident.mode == "rollback" or not _left_open(standing, journal)):
            standing = leases.take(mine, now, instead_of=standing.owner)
    if standing.owner == incident.id:
        return Leasing("HELD", now, checks), standing
    since = before.since if before and before.verdict == "PENDING" else now
    return Leasing("PENDING", now, checks, standing.owner, since=since), standing


def _waited(leasing: Leasing) -> float:
    """Seconds, so that slow answers do not lengthen the loop."""
    return seconds_between(leasing.since, leasing.at) if leasing.since else 0.0


def _ended_at(holder: Lease, incident: Incident, executions: Executions) -> str | None:
    # The event of its end is the proof; DescribeExecution may not have heard of it yet.
    return incident.opened_at if holder.owner == incident.ended else executions.ended_at(holder.owner)


def _has_ended(holder: Lease, incident: Incident, executions: Executions) -> bool:
    return _ended_at(holder, incident, executions) is not None


def _left_open(holder: Lease, journal: Journal) -> bool:
    """The run that has the lease changed something, or was to undo it, and has not reported its outcome."""
    return journal.load(holder.subject).baseline is not None and not journal.load(holder.owner).closed


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
        f"Run {holder} works on {incident.service}, or has ended and is to be undone first.",
        "Stop that run first (docs/operations.md, Undo a run)."
        if own
        else "Read that run's report. If the service is still denied then, start a run by hand. If it has"
        f' ended without a report, undo it: {{"mode": "rollback", "incident": "{holder}"}}',
    )


def _role_busy(holder: str | None, role: str) -> Refusal:
    return Refusal(
        "ROLE_BUSY",
        f"Run {holder} has been changing {name_of(role)} for too long to wait.",
        "See what that run is at, and start this one again when it has ended.",
    )
