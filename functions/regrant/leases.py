"""Leases: the right to change one service or one role, held by one run at a time.

A run has its service from before the diagnosis to its end, and its role only while it changes that: so two
services on one role are repaired side by side, which they may need, where one works on what the other sends.

A lease names its owner, an execution, and expires after LIFE. It is taken over then, and before that where
its owner's execution has ended, as Step Functions says and no event: such a run changes nothing any more,
once its last function has ended too. What such a run has left open on a service is undone first, however long
ago it ended.
"""

from __future__ import annotations

import msgspec

from regrant.clock import later, seconds_between
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.journal import Lease
from regrant.model.run import Incident, RunState
from regrant.model.runs import is_handover
from regrant.ports import Account
from regrant.stored import Journal

# Seconds. Longer than the state machine's TimeoutSeconds, so that no run loses its lease while it goes on.
LIFE = 40_000.0
# A function goes on for up to its time limit (50) after its execution was stopped.
STRAGGLERS = 60.0
# How long a step may be tried again with the `now` of its first try: 15 tries and 662 seconds of waits in the
# undo (a test ties it to the state machine).
PATIENCE = 1_600.0
# A run may change the role this long (seconds) after the time that its lease bears: a step is tried again
# with the `now` of its first try, and its last function goes on after that.
ACTIVE = PATIENCE + STRAGGLERS
# After so long (seconds) a run that Step Functions does not know has not just begun (DescribeExecution is
# eventually consistent, API reference): there never was one of that name, or it is forgotten. Longer than an
# undo waits for its service.
UNKNOWN_BY_THEN = 7_200.0


class Busy(msgspec.Struct, frozen=True):
    """Another run has the lease. subject is the incident that it works on. ended: the holder's execution has
    ended; left_open: it ended before it reported, so that its undo comes first; unknown_until: if Step
    Functions knows no such run, when it counts as none."""

    holder: str
    subject: str
    ended: bool
    left_open: bool
    unknown_until: str | None = None


def take_service(incident: Incident, aws: Account, now: str) -> Busy | None:
    """Try to get the service for this run: None if it has it, else who has.

    A run that ended before its own undo is undone before another works on its service. Raises AwsUnavailable,
    AwsRefused.
    """
    return _take(_service(incident), incident, aws, now, undo_first=True)


def take_role(role: str, incident: Incident, aws: Account, now: str) -> str | None:
    """Try to get the role (ARN) for this run: None if it has it, else the run that it has to wait for."""
    busy = _take(_role(role), incident, aws, now, undo_first=False)
    return busy.holder if busy else None


def lease_of_role(role: str, incident: Incident, now: str) -> Lease:
    """The lease on the role (ARN) as this run would have it."""
    return _lease(_role(role), incident, now)


def release_role(role: str, incident: Incident, aws: Account, now: str) -> None:
    """Give the role (ARN) back, if it is this run's."""
    _release(_role(role), incident, aws, now)


def release_service(incident: Incident, aws: Account, now: str) -> None:
    """Give the service back, if it is this run's: a handover lets cures have it, and does so at its close."""
    _release(_service(incident), incident, aws, now)


def give_back_role(state: RunState, aws: Account, now: str) -> None:
    """Give back the role, if this run may hold it: it is about to end.

    After a grant that was proved the step that attached it has given the role back already.
    """
    later_step = state.withdrawal or state.undo or state.failure
    given_back = state.grant is not None and later_step is None
    if state.incident.leased and state.role and not given_back:
        release_role(state.role, state.incident, aws, now)


def leased_service(incident: Incident) -> str | None:
    """The lease (its resource) that the incident has on its service, for whoever writes that it has ended."""
    return _service(incident) if incident.leased else None


def _take(resource: str, incident: Incident, aws: Account, now: str, *, undo_first: bool) -> Busy | None:
    """None once the lease is this run's. undo_first: what an ended run left open is taken over by its undo
    only."""
    own = _lease(resource, incident, now)
    standing = aws.leases.take(own, now)
    if standing.owner == incident.id:
        return None
    ended, unknown_until = _ended_at(standing, aws, now)
    left_open = undo_first and ended is not None and is_left_open(standing, aws.journal)
    subject = standing.subject or standing.owner
    takes_over = not left_open or (incident.mode == "rollback" and incident.subject == subject)
    if ended is not None and takes_over and seconds_between(ended, now) >= STRAGGLERS:
        standing = aws.leases.take(own, now, instead_of=standing.owner)
        if standing.owner == incident.id:
            return None
    return Busy(
        standing.owner, standing.subject or standing.owner, ended is not None, left_open, unknown_until
    )


def _lease(resource: str, incident: Incident, now: str) -> Lease:
    return Lease(resource, incident.id, now, later(now, LIFE), incident.subject)


def _service(incident: Incident) -> str:
    return f"service/{incident.service}"


def _role(role: str) -> str:
    return f"role/{role}"


def _ended_at(holder: Lease, aws: Account, now: str) -> tuple[str | None, str | None]:
    """When the owner's execution ended, and if there is none of that name, when it counts as ended.

    The event of an end is only a reason to ask: it can be made up.
    """
    if seconds_between(holder.ends_at, now) >= 0:
        # No run lasts that long, and Step Functions forgets them.
        return later(holder.ends_at, -STRAGGLERS), None
    run = aws.executions.look(holder.owner)
    if run is not None:
        return run.ended_at, None
    if seconds_between(holder.taken_at, now) >= UNKNOWN_BY_THEN:
        return holder.taken_at, None
    return None, later(holder.taken_at, UNKNOWN_BY_THEN)


def is_left_open(holder: Lease, journal: Journal) -> bool:
    """The run that has the lease changed something, or was to undo it, and has not reported its outcome.

    A handover has no baseline of this kind; it changes nothing without an intent.
    """
    record = journal.load(holder.subject)
    changed = record.baseline is not None or (is_handover(holder.subject) and bool(record.changes))
    return changed and not journal.load(holder.owner).closed


def _release(resource: str, incident: Incident, aws: Account, now: str) -> None:
    try:
        aws.leases.release(resource, incident.id, now)
    except (AwsRefused, AwsUnavailable):
        # Then it is taken over a minute after this run has ended.
        return
