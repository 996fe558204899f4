"""Replace the service's tasks: on the revision in use, or for a cure on a copy of it with the declared
role."""

from __future__ import annotations

from regrant import leases
from regrant.baseline.capture import existing_service
from regrant.errors import NotOfThisRun, RevisionDiffers, ServiceChanged, ServiceGone
from regrant.journal import carry_out, note_undone
from regrant.model.aws import Deployment
from regrant.model.catalogue import Service
from regrant.model.journal import Change
from regrant.model.results import BaselineMark, Rollout
from regrant.model.run import Incident, Plan, RunState
from regrant.origin.planned import digest_of, plan_and_baseline, raise_if_reported
from regrant.ports import Account, Services


def redeploy_service(state: RunState, aws: Account, now: str) -> Rollout:
    """Force a new deployment; for a cure, first register its revision and then deploy that.

    Each of the two has its own intent and takes up what an earlier try has done, for neither call has an
    idempotency token. A cure gives the role back here: it takes it again when it withdraws. Raises
    ServiceChanged, ServiceGone, RevisionDiffers, AwsUnavailable, AwsRefused; NotOfThisRun if CaptureBaseline
    has not planned it for this state.
    """
    incident, (plan, baseline) = state.incident, plan_and_baseline(state)
    if incident.service is None or (plan.new_role and plan.task_definition is None):
        raise NotOfThisRun(f"The state of {incident.id} deploys nothing: no run sends such a state here.")
    revision, digest = None, digest_of(state)
    if plan.new_role:
        revision = register_revision(incident, plan, plan.new_role, aws, now, digest)
        leases.release_role(plan.role, incident, aws, now)
    return redeploy(incident, baseline, revision, aws, now, digest)


def register_revision(incident: Incident, plan: Plan, role: str, aws: Account, now: str, digest: str) -> str:
    """Register a copy of the revision in use with the new role, once, however often the step runs; its ARN.

    The intent has the family's latest revision, and what is newer than that and exactly such a copy is taken
    to be an earlier try's. Raises RevisionDiffers if the copy differs in anything but the role.
    """
    old = plan.task_definition
    assert old is not None

    def register(first: bool) -> str:
        if first:
            return aws.revisions.register(old, role)
        record = aws.journal.load(incident.id)
        raise_if_reported(record, incident.id)
        before = next(c for c in record.changes if (c.kind, c.target) == ("register", old))
        # Recorded by an earlier try, or registered by it without having been recorded.
        made = (before.value,) if before.done_at else aws.revisions.copies(old, role, before.value)
        return made[0] if made else aws.revisions.register(old, role)

    intent = Change("register", old, aws.revisions.latest(old), intended_at=now, role=role)
    new = carry_out(aws.journal, incident.id, intent, register, now, digest).value
    others = [line for line in aws.revisions.differences(old, new) if not line.startswith("taskRoleArn: ")]
    if others:
        raise RevisionDiffers(f"{new} is no copy of {old}: {'; '.join(others)}")
    return new


def redeploy(
    incident: Incident, baseline: BaselineMark, revision: str | None, aws: Account, now: str, digest: str
) -> Rollout:
    """Force a new deployment of the revision in use, or deploy the cure's (ARN), however often the step runs.

    If an earlier try may have been heard, a PRIMARY of the same revision that is not the baseline's is taken
    to be its deployment instead of starting a second one. Any other new PRIMARY is somebody else's, and
    raises ServiceChanged rather than being replaced.
    """
    service = incident.service
    assert service is not None

    def deploy(first: bool) -> str:
        primary = _primary(service, aws.services)
        if not first and _taken_back(incident, intent, aws):
            raise ServiceChanged(f"{primary.id} was deployed before ours, which was not started.")
        if primary.id == baseline.primary_deployment:
            return aws.services.deploy(service, revision) if revision else aws.services.redeploy(service)
        if primary.task_definition == (revision or baseline.task_definition) and not first:
            return primary.id
        if first:  # nothing was sent, so there is nothing of ours to wait for or to put right
            note_undone(aws.journal, incident.id, intent, now, digest)
        raise ServiceChanged(f"{primary.id} of {primary.task_definition} was deployed since the baseline")

    intent = Change("redeploy", str(service), baseline.primary_deployment, intended_at=now)
    done = carry_out(aws.journal, incident.id, intent, deploy, now, digest)
    return Rollout(deployment=done.value, at=now, revision=revision)


def _taken_back(incident: Incident, intent: Change, aws: Account) -> bool:
    """An earlier try found somebody else's deployment, and started none. Raises NotOfThisRun."""
    record = aws.journal.load(incident.id)
    raise_if_reported(record, incident.id)
    return any(c.kind == intent.kind and c.target == intent.target and c.undone_at for c in record.changes)


def _primary(service: Service, services: Services) -> Deployment:
    primary = existing_service(services, service).primary
    if primary is None:
        raise ServiceGone(f"{service} has no primary deployment any more.")
    return primary
