"""Contain: attach the missing policies, see that IAM shows them, start a deployment.

Intent before action: the journal says what will be done before it is done, so that a rollback can start
from any crash point. Every step can run twice with the same effect as once.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.errors import AttachmentNotVisible
from regrant.models import Access, BaselineMark, Change, Grant, Incident, Plan, Rollout
from regrant.ports import Journal, Roles, Services


def attach_policies(incident: Incident, plan: Plan, roles: Roles, journal: Journal, now: str) -> Grant:
    """Attach the plan's policies to its role, one journal entry each."""
    for policy in plan.attach:
        change = Change(kind="attach", target=plan.role, value=policy, intended_at=now)
        journal.intend(incident.id, change)
        roles.attach(plan.role, policy)
        journal.mark_done(incident.id, replace(change, done_at=now))
    return Grant(role=plan.role, attached=plan.attach, at=now)


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

    UpdateService has no idempotency token: if an earlier try may have been heard, a PRIMARY that is not
    the baseline's is taken to be its deployment instead of starting a second one.
    """
    service = incident.service
    assert service is not None
    change = Change(kind="redeploy", target=str(service), value=baseline.primary_deployment, intended_at=now)
    deployment = None
    if not journal.intend(incident.id, change):
        deployment = _adopt(incident, baseline, services)
    if deployment is None:
        deployment = services.redeploy(service, baseline.task_definition)
    journal.mark_done(incident.id, replace(change, value=deployment, done_at=now))
    return Rollout(deployment=deployment, started_at=now, at=now)


def _adopt(incident: Incident, baseline: BaselineMark, services: Services) -> str | None:
    assert incident.service is not None
    state = services.describe(incident.service)
    primary = state.primary if state else None
    return primary.id if primary and primary.id != baseline.primary_deployment else None
