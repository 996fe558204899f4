"""Roll back: the service first, then the policies, from the journal and the baseline alone.

Nothing here looks at what the interrupted run believed: it may have crashed anywhere, hours ago. Only what
the journal says this incident intended is undone, and a policy that was attached before us never is.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.baseline import compare
from regrant.concurrency import both
from regrant.errors import BaselineDiffers, ServiceGone
from regrant.models import Change, Detach, Incident, Receipt, Restore
from regrant.ports import Journal, Roles, Services
from regrant.resources import Baseline, ServiceState
from regrant.triggers import parse_service


def restore_service(incident: Incident, services: Services, journal: Journal, now: str) -> Restore:
    """Bring the service's deployment back to a settled state, if our redeploy left it otherwise."""
    record = journal.load(incident.subject)
    redeploys = [c for c in record.changes if c.kind == "redeploy"]
    if record.baseline is None or not redeploys:
        return _restored(now, "The service was not changed.")
    state = _describe(services, record.baseline)
    restores = [c for c in record.changes if c.kind == "restore"]
    waiting_for, needs_new = _decide(state, record.baseline, redeploys[0], restores)
    if waiting_for and needs_new:
        waiting_for = _start_restore(incident, record.baseline, state, services, journal, now)
    if waiting_for is None:
        return _restored(now, "The service is settled; its revision and desired count were not changed.")
    return Restore(
        verdict="PENDING",
        checks=0,
        started_at=now,
        at=now,
        deployment=waiting_for,
        evidence=(f"Waiting for {waiting_for}.",),
    )


def _decide(
    state: ServiceState, baseline: Baseline, redeploy: Change, restores: list[Change]
) -> tuple[str | None, bool]:
    """(deployment to wait for, whether to start a new one in its place)."""
    primary = state.primary
    if primary is None or primary.task_definition != baseline.service.task_definition:
        return None, False  # somebody else deployed another revision; theirs, so not ours to undo
    if primary.completed and len(state.deployments) == 1:
        return None, False
    ours = primary.id == redeploy.value or redeploy.done_at is None
    # A restore's value is the deployment it was to supersede: still primary means it was not heard.
    unheard = not restores or primary.id in [c.value for c in restores]
    return primary.id, ours and primary.failing and unheard


def _start_restore(
    incident: Incident,
    baseline: Baseline,
    state: ServiceState,
    services: Services,
    journal: Journal,
    now: str,
) -> str:
    """Supersede our failing deployment with a new one of the baseline's revision.

    Written before it is done: a second try of the step that finds it heard waits instead (`_decide`).
    """
    service = parse_service(baseline.service_key)
    assert service is not None and state.primary is not None
    change = Change(kind="restore", target=str(service), value=state.primary.id, intended_at=now)
    journal.intend(incident.subject, change)
    deployment = services.redeploy(service, baseline.service.task_definition)
    journal.mark_done(incident.subject, replace(change, done_at=now))
    return deployment


def detach_policies(incident: Incident, roles: Roles, journal: Journal, now: str) -> Detach:
    """Detach what this incident attached. What was attached in the baseline stays."""
    record = journal.load(incident.subject)
    kept = record.baseline.role.attached if record.baseline else ()
    ours = tuple(c for c in record.changes if c.kind == "attach" and c.value not in kept)
    for change in ours:
        if change.undone_at is None:
            roles.detach(change.target, change.value)
            journal.mark_undone(incident.subject, replace(change, undone_at=now))
    return Detach(detached=tuple(change.value for change in ours), at=now)


def confirm_baseline(
    incident: Incident, services: Services, roles: Roles, journal: Journal, now: str
) -> Receipt:
    """The receipt. Raises BaselineDiffers while anything of ours is left (IAM reads can be stale)."""
    record = journal.load(incident.subject)
    before = record.baseline
    if before is None:
        return Receipt(before="", after="", equal=True, at=now)
    role, state = both(lambda: roles.read(before.role.arn), lambda: _describe(services, before))
    receipt = compare(before, role, state, record.changes, now)
    if not receipt.equal:
        raise BaselineDiffers("; ".join(receipt.diff))
    return receipt


def _describe(services: Services, baseline: Baseline) -> ServiceState:
    service = parse_service(baseline.service_key)
    state = services.describe(service) if service else None
    if state is None:
        raise ServiceGone(f"{baseline.service_key} is gone.")
    return state


def _restored(now: str, why: str) -> Restore:
    return Restore(verdict="HEALTHY", checks=0, started_at=now, at=now, evidence=(why,))
