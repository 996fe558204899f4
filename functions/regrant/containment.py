"""Contain: attach the missing policies, see that IAM shows them, start a deployment.

Intent before action: the journal says what will be done before it is done, so that a rollback can start
from any crash point. Every step can run twice with the same effect as once.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.baseline import existing_service
from regrant.entry import Service
from regrant.errors import AttachmentNotVisible, ServiceChanged, ServiceGone
from regrant.models import Access, BaselineMark, Grant, Incident, Plan, Rollout
from regrant.ports import Holds, Journal, Roles, Services
from regrant.records import Change, Hold
from regrant.resources import Deployment


def attach_policies(
    incident: Incident,
    plan: Plan,
    baseline: BaselineMark,
    roles: Roles,
    holds: Holds,
    journal: Journal,
    now: str,
) -> Grant:
    """Attach the plan's policies to its role, one journal entry and one hold each.

    One that another run granted is held by this one too; one that somebody attached meanwhile is theirs.
    """
    attach = tuple(policy for policy in plan.attach if policy not in baseline.kept)
    for policy in attach:
        change = Change(kind="attach", target=plan.role, value=policy, intended_at=now)
        journal.intend(incident.id, change)
        holds.write(plan.role, Hold(policy, incident.id, str(incident.service)))
        roles.attach(plan.role, policy)
        journal.record(incident.id, replace(change, done_at=now))
    return Grant(role=plan.role, attached=attach, at=now)


def confirm_access(grant: Grant, roles: Roles, now: str) -> Access:
    """Raises AttachmentNotVisible until IAM lists every policy of the grant (boto/boto3#1466)."""
    missing = sorted(set(grant.attached) - set(roles.attached(grant.role)))
    if missing:
        raise AttachmentNotVisible(f"{grant.role} does not show {', '.join(missing)} yet")
    return Access(at=now)


def redeploy(
    incident: Incident, baseline: BaselineMark, services: Services, journal: Journal, now: str
) -> Rollout:
    """Force a new deployment of the revision in use, once, however often the step runs.

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
        deployment = services.redeploy(service)
    elif primary.task_definition == baseline.task_definition and not first_try:
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
