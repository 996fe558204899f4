"""The first step of an undo: put back on the role what this incident withdrew, before anything restarts
there."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.change.withdraw import renewed
from regrant.clock import HOUR, earlier, seconds_between
from regrant.leases import holder_of_role
from regrant.model.journal import Change, Hold
from regrant.model.results import Reattachment
from regrant.model.run import Incident, RunState
from regrant.ports import Executions, Holds, Journal, Leases, Record, Roles, Schedules


def reattach_policies(
    state: RunState,
    roles: Roles,
    holds: Holds,
    journal: Journal,
    schedules: Schedules,
    leases: Leases,
    executions: Executions,
    now: str,
) -> Reattachment:
    """Attach again what was withdrawn, with its holds; PENDING while another run changes the role.

    A grant that was at its end gets one more period: the service is not cured. A hold that was only let go
    (another incident has the same grant on record, or somebody had taken it off) is there again as well.
    """
    incident, checks = state.incident, state.reattachment.checks + 1 if state.reattachment else 1
    record = journal.load(incident.subject)
    if record.closed and incident.id == incident.subject:
        journal.reopen(incident.id)  # so that the undo is taken up if this run is stopped in it
    withdrawn = [c for c in record.changes if c.kind == "withdraw"]
    let_go = _let_go(incident, record, withdrawn, holds)
    if not let_go and all(change.undone_at for change in withdrawn):
        attached = tuple(change.value for change in withdrawn)
        return Reattachment("HEALTHY", checks, now, attached)
    if holder := holder_of_role(state, leases, executions, now):
        waits = f"Waits for run {holder}, which is changing the role."
        return Reattachment("PENDING", checks, now, evidence=(waits,))
    for change in withdrawn:
        if change.undone_at is None:
            for hold in _holds_of(change, incident, holds):
                _put_back(change.target, hold, holds, schedules, now)
            roles.attach(change.target, change.value)
            journal.record(incident.subject, replace(change, undone_at=now))
    for hold in let_go:
        assert record.baseline is not None
        role = record.baseline.role
        if hold.policy in role.attached:
            # The other incident may have ended meanwhile, and the grant with it.
            roles.attach(role.arn, hold.policy)
        _put_back(role.arn, hold, holds, schedules, now)
    return Reattachment("HEALTHY", checks, now, tuple(change.value for change in withdrawn))


def _let_go(incident: Incident, record: Record, withdrawn: list[Change], holds: Holds) -> list[Hold]:
    """What this incident dropped without taking the policy off; of a containment, nothing."""
    taken_off = {change.value for change in withdrawn}
    return [
        hold
        for hold in (holds.dropped(record.baseline.role.arn) if record.baseline else ())
        if hold.dropped_by == incident.subject != hold.incident and hold.policy not in taken_off
    ]


def _holds_of(change: Change, incident: Incident, holds: Holds) -> tuple[Hold, ...]:
    """Those that the withdrawal dropped, and after a crash in it those that it had not dropped yet."""
    dropped = tuple(h for h in holds.dropped(change.target) if h.dropped_by == incident.subject)
    standing = tuple(hold for hold in holds.of(change.target) if hold.service == str(incident.service))
    return tuple(hold for hold in (*dropped, *standing) if hold.policy == change.value)


def _put_back(role: str, hold: Hold, holds: Holds, schedules: Schedules, now: str) -> None:
    at, why = hold.expires_at, hold.why
    if at is None or seconds_between(now, at) <= 0:
        at = earlier(now, -hold.ttl_hours * HOUR)
        why = renewed(hold, now, "the service did not work without it")
    schedules.put(hold.incident, at)
    holds.write(role, replace(hold, expires_at=at, why=why, dropped_at=None, dropped_by=None))
