"""A containment whose service is being deployed by somebody else.

It waits, and each look says which tasks are denied what. A deployment that cannot end because its own tasks
are denied is no reason to wait: then its role gets what it lacks, and the deployment goes on. ECS starts
another task for each that ends, after RUNNING without a growing pause (developer guide, Service throttle
logic), and what runs is allowed the call as soon as IAM allows it.

The id in a line's log stream says which task was denied. ECS gives the deployment that started a task as
startedBy, also of one that has stopped, for about an hour (API reference, Task and ListTasks).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from regrant.clock import earlier, seconds_between
from regrant.denials.calls import read_calls
from regrant.denials.search import Found, read_depths
from regrant.diagnosis.containment.judge import Reads, judge
from regrant.diagnosis.containment.reading import denials, permissions_of, queue_missing, refused
from regrant.diagnosis.containment.waiting import ends_at, may_wait, wait_with
from regrant.diagnosis.eligibility import in_flight, judge_role
from regrant.diagnosis.staying import LOOK_BACK
from regrant.diagnosis.unread import unread
from regrant.model.aws import Deployment, LogLine, ServiceState, StoppedTask, TaskDefinition, name_of
from regrant.model.catalogue import Service
from regrant.model.denial import Denial
from regrant.model.results import Refusal
from regrant.model.run import Depths, Diagnosis, Finding, Incident, Waited
from regrant.parallel import all_three, both, each
from regrant.ports import Account
from regrant.settings import Allowed

SLOW, STILL = 600.0, 180.0
"""Seconds after which a rolling update is not just under way any more, though none of its tasks has stopped,
and for which no more of them run than before."""
# Of tasks, of reasons and of denied calls, so that a report stays short.
_SHOWN = 3


class Seen(msgspec.Struct, frozen=True):
    """The service with its revisions (by ARN), the tasks (ids) of its deployments (by id), those of them that
    stopped, the lines with denials, and the queues."""

    state: ServiceState
    definitions: dict[str, TaskDefinition]
    tasks: dict[str, frozenset[str]]
    stopped: tuple[StoppedTask, ...]
    found: Found
    depths: Depths

    @property
    def ended(self) -> tuple[StoppedTask, ...]:
        """The tasks of the PRIMARY deployment that stopped."""
        primary = self.state.primary
        return tuple(task for task in self.stopped if primary and task.deployment == primary.id)


class Denied(msgspec.Struct, frozen=True):
    """A deployment with denied tasks: which (ids), their role (ARN), and what its containment would come
    to."""

    deployment: Deployment
    tasks: tuple[str, ...]
    role: str | None
    diagnosis: Diagnosis


def look(
    incident: Incident,
    state: ServiceState,
    before: Diagnosis | None,
    allowed: Allowed,
    aws: Account,
    now: str,
) -> Diagnosis:
    """WAIT, or what is to be done about a deployment that cannot end; a refusal when the time is over.

    Raises AwsUnavailable, AwsRefused.
    """
    service, entry = incident.service, incident.entry
    assert service is not None and entry is not None  # `diagnose` refused everything else
    definitions = _definitions(state, aws)
    routes = tuple(dict.fromkeys(route for each in definitions.values() for route in each.logs))
    found, (running, stopped), depths = all_three(
        lambda: denials(aws, service, routes, earlier(now, LOOK_BACK), now),
        lambda: both(lambda: _running(service, state, aws), lambda: aws.services.stopped_tasks(service)),
        lambda: read_depths(aws.queues, entry.health),
    )
    if isinstance(depths, str):
        return refused(queue_missing(depths), now)
    tasks = {
        started_by: frozenset((*ids, *(task.id for task in stopped if task.deployment == started_by)))
        for started_by, ids in running.items()
    }
    seen = Seen(state, definitions, tasks, stopped, found, depths)
    looked = (_denied(incident, each, seen, allowed, aws, now) for each in state.deployments)
    denied = tuple(one for one in looked if one)
    waited = wait_with(before, state, now)
    return _contain(seen, denied, waited, now) or _wait(incident, service, seen, denied, waited, now)


def judge_after(
    incident: Incident,
    state: ServiceState,
    primary: Deployment,
    reads: Reads,
    allowed: Allowed,
    aws: Account,
    now: str,
) -> Diagnosis:
    """As `judge`, when the deployment that was waited for is over: by the denials of the tasks in use, and of
    those that had their role, which lacks now what it lacked then."""
    service, in_use = incident.service, reads.definition
    assert service is not None  # `diagnose` refused everything else
    own_tasks, stopped = tasks_of(service, primary, aws)
    denied = {*(line.task for line in reads.found.log.lines), *map(session_of, incident.denials)}
    of_denied = dict.fromkeys(task.revision for task in stopped if task.id in denied)
    others = tuple(revision for revision in of_denied if revision not in ("", in_use.arn))
    definitions = (in_use, *each(aws.services.task_definition, others))
    same = {one.arn for one in definitions if one.task_role == in_use.task_role}
    tasks = own_tasks | {task.id for task in stopped if task.revision in same}
    lines = tuple(line for line in reads.found.log.lines if line.task in tasks)
    calls = tuple(denial for denial in incident.denials if session_of(denial) in tasks)
    if not lines and not calls:
        return Diagnosis("NOTHING_TO_FIX", now, refusal=replaced(primary))
    own = reads.found._replace(log=replace(reads.found.log, lines=lines))
    own_reads = replace(reads, found=own)
    return judge(replace(incident, denials=calls), state, own_reads, allowed, aws, now)


def tasks_of(
    service: Service, deployment: Deployment, aws: Account
) -> tuple[frozenset[str], tuple[StoppedTask, ...]]:
    """The deployment's tasks (ids), also those that have stopped; and the stopped ones of all deployments."""
    running, stopped = both(
        lambda: aws.services.task_ids(service, deployment.id), lambda: aws.services.stopped_tasks(service)
    )
    own = (task.id for task in stopped if task.deployment == deployment.id)
    return frozenset((*running, *own)), stopped


def replaced(primary: Deployment) -> Refusal:
    """Nothing is to be done for tasks that are not in use any more."""
    return Refusal(
        "DEPLOYMENT_REPLACED",
        f"Only tasks with another role were denied; in use now is {primary.named}.",
        "If that other revision is to be deployed again, first see in its tasks' log what they were denied.",
        outcome="NOTHING_TO_FIX",
    )


def _denied(
    incident: Incident, deployment: Deployment, seen: Seen, allowed: Allowed, aws: Account, now: str
) -> Denied | None:
    """What the deployment's tasks are denied, and why; None if nothing is."""
    tasks, entry = seen.tasks[deployment.id], incident.entry
    assert entry is not None
    lines = tuple(line for line in seen.found.log.lines if line.task in tasks)
    # Of the trigger's, too, those of this deployment's tasks only.
    calls = tuple(denial for denial in incident.denials if session_of(denial) in tasks)
    ids = tuple(dict.fromkeys((*(line.task for line in reversed(lines)), *map(session_of, calls))))
    if not ids:
        return None
    definition = seen.definitions[deployment.task_definition]
    refusal, role = judge_role(definition, allowed), definition.task_role
    if refusal or role is None:
        found = (Finding(refusal.code, refusal.message, samples(lines)),) if refusal else ()
        return Denied(deployment, ids, role, replace(refused(refusal, now), findings=found))
    permissions, held = both(lambda: permissions_of(role, entry.policies, aws), lambda: aws.holds.of(role))
    if isinstance(permissions, Refusal):
        return Denied(deployment, ids, role, refused(permissions, now))
    own = Found(
        replace(seen.found.log, lines=lines),
        tuple(route for route in seen.found.routes if route in definition.logs),
        tuple(each for each in seen.found.unread if each[0] in definition.logs),
    )
    # The rollout in flight replaces the tasks. One more is started only if they do not work after that.
    redeploy = "if-needed" if entry.redeploy == "always" else entry.redeploy
    incident = replace(incident, entry=replace(entry, redeploy=redeploy), denials=calls)
    reads = Reads(definition, permissions, held, own, seen.depths)
    return Denied(deployment, ids, role, judge(incident, seen.state, reads, allowed, aws, now))


def session_of(denial: Denial) -> str:
    """Whose session was denied. The session of a task's role is named after the task, as accounts show; were
    it not, it is no task's."""
    return (denial.principal_arn or "").rpartition("/")[2]


def samples(lines: tuple[LogLine, ...]) -> tuple[str, ...]:
    """One line of each of the calls that were denied most often."""
    return tuple(call.sample for call in read_calls(lines)[:_SHOWN])


def _definitions(state: ServiceState, aws: Account) -> dict[str, TaskDefinition]:
    revisions = tuple(dict.fromkeys(deployment.task_definition for deployment in state.deployments))
    return dict(zip(revisions, each(aws.services.task_definition, revisions), strict=True))


def _running(service: Service, state: ServiceState, aws: Account) -> dict[str, tuple[str, ...]]:
    """The tasks that run, by deployment."""
    ids = tuple(deployment.id for deployment in state.deployments)
    return dict(zip(ids, each(lambda one: aws.services.task_ids(service, one), ids), strict=True))


def _contain(seen: Seen, denied: tuple[Denied, ...], waited: Waited, now: str) -> Diagnosis | None:
    """What the PRIMARY deployment's denials come to, if it cannot end because of them."""
    primary = seen.state.primary
    one = next((each for each in denied if primary and each.deployment.id == primary.id), None)
    if primary is None or one is None or not _cannot_end(one, seen.ended, waited, now):
        return None
    diagnosis, plan = one.diagnosis, one.diagnosis.plan
    # What is granted already has only to be picked up; a shift of traffic may take longer than a run watches.
    if diagnosis.next == "NOTHING_TO_FIX" or (plan and seen.state.strategy != "ROLLING"):
        return None
    text = f"{primary.named} cannot end, because its tasks are denied. No other is started before it ends."
    others = (each for each in denied if each is not one)
    findings = (Finding("DENIED_ROLLOUT", text), *_failures(seen), *_denials((one, *others)))
    if plan:
        same = tuple(arn for arn, each in seen.definitions.items() if each.task_role == plan.role)
        plan = replace(plan, deployment=primary.id, revisions=same)
        logs = dict.fromkeys(route for arn in same for route in seen.definitions[arn].logs)
        readable = tuple(route for route in logs if route in seen.found.routes)
        diagnosis = replace(diagnosis, plan=plan, logs=readable)
    return replace(diagnosis, findings=findings)


def _cannot_end(one: Denied, ended: tuple[StoppedTask, ...], waited: Waited, now: str) -> bool:
    """Denied tasks of it fail, or it has been going on for long and gets no further. One that ECS has given
    up starts no tasks any more.

    A denial may harm nobody: a task that went for another reason, or a task less, is no sign that it does.
    """
    primary = one.deployment
    if primary.rollout_state == "FAILED":
        return False
    if any(task.failed and task.id in one.tasks for task in ended):
        return True
    slow = bool(primary.created_at) and seconds_between(primary.created_at, now) >= SLOW
    still = seconds_between(waited.running_since, now) >= STILL
    return slow and still and primary.running < primary.desired


def _wait(
    incident: Incident, service: Service, seen: Seen, denied: tuple[Denied, ...], waited: Waited, now: str
) -> Diagnosis:
    findings = (*_failures(seen), *_denials(denied))
    if "LOGS_UNREADABLE" not in (finding.code for finding in findings):
        findings += unread(seen.found)
    if may_wait(incident, waited):
        names = ", ".join(each.named for each in seen.state.deployments if not each.completed)
        text = f"Waits until {ends_at(waited)} at most for what others are deploying: {names}."
        waits = Finding("WAITS_FOR_DEPLOYMENT", text)
        return Diagnosis("WAIT", now, (waits, *findings), waited=waited)
    dry, primary = incident.mode == "plan", seen.state.primary
    text = " A run would wait for it." if dry else f" The run has waited {waited.seconds / 60:.0f} minutes."
    if not dry and primary and primary.created_at:
        text += f" {primary.id} began at {primary.created_at}."
    refusal = in_flight(service, seen.state, text)
    return Diagnosis("REFUSE", now, findings, refusal=refusal, waited=None if dry else waited)


def _denials(denied: Iterable[Denied]) -> Iterator[Finding]:
    for one in denied:
        more = f" and {len(one.tasks) - _SHOWN} more" if len(one.tasks) > _SHOWN else ""
        tasks = f"{'task' if len(one.tasks) == 1 else 'tasks'} {', '.join(one.tasks[:_SHOWN])}{more}"
        role = f" with {name_of(one.role)}" if one.role else ""
        yield Finding("DENIED_TASKS", f"Denied in {one.deployment.named}{role}: {tasks}.")
        yield from one.diagnosis.findings


def _failures(seen: Seen) -> Iterator[Finding]:
    """Tasks of the PRIMARY deployment that ended, whatever for, with ECS's own words for it."""
    primary, ended = seen.state.primary, seen.ended
    if primary is None or not (ended or primary.failing):
        return
    count = f"{len(ended)} {'has' if len(ended) == 1 else 'have'} stopped in the last hour"
    text = f"{primary.named}: {primary.running} of {primary.desired} tasks run, {count}."
    reasons = tuple(dict.fromkeys(task.reason for task in ended if task.reason))[:_SHOWN]
    yield Finding("TASKS_STOPPED", text, (*reasons, *seen.state.last_events))
