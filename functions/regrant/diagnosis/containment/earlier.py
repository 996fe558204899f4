"""A containment that reads denials of tasks that an earlier deployment had started, with another role.

Such a task may go on, and log, until ECS has stopped it, which is after the new deployment began. The session
of a task's role is named after the task, as accounts show, and so is its log stream: a line in the task's own
stream that names its session is the task's word about itself. ECS gives the deployment that started a task as
startedBy, also of one that has stopped, for about an hour (API reference, Task and ListTasks).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec.structs import replace

from regrant.denials.own import is_other_principal
from regrant.diagnosis.containment.in_flight import replaced, samples, session_of, tasks_of
from regrant.diagnosis.containment.judge import Reads, judge
from regrant.model.aws import Deployment, LogLine, ServiceState, name_of
from regrant.model.run import Diagnosis, Finding, Incident
from regrant.ports import Account
from regrant.settings import Allowed

_SESSION = re.compile(r":assumed-role/([\w+=,.@-]+)/([\w+=,.@-]+)")
# Of tasks, so that a report stays short.
_SHOWN = 3


def judge_without_earlier(
    incident: Incident,
    state: ServiceState,
    primary: Deployment,
    reads: Reads,
    allowed: Allowed,
    aws: Account,
    now: str,
) -> Diagnosis:
    """As `judge`, without what tasks of earlier deployments were denied with another role.

    ECS is asked only if such a denial was read. Raises AwsUnavailable, AwsRefused.
    """
    service, role, lines = incident.service, reads.permissions.role, reads.found.log.lines
    assert service is not None  # `diagnose` refused everything else
    logged = {line.task for line in lines if role_of(line) not in (None, name_of(role))}
    others = {session_of(denial) for denial in incident.denials if is_other_principal(denial, role)}
    if not logged | others:
        return judge(incident, state, reads, allowed, aws, now)
    in_use, stopped = tasks_of(service, primary, aws)
    ended = {task.id for task in stopped if task.deployment != primary.id}
    earlier = (logged | (others & ended)) - in_use
    theirs = tuple(line for line in lines if line.task in earlier)
    rest = tuple(line for line in lines if line.task not in earlier)
    calls = tuple(denial for denial in incident.denials if session_of(denial) not in earlier)
    if not earlier:
        return judge(incident, state, reads, allowed, aws, now)
    found = _denied_earlier(earlier, theirs)
    if not rest and not calls:
        return Diagnosis("NOTHING_TO_FIX", now, (found,), refusal=replaced(primary))
    own = reads.found._replace(log=replace(reads.found.log, lines=rest))
    diagnosis = judge(replace(incident, denials=calls), state, replace(reads, found=own), allowed, aws, now)
    return replace(diagnosis, findings=(*diagnosis.findings, found))


def role_of(line: LogLine) -> str | None:
    """The name of the role with which the task that logged the line was denied; None if it says of no session
    that is named after the task."""
    return next((name for name, session in _SESSION.findall(line.message) if session == line.task), None)


def _denied_earlier(tasks: Iterable[str], lines: tuple[LogLine, ...]) -> Finding:
    ids = sorted(tasks)
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    roles = sorted({role for line in lines if (role := role_of(line))})
    role = f" with {', '.join(roles)}" if roles else ""
    what = f"{'task' if len(ids) == 1 else 'tasks'} {', '.join(ids[:_SHOWN])}{more}"
    return Finding("DENIED_TASKS", f"Denied in an earlier deployment{role}: {what}.", samples(lines))
