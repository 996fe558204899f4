"""Undo what was done to the role, from the journal and the baseline alone: put back what was withdrawn, and
once the service is restored, detach what was attached.

Nothing here looks at what the interrupted run believed: it may have crashed anywhere, hours ago. Only what
the journal says this incident intended is undone, and a policy that was attached before us never is.
"""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from regrant import grants
from regrant.baseline.facts import attached_before, granted_by_others
from regrant.journal import take_back
from regrant.leases import release_role, take_role
from regrant.model.journal import Change, Hold
from regrant.model.results import Undo
from regrant.model.run import Incident, RunState
from regrant.ports import Account, Record


def undo_role(state: RunState, aws: Account, now: str) -> Undo:
    """The next phase of the undo that the role needs; SERVICE where the service is to be restored first.

    In this order: put back, restore the service, detach. The reverse strands new tasks without permission.
    The role is taken for a phase that has something to do; while the service settles others may have it.
    Raises AwsUnavailable, AwsRefused.
    """
    incident, record = state.incident, aws.journal.load(state.incident.subject)
    undo = state.undo or Undo("ROLE", "PUT_BACK", checks=0, at=now)
    undo = replace(undo, at=now, waits_for=None)
    if undo.put_back is None:
        if record.closed and incident.id == incident.subject:
            aws.journal.reopen(incident.id)  # so that the undo is taken up if this run is stopped in it
        withdrawn = tuple(change for change in record.changes if change.kind == "withdraw")
        let_go = _let_go(incident, record, withdrawn, aws)
        if let_go or not all(change.undone_at for change in withdrawn):
            if holder := take_role(_role(record), incident, aws, now):
                return _wait(replace(undo, phase="PUT_BACK"), holder)
            put_back(incident, record, withdrawn, let_go, aws, now)
            release_role(_role(record), incident, aws, now)
        undo = replace(undo, put_back=tuple(change.value for change in withdrawn))
    if undo.service is None and not _touched_service(record):
        undo = replace(undo, service="HEALTHY", evidence=("The service was not changed.",))
    if undo.service in (None, "PENDING"):
        return replace(undo, next="SERVICE", phase="RESTORE")
    undo = replace(undo, phase="DETACH")
    if any(change.kind == "attach" for change in record.changes):
        if holder := take_role(_role(record), incident, aws, now):
            return _wait(undo, holder)
        detached, left = detach(incident, record, aws, now)
        undo = replace(undo, detached=detached, left=left)
    if record.baseline and record.baseline.grant_ends_at:
        # In any case: the schedule is made before the hold, so a run that crashed in between leaves one, and
        # so does one that was redriven after its undo.
        grants.cancel_end(aws, incident.subject, record.baseline.grant_ends_at)
    return replace(undo, next="CONFIRM")


def _role(record: Record) -> str:
    assert record.baseline is not None  # a change has a baseline before it
    return record.baseline.role.arn


def _wait(undo: Undo, holder: str) -> Undo:
    return replace(undo, next="WAIT", checks=undo.checks + 1, waits_for=holder)


def _touched_service(record: Record) -> bool:
    return any(c.kind in ("redeploy", "register") and c.undone_at is None for c in record.changes)


def put_back(
    incident: Incident,
    record: Record,
    withdrawn: tuple[Change, ...],
    let_go: tuple[Hold, ...],
    aws: Account,
    now: str,
) -> None:
    """Attach again what was withdrawn, with its holds.

    A grant whose time is over gets one more period: the service is not cured. A hold that was only let go
    (another incident has the same grant on record, or somebody had taken it off) is there again as well.
    """
    for change in withdrawn:
        if change.undone_at is None:
            for hold in _holds_of(change, incident, aws):
                grants.put_back(aws, change.target, hold, now)
            take_back(aws.journal, incident.subject, change, partial(_attach, change, aws), now)
    for hold in let_go:
        assert record.baseline is not None
        role = record.baseline.role
        if hold.policy in role.attached:
            # The other incident may have ended since, and the grant with it.
            aws.roles.attach(role.arn, hold.policy)
        grants.put_back(aws, role.arn, hold, now)


def _attach(change: Change, aws: Account) -> None:
    aws.roles.attach(change.target, change.value)


def _let_go(
    incident: Incident, record: Record, withdrawn: tuple[Change, ...], aws: Account
) -> tuple[Hold, ...]:
    """What this incident dropped without taking the policy off; of a containment, nothing."""
    taken_off = {change.value for change in withdrawn}
    return tuple(
        hold
        for hold in (aws.holds.dropped(record.baseline.role.arn) if record.baseline else ())
        if hold.dropped_by == incident.subject != hold.incident and hold.policy not in taken_off
    )


def _holds_of(change: Change, incident: Incident, aws: Account) -> tuple[Hold, ...]:
    """Those that the withdrawal dropped, and after a crash in it those that it had not dropped yet."""
    dropped = tuple(h for h in aws.holds.dropped(change.target) if h.dropped_by == incident.subject)
    standing = tuple(hold for hold in aws.holds.of(change.target) if hold.service == str(incident.service))
    return tuple(hold for hold in (*dropped, *standing) if hold.policy == change.value)


def detach(
    incident: Incident, record: Record, aws: Account, now: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Detach what this incident attached: what is gone (ARNs), and what is left because another incident
    needs it. What was attached before it stays.

    A grant that a cure or an expiry has ended is not this incident's any more: what is attached now is
    somebody else's. One that their undo put back is. The hold goes last, so that a try that comes after a
    crash knows no more than the first.
    """
    kept = attached_before(record.baseline)
    ours = tuple(c for c in record.changes if c.kind == "attach" and c.value not in kept)
    targets = {change.target for change in ours}
    held = {target: aws.holds.of(target) for target in targets}
    ended = {(h.policy, h.incident): h for target in targets for h in aws.holds.dropped(target)}
    left = []
    for change in ours:
        own = [h for h in held[change.target] if (h.policy, h.incident) == (change.value, incident.subject)]
        needed = change.value in granted_by_others(held[change.target], incident.subject)
        left += [change.value] if needed else []
        if change.undone_at is None or own:
            before = ended.get((change.value, incident.subject))
            stays = needed or before is not None
            undone_at = before.dropped_at if before and before.dropped_at else now
            take_back(aws.journal, incident.subject, change, partial(_detach, change, stays, aws), undone_at)
        for hold in own:
            grants.drop(aws, change.target, hold, incident.subject, now)
    gone = tuple(change.value for change in ours if change.value not in left)
    return gone, tuple(left)


def _detach(change: Change, stays: bool, aws: Account) -> None:
    if not stays:
        aws.roles.detach(change.target, change.value)
