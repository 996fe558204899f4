"""Roll back: the service first, then the policies, from the journal and the baseline alone.

Nothing here looks at what the interrupted run believed: it may have crashed anywhere, hours ago. Only what
the journal says this incident intended is undone, and a policy that was attached before us never is.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.baseline.facts import attached_before, compare, granted_by_others
from regrant.clock import seconds_between
from regrant.errors import BaselineDiffers, ServiceNotSettled
from regrant.model.aws import ServiceState
from regrant.model.catalogue import Service, parse_service
from regrant.model.journal import Change
from regrant.model.results import Detach, Receipt, Restore, Verdict
from regrant.model.run import Incident
from regrant.parallel import all_three
from regrant.ports import Holds, Journal, Revisions, Roles, Schedules, Services
from regrant.verify.rollout import LIMIT


def restore_service(incident: Incident, services: Services, journal: Journal, now: str) -> Restore:
    """Bring the service back to a settled state on the baseline's revision, if we left it otherwise."""
    record = journal.load(incident.subject)
    redeploys = [c for c in record.changes if c.kind == "redeploy" and c.undone_at is None]
    if record.baseline is None or record.baseline.service is None or not redeploys:
        return Restore("HEALTHY", 0, now, now, evidence=("The service was not changed.",))
    service = parse_service(record.baseline.service_key)
    assert service is not None  # the journal was written by OpenIncident's parse of it
    state, revision = services.describe(service), record.baseline.service.task_definition
    registered = next((c.value for c in record.changes if c.kind == "register" and c.done_at), None)
    verdict, evidence = judge_restored(state, revision, registered)
    restores = [c for c in record.changes if c.kind == "restore"]
    if state and verdict == "PENDING":
        if state.task_definition == registered:
            _go_back(incident, service, state, revision, services, journal, now)
        elif _stuck(state, redeploys[0], restores):
            _supersede(incident, service, state, services, journal, now)
    return Restore(verdict, 0, now, now, task_definition=revision, registered=registered, evidence=evidence)


def check_restore(restore: Restore, service: Service, services: Services, now: str) -> Restore:
    """One more look at the service that is to settle; UNHEALTHY once it has taken longer than LIMIT."""
    if not restore.task_definition:  # the service was not changed; only the role was waited for
        return replace(restore, verdict="HEALTHY", checks=restore.checks + 1, at=now, waits_for=None)
    state = services.describe(service)
    verdict, evidence = judge_restored(state, restore.task_definition, restore.registered)
    if verdict == "PENDING" and seconds_between(restore.started_at, now) >= LIMIT:
        verdict = "UNHEALTHY"
    checks = restore.checks + 1
    return replace(restore, verdict=verdict, checks=checks, at=now, waits_for=None, evidence=evidence)


def judge_restored(
    state: ServiceState | None, revision: str, registered: str | None = None
) -> tuple[Verdict, tuple[str, ...]]:
    """HEALTHY once there is nothing of ours left to wait for, else PENDING.

    It does not matter whose deployment settles: a circuit breaker that goes back to the old one has
    restored the service, and what somebody else deployed, scaled or deleted is not ours to undo. Only the
    revision that we registered must not stay in use.
    """
    primary = state.primary if state and state.status == "ACTIVE" else None
    if state is None or primary is None:
        return "HEALTHY", ("The service is gone; somebody else deleted it.",)
    if primary.task_definition == registered:
        return "PENDING", (f"{primary.id} still runs {registered}, which this run registered.",)
    if primary.task_definition != revision:
        return "HEALTHY", (f"Somebody else deployed {primary.task_definition}.",)
    if state.desired_count == 0:
        return "HEALTHY", ("Somebody else scaled the service to 0.",)
    if state.settled:
        return "HEALTHY", (f"The service has settled on {primary.id}.",)
    waits = f"{primary.id} {primary.rollout_state}: {primary.running} of {primary.desired} tasks running"
    return "PENDING", (f"{waits}, {primary.failed_tasks} failed.",)


def _go_back(
    incident: Incident,
    service: Service,
    state: ServiceState,
    revision: str,
    services: Services,
    journal: Journal,
    now: str,
) -> None:
    """Deploy the baseline's revision again. Asked a second time, ECS starts no second deployment of it."""
    assert state.primary is not None
    change = Change(kind="restore", target=str(service), value=state.primary.id, intended_at=now)
    journal.intend(incident.subject, change)
    services.deploy(service, revision)
    journal.record(incident.subject, replace(change, done_at=now))


def _stuck(state: ServiceState, redeploy: Change, restores: list[Change]) -> bool:
    """Our deployment fails and nothing but a new one will end it."""
    primary = state.primary
    assert primary is not None
    breaker = state.deployment_configuration.get("deploymentCircuitBreaker") or {}
    if breaker.get("enable") and breaker.get("rollback"):
        return False  # ECS goes back by itself; another deployment would displace that
    ours = primary.id == redeploy.value or redeploy.done_at is None
    # A restore's value is the deployment it was to supersede: still primary means it was not heard.
    unheard = not restores or primary.id in [c.value for c in restores]
    return ours and primary.failing and unheard


def _supersede(
    incident: Incident,
    service: Service,
    state: ServiceState,
    services: Services,
    journal: Journal,
    now: str,
) -> None:
    """Start a new deployment of the same revision in place of our failing one, once (see `_stuck`)."""
    assert state.primary is not None
    change = Change(kind="restore", target=str(service), value=state.primary.id, intended_at=now)
    journal.intend(incident.subject, change)
    services.redeploy(service)
    journal.record(incident.subject, replace(change, done_at=now))


def detach_policies(
    incident: Incident, roles: Roles, holds: Holds, journal: Journal, schedules: Schedules, now: str
) -> Detach:
    """Detach what this incident attached. What was attached before it, or another incident needs, stays.

    A grant that a cure or an expiry has ended is not this incident's any more: what is attached now is
    somebody else's. One that their undo put back is. The hold goes last, so that a try that comes after a
    crash knows no more than the first.
    """
    record = journal.load(incident.subject)
    kept = attached_before(record.baseline)
    ours = tuple(c for c in record.changes if c.kind == "attach" and c.value not in kept)
    targets = {change.target for change in ours}
    held = {target: holds.of(target) for target in targets}
    ended = {(h.policy, h.incident): h for target in targets for h in holds.dropped(target)}
    left = []
    for change in ours:
        mine = [h for h in held[change.target] if (h.policy, h.incident) == (change.value, incident.subject)]
        needed = change.value in granted_by_others(held[change.target], incident.subject)
        left += [change.value] if needed else []
        if change.undone_at is None or mine:
            before = ended.get((change.value, incident.subject))
            if not needed and not before:
                roles.detach(change.target, change.value)
            undone_at = before.dropped_at if before else now
            journal.record(incident.subject, replace(change, undone_at=undone_at))
        for hold in mine:
            if hold.expires_at:
                schedules.cancel(hold.incident, hold.expires_at)
            holds.write(change.target, replace(hold, dropped_at=now, dropped_by=incident.subject))
    gone = tuple(change.value for change in ours if change.value not in left)
    return Detach(detached=gone, at=now, left=tuple(left))


def confirm_baseline(
    incident: Incident,
    restore: Restore,
    services: Services,
    roles: Roles,
    revisions: Revisions,
    holds: Holds,
    journal: Journal,
    now: str,
) -> Receipt:
    """The receipt.

    Raises BaselineDiffers while anything of ours is left (IAM reads can be stale), and ServiceNotSettled
    if the policies could be taken off but the service did not settle: a person has to look at it.
    """
    record = journal.load(incident.subject)
    before = record.baseline
    if before is None:
        raise BaselineDiffers(f"The journal has no baseline for {incident.subject}.")
    service = parse_service(before.service_key)
    assert service is not None
    role, state, held = all_three(
        lambda: roles.read(before.role.arn),
        lambda: services.describe(service),
        lambda: holds.of(before.role.arn),
    )
    registered = [c.value for c in record.changes if c.kind == "register" and c.done_at]
    active = tuple(arn for arn in registered if revisions.status(arn) == "ACTIVE")
    others = tuple(hold for hold in held if hold.incident != incident.subject)
    receipt = compare(before, role, state, record.changes, others, now, active)
    if not receipt.equal:
        raise BaselineDiffers("; ".join(receipt.diff))
    if restore.verdict != "HEALTHY":
        raise ServiceNotSettled(f"The policies are off, but {service} did not settle: {restore.evidence[0]}")
    return receipt
