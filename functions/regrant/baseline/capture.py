"""The baseline is captured before the first change, if the account is still the one that was diagnosed.

Two reads that agree make a baseline. What the undo acts on (attachments, the service) is read twice in any
case, here and by Diagnose. The rest of the role is taken from Diagnose's read of seconds ago where nobody of
ours can have changed the role since; otherwise it is read again as well (ADR 19).
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from regrant.approval.recorded import demand_recorded_yes
from regrant.baseline.drift import digest, digest_of_entry, drift, moved_policies
from regrant.baseline.facts import attached_before, facts, fingerprint, granted_by_others, without
from regrant.clock import earlier, seconds_between
from regrant.denials.search import read_depths
from regrant.errors import AccountMoved, AwsRefused, NotOfThisRun, RoleGone, ServiceGone
from regrant.grants import attachments_of, ends, look_after, standing
from regrant.leases import ACTIVE, lease_of_role, release_role, take_role
from regrant.model.aws import Baseline, RoleState, ServiceState, name_of
from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.results import BaselineMark, Refusal
from regrant.model.run import Depths, Diagnosis, Incident, Plan, RunState
from regrant.origin.planned import digest_of, planned
from regrant.parallel import all_three, both
from regrant.ports import Account, Queues, Roles, Services

# Seconds for which a run waits for a role, so that slow answers do not lengthen the loop.
ROLE_WAIT_LIMIT = 600.0


def capture_baseline(state: RunState, aws: Account, now: str, ask: Callable[[], object]) -> BaselineMark:
    """Lease the role, and record role and service before the first change. A second call keeps the first
    baseline. WAIT while another run changes the role. The journal says then what the steps after this one may
    attach and deploy.

    ask: raises unless the run itself has sent this; it is called before anything is written. Raises what that
    raises, and AccountMoved if they are not what the plan was made from: one of the two reads was stale, or
    somebody changed something in between: the role, the service's revision and, where all is read again,
    the texts of the policies and of the catalogue entry.
    The grants that the plan withdraws are part of the role; those of other incidents are not. Raises
    RoleGone, ServiceGone, AwsUnavailable, AwsRefused; AnswerNotRecorded for a yes that the journal lacks.
    """
    diagnosis = state.diagnosis
    assert diagnosis is not None and diagnosis.plan is not None  # DecidePlan sends only plans here
    if _diagnosed_just_now(state, diagnosis):
        if mark := _capture_briefly(state, diagnosis, aws, now, ask):
            return mark
    else:
        ask()
    if diagnosis.next == "ASK" and _last_wait(state) is None:
        demand_recorded_yes(state, aws)
    if holder := take_role(diagnosis.plan.role, state.incident, aws, now):
        return _wait(state, diagnosis.plan, holder, now)
    try:
        baseline, depths = _read_both(state.incident, diagnosis, aws, now)
    except AccountMoved:
        # The next plan may be of another role, and others wait for this one.
        release_role(diagnosis.plan.role, state.incident, aws, now)
        raise
    mark = _mark(_keep(baseline, state.incident, aws), diagnosis.plan, depths)
    aws.journal.plan(state.incident.id, planned(state, mark), digest_of(state, mark))
    return mark


def _keep(baseline: Baseline, incident: Incident, aws: Account) -> Baseline:
    """The first baseline of the run; one of a role that the plan has left is replaced, if nothing was
    changed.

    Raises AccountMoved, and NotOfThisRun for one of an earlier run: 90 days after its end Step Functions lets
    another one have its name (API reference, StartExecution), and by what that run has changed and reported
    this one would neither end nor be undone.
    """
    kept = aws.journal.keep_baseline(incident.id, baseline)
    if seconds_between(incident.opened_at, kept.captured_at) < 0:
        raise NotOfThisRun(f"An earlier run was called {incident.id}, too: start it under a new name.")
    if kept.role.arn == baseline.role.arn:
        return kept
    if aws.journal.load(incident.id).changes:
        raise AccountMoved(f"{incident.id} has changed {kept.role.arn}, and now its plan is of another role.")
    aws.journal.replace_baseline(incident.id, baseline)
    return baseline


def _diagnosed_just_now(state: RunState, diagnosis: Diagnosis) -> bool:
    """A containment that has waited neither for a person nor for the role since its diagnosis."""
    waited = _last_wait(state) is not None
    return state.incident.mode == "contain" and diagnosis.next == "CHANGE" and not waited


def _capture_briefly(
    state: RunState, diagnosis: Diagnosis, aws: Account, now: str, ask: Callable[[], object]
) -> BaselineMark | None:
    """The baseline with the role as Diagnose read it, written together with the role's lease.

    None if another run has had the role around the diagnosis, or this step was tried before: then everything
    is read again. That the attachments differ is reason enough as well, since a grant may explain it, and
    that a grant which is on record is not among them.
    """
    incident, plan, against = state.incident, diagnosis.plan, diagnosis.planned_against
    assert (
        incident.service is not None and plan is not None and against is not None and against.role is not None
    )
    service = incident.service
    attached, found, _ = all_three(
        lambda: _attached(aws.roles, plan.role), lambda: existing_service(aws.services, service), ask
    )
    _raise_if_deployed(plan, found)
    if attached != against.attached or not {*diagnosis.granted} <= {*attached}:
        return None
    ends_at = _grant_ends_at(incident, plan, aws, now)
    baseline = Baseline(str(service), against.role, found, now, diagnosis.granted, ends_at)
    untouched_since = earlier(diagnosis.at, ACTIVE)
    lease, mark = lease_of_role(plan.role, incident, now), _mark(baseline, plan, diagnosis.depths)
    if not aws.journal.keep_baseline_with_lease(
        incident.id, baseline, lease, untouched_since, planned(state, mark), digest_of(state, mark)
    ):
        return None
    return mark


def _read_both(incident: Incident, diagnosis: Diagnosis, aws: Account, now: str) -> tuple[Baseline, Depths]:
    service, plan, against = incident.service, diagnosis.plan, diagnosis.planned_against
    assert service is not None and plan is not None and against is not None
    (role, new_role, policies), (found, held), (depths, text) = all_three(
        lambda: all_three(
            lambda: _read(aws.roles, plan.role),
            lambda: _read(aws.roles, plan.new_role) if plan.new_role else None,
            lambda: aws.roles.read_policies(tuple(against.policies)),
        ),
        lambda: both(
            lambda: _service(incident, service, aws.services),
            lambda: aws.holds.of(plan.role),
        ),
        lambda: both(
            lambda: _depths(aws.queues, incident.entry if plan.watch and not plan.postpone else None),
            lambda: aws.catalogue.entry(service),
        ),
    )
    # A keep takes Diagnose's read of a moment ago for the same one, and looks again in WithdrawGrants.
    before = None if incident.mode == "keep" else (against.attached, diagnosis.at)
    looked = look_after(aws, role.arn, held, attachments_of(role), now, read_before=before)
    granted = granted_by_others(standing(looked), incident.id)
    _raise_if_deployed(plan, found)
    moved = [*drift(against, role, granted), *moved_policies(against, policies)]
    if new_role and digest(new_role) != against.new_role:
        moved.append(new_role.arn)
    if digest_of_entry(text) != against.entry:
        moved.append("the catalogue entry")
    if moved:
        raise AccountMoved(f"Changed since the diagnosis of {plan.role}: {', '.join(moved)}.")
    others = tuple(policy for policy in granted if policy not in plan.withdraw)
    return Baseline(str(service), role, found, now, others, _grant_ends_at(incident, plan, aws, now)), depths


def _grant_ends_at(incident: Incident, plan: Plan, aws: Account, now: str) -> str | None:
    entry = incident.entry
    return ends(aws, entry.grant_ttl_hours, now) if entry and plan.attach else None


def _mark(kept: Baseline, plan: Plan, depths: Depths) -> BaselineMark:
    primary = kept.service.primary if kept.service else None
    return BaselineMark(
        next="DEPLOY" if plan.new_role else "ATTACH" if plan.attach else "WITHDRAW",
        sha256=fingerprint(facts(without(kept.role, kept.granted), kept.service)),
        at=kept.captured_at,
        primary_deployment=primary.id if primary else "",
        task_definition=kept.service.task_definition if kept.service else "",
        kept=tuple(policy for policy in plan.attach if policy in attached_before(kept)),
        backlog=depths.backlog,
        dead_letters=depths.dead_letters,
        seconds_to_dead_letter=depths.seconds_to_dead_letter,
        grant_ends_at=kept.grant_ends_at,
    )


def _wait(state: RunState, plan: Plan, holder: str, now: str) -> BaselineMark:
    before = _last_wait(state)
    since = before.since if before and before.since else now
    waiting = BaselineMark("WAIT", now, checks=before.checks + 1 if before else 1, holder=holder, since=since)
    if seconds_between(since, now) < ROLE_WAIT_LIMIT:
        return waiting
    return replace(waiting, next="CLOSE", refusal=_role_busy(holder, plan.role))


def _last_wait(state: RunState) -> BaselineMark | None:
    """The last look at the role's lease since the diagnosis; a new diagnosis starts the wait again."""
    mark, diagnosis = state.baseline, state.diagnosis
    return mark if mark and diagnosis and seconds_between(diagnosis.at, mark.at) > 0 else None


def _role_busy(holder: str, role: str) -> Refusal:
    return Refusal(
        "ROLE_BUSY",
        f"Run {holder} has been changing {name_of(role)} for too long to wait.",
        "See what that run is doing, and start this one again when it has ended.",
    )


def _service(incident: Incident, service: Service, services: Services) -> ServiceState | None:
    """Only an expiry goes on without its service."""
    return services.describe(service) if incident.expires else existing_service(services, service)


def existing_service(services: Services, service: Service) -> ServiceState:
    """The service, which the run has seen before. Raises ServiceGone."""
    state = services.describe(service)
    if state is None:
        raise ServiceGone(f"{service} is gone.")
    return state


def _raise_if_deployed(plan: Plan, state: ServiceState | None) -> None:
    revision = state.task_definition if state else None
    if plan.task_definition not in (None, revision):
        raise AccountMoved(f"{revision} was deployed since the diagnosis.")
    primary = state.primary if state else None
    if plan.deployment and (primary is None or primary.id != plan.deployment):
        raise AccountMoved(f"{plan.deployment} is not the primary deployment any more.")


def _read(roles: Roles, role: str) -> RoleState:
    state = roles.read(role)
    if state is None:
        raise RoleGone(f"{role} is gone.")
    return state


def _attached(roles: Roles, role: str) -> tuple[str, ...]:
    try:
        return roles.attached(role)
    except AwsRefused as refused:
        if refused.code == "NoSuchEntity":
            raise RoleGone(f"{role} is gone.") from refused
        raise


def _depths(queues: Queues, entry: CatalogueEntry | None) -> Depths:
    """None where nothing is to be proved. Raises AwsRefused for a queue that is gone, without which it could
    not be."""
    found = read_depths(queues, entry.health) if entry else Depths()
    if isinstance(found, str):
        raise AwsRefused(f"The catalogue names a queue that does not exist: {found}.", "QueueDoesNotExist")
    return found
