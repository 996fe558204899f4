"""Undo what was done to the role, from the journal and the baseline alone: put back what was withdrawn, and
once the service is restored, detach what was attached.

Nothing here looks at what the interrupted run believed: it may have crashed anywhere, hours ago. Only what
the journal says this incident intended is undone, and a policy that was attached before us never is.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant import grants
from regrant.clock import seconds_between
from regrant.leases import release_role, take_role
from regrant.model.results import Undo
from regrant.model.run import Incident, RunState
from regrant.ports import Account
from regrant.stored import Record
from regrant.undo.detach import SHOWS, detach
from regrant.undo.put_back import let_go_by, put_back, reattached_by, withdrawn_by


def undo_role(state: RunState, aws: Account, now: str) -> Undo:
    """The next phase of the undo that the role needs; SERVICE where the service is to be restored first.

    In this order: put back, restore the service, detach. The reverse strands new tasks without permission.
    The role is taken for a phase that has something to do; while the service settles others may have it. WAIT
    while another run has it, or until IAM shows what was done. Raises AwsUnavailable, AwsRefused.
    """
    incident, record = state.incident, aws.journal.load(state.incident.subject)
    undo = state.undo or Undo("ROLE", "PUT_BACK", checks=0, at=now)
    undo = replace(undo, at=now, waits_for=None)
    if undo.put_back is None:
        undo = _put_back(undo, incident, record, aws, now)
        if undo.put_back is None:
            return undo
    if undo.service is None and not _touched_service(record):
        undo = replace(undo, service="HEALTHY", evidence=("The service was not changed.",))
    if undo.service in (None, "PENDING"):
        return replace(undo, next="SERVICE", phase="RESTORE")
    undo = replace(undo, phase="DETACH")
    if any(change.kind == "attach" for change in record.changes):
        if holder := take_role(_role(record), incident, aws, now):
            return _wait(undo, holder)
        done = detach(incident, record, aws, now, _seen_absent(state))
        undo = replace(undo, detached=done.gone, left=done.left, lost=(*undo.lost, *done.lost))
        if done.unshown:
            return _wait(undo)
    if record.baseline and record.baseline.grant_ends_at:
        # In any case: the schedule is made before the hold, so a run that crashed in between leaves one, and
        # so does one that was redriven after its undo.
        grants.cancel_end(aws, incident.subject, record.baseline.grant_ends_at)
    return replace(undo, next="CONFIRM")


def _put_back(undo: Undo, incident: Incident, record: Record, aws: Account, now: str) -> Undo:
    """The undo with `put_back` once that phase is done."""
    if record.closed and incident.id == incident.subject:
        aws.journal.reopen(incident.id)  # so that the undo is taken up if this run is stopped in it
    withdrawn, let_go = withdrawn_by(record), let_go_by(incident, record, aws)
    back = (*withdrawn, *reattached_by(record))
    if not let_go and all((c.undone_at or c.kind == "reattach") and c.shown_at for c in back):
        if back:  # an earlier try may have ended before it gave the role back
            release_role(_role(record), incident, aws, now)
        return replace(undo, put_back=tuple(change.value for change in withdrawn))
    if holder := take_role(_role(record), incident, aws, now):
        return _wait(replace(undo, phase="PUT_BACK"), holder)
    done = put_back(incident, record, let_go, aws, now)
    undo = replace(undo, phase="PUT_BACK", lost=tuple(dict.fromkeys((*undo.lost, *done.lost))))
    # done_at of a withdrawal is when that took the policy off.
    began = [(change.done_at if change.kind == "reattach" else change.undone_at) or now for change in back]
    if done.unshown and all(seconds_between(at, now) < SHOWS for at in began):
        return _wait(undo)
    release_role(_role(record), incident, aws, now)
    return replace(undo, put_back=done.policies)


def _seen_absent(state: RunState) -> frozenset[str]:
    """What the watch saw taken off, too late after the grant for that to be a stale read."""
    health, grant = state.seen, state.grant
    if health is None or health.last is None or grant is None:
        return frozenset()
    late = seconds_between(grant.at, health.last.at) > grants.SPREAD
    return frozenset(health.last.detached if late else ())


def _role(record: Record) -> str:
    assert record.baseline is not None  # a change has a baseline before it
    return record.baseline.role.arn


def _wait(undo: Undo, holder: str | None = None) -> Undo:
    return replace(undo, next="WAIT", checks=undo.checks + 1, waits_for=holder)


def _touched_service(record: Record) -> bool:
    return any(c.kind in ("redeploy", "register") and c.undone_at is None for c in record.changes)
