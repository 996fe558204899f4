"""One look at the service: is our deployment finished, and what do its tasks, log, grant and queues show?

A line comes into sight up to LATE seconds after its own time. So a sample looks back that far into the
samples before it, though never behind the start of our deployment (or the grant, if tasks were not
replaced). What is seen twice that way does no harm: counts are those of a window, a denial objects for as
long as it is in the window, and whether it ends the run depends on when the call was made.

A log that is later than LATE and a pause shows nothing in any such window. So while no success is in sight a
sample looks back as far as the one before; a denial that was counted then is not counted again.
"""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from regrant.clock import earlier, seconds_between
from regrant.denials.search import DENIAL_TERM, SENTENCE, read_lines, visible
from regrant.errors import AwsUnavailable
from regrant.model.aws import LogLine, LogLines, LogRoute, ServiceState
from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.results import BaselineMark, Health, Sample
from regrant.model.run import Plan, RunState
from regrant.parallel import all_three, both
from regrant.ports import Account, Roles
from regrant.verify import rollout
from regrant.verify.denied import Reading
from regrant.verify.health import health_of, is_excused
from regrant.verify.watch import ROLLOUT_LIMIT, Watch, decide, watch_of

# A line bears the time of the task; awslogs sends in batches, and the service takes its time.
LATE = 30.0
# Seconds between two tries to get a role that another run is changing.
FOR_THE_ROLE = 10


def verify_health(state: RunState, aws: Account, now: str) -> Health:
    """One look, judged together with the ones before; `next` says how the run goes on.

    While our deployment goes on only that is looked at. What AWS could not be asked (throttled, unavailable)
    was not seen: that is no trouble of the service's, and the watch's own limit ends it. Raises AwsRefused.
    """
    before = state.health
    if state.withdrawal and state.withdrawal.next == "WAIT":
        # Nothing was withdrawn: another run has the role, or a keep is not certain of a loss. What was proved
        # before that stands.
        waiting = before or Health("PENDING", now)
        return replace(waiting, at=now, next="WITHDRAW", wait=FOR_THE_ROLE)
    watch, checks = watch_of(state, now), before.checks + 1 if before else 1
    try:
        health = _look(state, watch, aws, now)
    except AwsUnavailable as error:
        health = _unseen(error, watch, now)
    return decide(replace(health, checks=checks, shown_at=watch.grant.at), watch, state, now)


def _look(state: RunState, watch: Watch, aws: Account, now: str) -> Health:
    baseline, diagnosis, incident = state.baseline, state.diagnosis, state.incident
    assert baseline and diagnosis and incident.service and incident.entry  # the states before wrote them
    deployed_at = watch.deployed_at
    if watch.rollout and (deployed_at is None or watch.follows):
        found = aws.services.describe(incident.service)
        deployment = rollout.followed(watch.rollout.deployment, watch.follows, found)
        watch = replace(watch, rollout=replace(watch.rollout, deployment=deployment))
    unfinished = watch.unfinished
    if watch.rollout and deployed_at is None:
        verdict, evidence = rollout.verdict_on(deployment, found, failed_before=bool(watch.follows))
        late = seconds_between(watch.rollout.at, now) >= ROLLOUT_LIMIT
        # Somebody else's may take longer than a run watches. Then it is judged by the tasks that it has.
        unfinished = bool(watch.follows) and late and rollout.goes_on(deployment, found)
        if verdict != "HEALTHY" and not (verdict == "PENDING" and unfinished):
            wait = rollout.seconds_to_next_look(deployment, found)
            last = state.health.last if state.health else None  # for the report: what was seen before it
            return Health(verdict, now, wait=wait, last=last, evidence=evidence)
        deployed_at = now
    replaced_at = deployed_at or watch.grant.at
    try:
        reading = Reading(watch.role, frozenset(diagnosis.stays_denied), incident.entry.ignore_actions)
        sample, service = _take(
            incident.service,
            incident.entry,
            diagnosis.logs,
            diagnosis.plan,
            watch,
            reading,
            replaced_at,
            aws,
            now,
        )
    except AwsUnavailable as error:
        return replace(_unseen(error, watch, now), deployed_at=deployed_at)
    health = _judge(sample, service, baseline, incident.entry, watch, unfinished)
    return replace(health, deployed_at=deployed_at, deployment=watch.rollout and watch.rollout.deployment)


def _unseen(error: AwsUnavailable, watch: Watch, now: str) -> Health:
    unseen = (f"AWS could not be asked: {error}",)
    before = watch.previous or Health("PENDING", now)
    return replace(before, verdict="PENDING", at=now, answered=False, evidence=unseen)


def _judge(
    sample: Sample,
    state: ServiceState | None,
    baseline: BaselineMark,
    entry: CatalogueEntry,
    watch: Watch,
    unfinished: bool,
) -> Health:
    watched = watch.rollout.deployment if watch.rollout else baseline.primary_deployment
    deployed = rollout.verdict_on(watched, state, failed_before=bool(watch.follows))
    unfinished = unfinished and deployed[0] == "PENDING" and rollout.goes_on(watched, state)
    if unfinished:
        deployed = ("HEALTHY", deployed[1])
    withdrawn_at = watch.since if watch.after_withdrawal else None
    health = health_of(sample, deployed, watch.previous, baseline, watch.grant, entry, withdrawn_at)
    if unfinished:
        # No other deployment is started before somebody else's has ended.
        return replace(health, unfinished=True, replace_tasks=False)
    down = watch.replaces_tasks and (not sample.tasks or deployed[0] != "HEALTHY")
    if down and not sample.detached and health.dlq_growth < 2:
        text = "A task is down, so the tasks are replaced without waiting for it."
        return replace(health, verdict="UNHEALTHY", replace_tasks=True, evidence=(*health.evidence, text))
    return health


def _take(
    service: Service,
    entry: CatalogueEntry,
    routes: tuple[LogRoute, ...],
    plan: Plan | None,
    watch: Watch,
    reading: Reading,
    replaced_at: str,
    aws: Account,
    now: str,
) -> tuple[Sample, ServiceState | None]:
    """The sample, and the service as it is. The logs are those of the tasks, so these are read first;
    everything else is read at the same time."""
    grant, deployment = watch.grant, watch.rollout.deployment if watch.rollout else None
    last = watch.previous.last if watch.previous else None
    back = _window(watch.since, last)
    dark = last is not None and last.succeeded_at is None and not watch.after_withdrawal
    since = last.since if last and dark else back
    (state, attached), (tasks, stopped, (succeeded, denied)), (backlog, dead) = all_three(
        lambda: (aws.services.describe(service), _attached(watch, aws.roles)),
        lambda: _of_its_tasks(service, entry, routes, deployment, since, aws, now),
        lambda: both(
            lambda: visible(aws.queues, entry.health.queue),
            lambda: visible(aws.queues, entry.health.dead_letter_queue),
        ),
    )
    successes = _of_tasks(succeeded, tasks)
    # What they logged during the rollout, before the grant had spread, is not held against it.
    afterwards = _of_tasks(LogLines(_later(denied.lines, replaced_at)), stopped)
    found, expected, actions = reading.sort((*_of_tasks(denied, tasks), *afterwards))
    denials = tuple(line for line in found if not _known(line, back, last))
    fresh = _later(successes, last.succeeded_at if last else None)
    confirmed = _is_confirmed(denials, entry, plan, watch, reading, aws)
    sample = Sample(
        since=since,
        at=now,
        tasks=len(tasks),
        successes=len(fresh),
        denials=len(denials),
        backlog=backlog,
        dead_letters=dead,
        last_success=successes[-1].message[:200] if successes else None,
        last_denial=denials[-1].message[:SENTENCE] if denials else None,
        denied_at=max((line.at for line in found), default=None),
        succeeded_at=successes[-1].at if successes else None,
        working=len({line.task for line in fresh}),
        # Successes that were not read make no difference: one is proof, and their number is a least one.
        complete=denied.complete,
        expected=len(expected),
        expected_actions=actions,
        detached=tuple(policy for policy in grant.attached if policy not in attached),
        again=tuple(policy for policy in watch.withdrawn if policy in attached),
        confirmed=True if confirmed else UNSET,
    )
    return sample, state


def _is_confirmed(
    denials: tuple[LogLine, ...],
    entry: CatalogueEntry,
    plan: Plan | None,
    watch: Watch,
    reading: Reading,
    aws: Account,
) -> bool:
    """Whether the role's policies say no as well; read only where a denial does not only say that the grant
    has not spread yet."""
    late = tuple(line for line in denials if not is_excused(line.at, watch.grant, watch.after_withdrawal))
    if not late or plan is None:
        return False
    # Imported here: few looks see such a line, and the others need none of the policies' reader.
    from regrant.verify.confirmed import is_confirmed

    return is_confirmed(reading.calls(late), watch.role, plan, entry.policies, aws.roles)


def _of_its_tasks(
    service: Service,
    entry: CatalogueEntry,
    routes: tuple[LogRoute, ...],
    deployment: str | None,
    since: str,
    aws: Account,
    now: str,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[LogLines, LogLines]]:
    """The deployment's tasks (the service's, if None) that are to run, those that have stopped since, and
    lines of success and of denial in their logs.

    One that had stopped before has logged nothing since, however soon it died.
    """
    tasks, died = both(
        lambda: aws.services.task_ids(service, deployment), lambda: aws.services.stopped_tasks(service)
    )
    ours = (task for task in died if deployment in (None, task.deployment))
    stopped = tuple(task.id for task in ours if not task.at or seconds_between(since, task.at) >= 0)
    lines = both(
        lambda: read_lines(aws.logs, routes, tasks, entry.health.success, since, now),
        lambda: read_lines(aws.logs, routes, (*tasks, *stopped), DENIAL_TERM, since, now),
    )
    return tasks, stopped, lines


def _known(line: LogLine, back: str, last: Sample | None) -> bool:
    """A denial of before this sample's own time that an earlier one has counted."""
    before = seconds_between(line.at, back) >= 0
    return before and last is not None and last.denied_at is not None and line.at <= last.denied_at


def _attached(watch: Watch, roles: Roles) -> frozenset[str]:
    """What is attached to the grant's role. Where that is not what was left, two reads have to say so (ADR
    19)."""
    role, wanted, unwanted = watch.grant.role, {*watch.grant.attached}, {*watch.withdrawn}
    attached = frozenset(roles.attached(role))
    if wanted <= attached and not unwanted & attached:
        return attached
    again = frozenset(roles.attached(role))
    return (attached | (again & wanted)) - (unwanted - again)


def _window(started: str, last: Sample | None) -> str:
    back = earlier(last.at, LATE) if last else started
    return back if seconds_between(started, back) > 0 else started


def _later(lines: tuple[LogLine, ...], than: str | None) -> tuple[LogLine, ...]:
    return tuple(line for line in lines if than is None or seconds_between(than, line.at) > 0)


def _of_tasks(found: LogLines, tasks: tuple[str, ...]) -> tuple[LogLine, ...]:
    return tuple(line for line in found.lines if line.task in tasks)
