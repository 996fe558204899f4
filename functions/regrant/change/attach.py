"""Contain: attach the missing policies for a time, see that IAM shows them, start a deployment.

Intent before action: the journal says what will be done before it is done, so that a rollback can start
from any crash point. Every step can run twice with the same effect as once.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.baseline.capture import existing_service
from regrant.clock import HOUR, earlier
from regrant.errors import AttachmentNotVisible, GrantWithdrawn, ServiceChanged, ServiceGone
from regrant.model.aws import Deployment
from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.journal import Change, Hold
from regrant.model.results import Access, BaselineMark, Grant, Rollout
from regrant.model.run import Incident, Plan
from regrant.ports import Holds, Journal, Roles, Schedules, Services


def attach_policies(
    incident: Incident,
    plan: Plan,
    baseline: BaselineMark,
    roles: Roles,
    holds: Holds,
    journal: Journal,
    schedules: Schedules,
    now: str,
) -> Grant:
    """Attach the plan's policies to its role, one journal entry and one hold each. Their end is scheduled
    first.

    One that another run granted is held by this one too; one that somebody attached meanwhile is theirs.
    Raises GrantWithdrawn if this incident has been undone, or its grant has come to its end (a run that is
    redriven after that).
    """
    entry = incident.entry
    assert entry is not None
    ends = earlier(now, -entry.grant_ttl_hours * HOUR)
    wanted = tuple(policy for policy in plan.attach if policy not in baseline.kept)
    theirs = _attached_meanwhile(incident, plan, wanted, roles, holds, journal)
    attach = tuple(policy for policy in wanted if policy not in theirs)
    changes = [Change(kind="attach", target=plan.role, value=policy, intended_at=now) for policy in attach]
    for change in changes:
        if not journal.intend_grant(incident.id, change, _hold(incident, change.value, entry, now, ends)):
            _raise_if_withdrawn(incident, change, journal, holds)
    # After the holds, by which an undo finds it, and before the grant, which it ends.
    if attach:
        schedules.put(incident.id, ends)
    for change in changes:
        roles.attach(plan.role, change.value)
        journal.record(incident.id, replace(change, done_at=now))
    return Grant(role=plan.role, attached=attach, at=now)


def _attached_meanwhile(
    incident: Incident,
    plan: Plan,
    wanted: tuple[str, ...],
    roles: Roles,
    holds: Holds,
    journal: Journal,
) -> frozenset[str]:
    """What is there although the baseline has it not, no other run granted it and no earlier try of ours."""
    there = frozenset(wanted) & frozenset(roles.attached(plan.role))
    if not there:
        return there
    ours = {change.value for change in journal.load(incident.id).changes if change.kind == "attach"}
    return there - ours - {hold.policy for hold in holds.of(plan.role)}


def _raise_if_withdrawn(incident: Incident, change: Change, journal: Journal, holds: Holds) -> None:
    held = {(hold.incident, hold.policy) for hold in holds.of(change.target)}
    undone = any(c.undone_at for c in journal.load(incident.id).changes if c.kind == "attach")
    if undone or (incident.id, change.value) not in held:
        raise GrantWithdrawn(f"{incident.id} has been undone; start a new run instead of going on with it.")


def _hold(incident: Incident, policy: str, entry: CatalogueEntry, now: str, ends: str) -> Hold:
    return Hold(
        policy,
        incident.id,
        str(incident.service),
        held_at=now,
        expires_at=ends,
        ttl_hours=entry.grant_ttl_hours,
        why=incident.trigger,
    )


def confirm_access(grant: Grant, roles: Roles, now: str) -> Access:
    """Raises AttachmentNotVisible until IAM lists every policy of the grant (boto/boto3#1466)."""
    missing = sorted(set(grant.attached) - set(roles.attached(grant.role)))
    if missing:
        raise AttachmentNotVisible(f"{grant.role} does not show {', '.join(missing)} yet")
    return Access(at=now)


def redeploy(
    incident: Incident,
    baseline: BaselineMark,
    revision: str | None,
    services: Services,
    journal: Journal,
    now: str,
) -> Rollout:
    """Force a new deployment of the revision in use, or deploy the cure's (ARN), however often the step runs.

    UpdateService has no idempotency token: if an earlier try may have been heard, a PRIMARY of the same
    revision that is not the baseline's is taken to be its deployment instead of starting a second one.
    Any other new PRIMARY is somebody else's, and raises ServiceChanged rather than being replaced.
    """
    service = incident.service
    assert service is not None
    change = Change(kind="redeploy", target=str(service), value=baseline.primary_deployment, intended_at=now)
    first_try = journal.intend(incident.id, change)
    primary = _primary(service, services)
    if primary.id == baseline.primary_deployment:
        deployment = services.deploy(service, revision) if revision else services.redeploy(service)
    elif primary.task_definition == (revision or baseline.task_definition) and not first_try:
        deployment = primary.id
    else:
        if first_try:  # nothing was sent, so there is nothing of ours to wait for or to put right
            journal.record(incident.id, replace(change, undone_at=now))
        raise ServiceChanged(f"{primary.id} of {primary.task_definition} was deployed meanwhile")
    journal.record(incident.id, replace(change, value=deployment, done_at=now))
    return Rollout(deployment=deployment, started_at=now, at=now)


def _primary(service: Service, services: Services) -> Deployment:
    primary = existing_service(services, service).primary
    if primary is None:
        raise ServiceGone(f"{service} has no primary deployment any more.")
    return primary
