"""The cure's new revision of the task definition: register it, start it, and in an undo take it out again."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.errors import RevisionDiffers
from regrant.model.catalogue import parse_service
from regrant.model.journal import Change
from regrant.model.results import Deregistration, Revision
from regrant.model.run import Incident, Plan
from regrant.ports import Journal, Revisions, Services


def register_revision(
    incident: Incident, plan: Plan, revisions: Revisions, journal: Journal, now: str
) -> Revision:
    """Register a copy of the revision in use with the new role, once, however often the step runs.

    RegisterTaskDefinition has no idempotency token: the intent has the family's latest revision, and what is
    newer than that and exactly such a copy is taken to be an earlier try's. Raises RevisionDiffers if
    anything but the role is another in the copy.
    """
    old, role = plan.task_definition, plan.new_role
    assert old is not None and role is not None
    change = Change("register", old, revisions.latest(old), intended_at=now, role=role)
    if journal.intend(incident.id, change):
        new = revisions.register(old, role)
    else:
        first = _intent(incident.id, old, journal)
        # Recorded by an earlier try, or registered by it without having been recorded.
        made = (first.value,) if first.done_at else revisions.copies(old, role, first.value)
        change, new = first, made[0] if made else revisions.register(old, role)
    journal.record(incident.id, replace(change, value=new, done_at=now))
    others = [line for line in revisions.differences(old, new) if not line.startswith("taskRoleArn: ")]
    if others:
        raise RevisionDiffers(f"{new} is no copy of {old}: {'; '.join(others)}")
    return Revision(task_definition=new, at=now)


def deregister_revision(
    incident: Incident, revisions: Revisions, services: Services, journal: Journal, now: str
) -> Deregistration:
    """Deregister what this incident registered, unless the service still runs it."""
    record = journal.load(incident.subject)
    gone: list[str] = []
    for change in record.changes:
        if change.kind != "register" or change.undone_at is not None:
            continue
        made = (change.value,) if change.done_at else _unrecorded(change, revisions)
        service = parse_service(record.baseline.service_key) if record.baseline else None
        state = services.describe(service) if service and made else None
        in_use = {each.task_definition for each in state.deployments} if state else set()
        if in_use & set(made):
            continue
        for arn in made:
            revisions.deregister(arn)
        value = made[-1] if made else change.value
        done = change.done_at or (now if made else None)
        journal.record(incident.subject, replace(change, value=value, done_at=done, undone_at=now))
        gone += made
    return Deregistration(revisions=tuple(gone), at=now)


def _unrecorded(change: Change, revisions: Revisions) -> tuple[str, ...]:
    assert change.role is not None  # every register has one
    return revisions.copies(change.target, change.role, change.value)


def _intent(incident: str, old: str, journal: Journal) -> Change:
    changes = journal.load(incident).changes
    return next(change for change in changes if (change.kind, change.target) == ("register", old))
