"""Undo what was done to the service, from the journal and the baseline alone: bring it back to a steady state
on the revision that it ran before, and deregister the revision that a cure registered, unless a service runs
it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.in_use import runners, who_runs_it
from regrant.journal import carry_out, leave, take_back
from regrant.model.aws import ServiceState, name_of
from regrant.model.catalogue import Service, parse_service
from regrant.model.journal import Change
from regrant.model.results import Undo, Verdict
from regrant.model.run import Incident, RunState
from regrant.ports import Account
from regrant.stored import Record

LIMIT = 1800.0
"""Seconds that a restore may take, so that slow answers do not lengthen its loop."""


def undo_service(state: RunState, aws: Account, now: str) -> Undo:
    """Restore the service as far as that goes now: WAIT while it settles, then ROLE.

    One that has not settled within LIMIT, or whose revision ECS does not take any more, is UNHEALTHY: then
    the policies are taken off all the same, and the receipt is refused. Raises AwsUnavailable, AwsRefused.
    """
    undo = state.undo
    assert undo is not None  # UndoRole sends here
    incident, record = state.incident, aws.journal.load(state.incident.subject)
    since = undo.restored_since or now
    verdict, evidence = restore(incident, record, aws, now)
    if verdict == "PENDING" and seconds_between(since, now) >= LIMIT:
        verdict = "UNHEALTHY"
    undo = replace(
        undo,
        phase="RESTORE",
        at=now,
        service=verdict,
        restored_since=since,
        evidence=evidence,
        waits_for=None,
    )
    if verdict == "PENDING":
        return replace(undo, next="WAIT", checks=undo.checks + 1)
    gone, in_use = deregister(incident, record, aws, now)
    return replace(undo, next="ROLE", phase="DEREGISTER", deregistered=gone, in_use=in_use)


def restore(incident: Incident, record: Record, aws: Account, now: str) -> tuple[Verdict, tuple[str, ...]]:
    """Start what brings the service back, if we left it otherwise and that was not started yet; how far it
    is.

    ECS deploys only an ACTIVE revision (API reference, DeregisterTaskDefinition), and Terraform deregisters
    those that it replaces: then nothing is sent, and it is UNHEALTHY.
    """
    redeploys = [c for c in record.changes if c.kind == "redeploy" and c.undone_at is None]
    if record.baseline is None or record.baseline.service is None or not redeploys:
        return "HEALTHY", ("The service was not changed.",)
    service = parse_service(record.baseline.service_key)
    assert service is not None  # the journal was written by OpenIncident's parse of it
    state, revision = aws.services.describe(service), record.baseline.service.task_definition
    registered = next((c.value for c in record.changes if c.kind == "register" and c.done_at), None)
    verdict, evidence = judge_restored(state, revision, registered)
    restores = [c for c in record.changes if c.kind == "restore"]
    if state is None or verdict != "PENDING":
        return verdict, evidence
    replaced = state.task_definition == registered
    stuck = state.task_definition == revision and _stuck(state, redeploys[0], restores)
    if not replaced and not stuck:
        return verdict, evidence
    if aws.revisions.status(revision) != "ACTIVE":
        return "UNHEALTHY", (f"{name_of(revision)}, which it ran before, has been deregistered.", *evidence)
    if replaced:
        # Asked a second time, ECS starts no second deployment of it.
        _replace(incident, service, state, lambda: aws.services.deploy(service, revision), aws, now)
    else:
        # A new deployment of the same revision in place of our failing one, once.
        _replace(incident, service, state, lambda: aws.services.redeploy(service), aws, now)
    return verdict, evidence


def judge_restored(
    state: ServiceState | None, revision: str, registered: str | None = None
) -> tuple[Verdict, tuple[str, ...]]:
    """HEALTHY once there is nothing of ours left to wait for, else PENDING.

    It does not matter whose deployment settles: a circuit breaker that goes back to the old one has
    restored the service, and what somebody else deployed, scaled or deleted is not ours to undo. Only the
    revision that we registered must not stay in use by any deployment.
    """
    primary = state.primary if state and state.status == "ACTIVE" else None
    if state is None or primary is None:
        return "HEALTHY", ("The service is gone; somebody else deleted it.",)
    if primary.task_definition == registered:
        return "PENDING", (f"{primary.id} still runs {registered}, which this run registered.",)
    if any(deployment.task_definition == registered for deployment in state.deployments):
        return "PENDING", (f"{primary.id} replaces {registered}, which this run registered.",)
    if primary.task_definition != revision:
        return "HEALTHY", (f"Somebody else deployed {primary.task_definition}.",)
    if state.desired_count == 0:
        return "HEALTHY", ("Somebody else scaled the service to 0.",)
    if state.steady_state:
        return "HEALTHY", (f"The service has settled on {primary.id}.",)
    waits = f"{primary.id} {primary.rollout_state}: {primary.running} of {primary.desired} tasks running"
    return "PENDING", (f"{waits}, {primary.failed_tasks} failed.",)


def _replace(
    incident: Incident,
    service: Service,
    state: ServiceState,
    deploy: Callable[[], str],
    aws: Account,
    now: str,
) -> None:
    """Start a deployment in place of the primary one, with its intent in the journal."""
    assert state.primary is not None
    change = Change("restore", str(service), state.primary.id, intended_at=now)

    def act(first: bool) -> None:
        deploy()  # the value stays the deployment that was replaced: `_stuck` compares with that

    carry_out(aws.journal, incident.subject, change, act, now)


def _stuck(state: ServiceState, redeploy: Change, restores: list[Change]) -> bool:
    """Our deployment fails and nothing but a new one will end it."""
    primary = state.primary
    assert primary is not None
    breaker = state.deployment_configuration.get("deploymentCircuitBreaker") or {}
    if breaker.get("enable") and breaker.get("rollback"):
        return False  # ECS rolls back; another deployment would displace that
    ours = primary.id == redeploy.value or redeploy.done_at is None
    # A restore's value is the deployment it was to supersede: still primary means it was not heard.
    unheard = not restores or primary.id in [c.value for c in restores]
    return ours and primary.failing and unheard


def deregister(
    incident: Incident, record: Record, aws: Account, now: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Deregister what this incident registered; what is gone, and what is left (ARNs).

    What a service of the managed clusters runs is left, and recorded with who runs it.
    """
    gone, left = list[str](), list[str]()
    for change in record.changes:
        if change.kind != "register" or change.undone_at is not None:
            continue
        made = (change.value,) if change.done_at else _unrecorded(change, aws)
        service = parse_service(record.baseline.service_key) if record.baseline else None
        run_by = runners(service, aws, now) if service and made else {}
        used = tuple(arn for arn in made if arn in run_by)
        free = tuple(arn for arn in made if arn not in run_by)
        value = (*free, *used)[-1] if made else change.value
        known = replace(change, value=value, done_at=change.done_at or (now if made else None), left_for=None)
        if used:
            _deregister(free, aws)
            leave(aws.journal, incident.subject, known, who_runs_it(run_by[value]))
        else:
            take_back(aws.journal, incident.subject, known, partial(_deregister, free, aws), now)
        gone += free
        left += used
    return tuple(gone), tuple(left)


def _deregister(revisions: tuple[str, ...], aws: Account) -> None:
    for arn in revisions:
        aws.revisions.deregister(arn)


def _unrecorded(change: Change, aws: Account) -> tuple[str, ...]:
    assert change.role is not None  # every register has one
    return aws.revisions.copies(change.target, change.role, change.value)
