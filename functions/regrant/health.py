"""Does the service work again? Positive evidence and no new denial, N samples in a row.

A sample counts only the tasks of our deployment (by task id in the log stream's name), so that an old
task's last denial is not held against the fix, and an old task's success does not prove it.

A line comes into sight up to LATE seconds after its own time. So a sample looks back that far into the
samples before it, though never behind the start of our deployment (or the grant, if tasks were not
replaced). What is seen twice that way does no harm: counts are those of a window, a denial objects for as
long as it is in the window, and whether it ends the run depends on when the call was made.
"""

from __future__ import annotations

from regrant.concurrency import all_three, both
from regrant.evidence import DENIAL_TERM, SENTENCE, read_lines, waiting
from regrant.models import (
    BaselineMark,
    CatalogueEntry,
    Grant,
    Health,
    Incident,
    LogRoute,
    Rollout,
    Sample,
    Verdict,
)
from regrant.ports import Logs, Queues, Services
from regrant.resources import LogLine, LogLines
from regrant.wire import earlier, seconds_between

# Authorization lag is seconds as a rule and answers may flap during it (IAM user guide, Troubleshooting).
PROPAGATION = 120.0
# A line bears the time of the task; awslogs sends in batches, and the service takes its time.
LATE = 30.0


def verify_health(
    incident: Incident,
    routes: tuple[LogRoute, ...],
    baseline: BaselineMark,
    grant: Grant,
    rollout: Rollout | None,
    previous: Health | None,
    services: Services,
    logs: Logs,
    queues: Queues,
    now: str,
) -> Health:
    """Take one sample and judge it together with the ones before."""
    entry, service = incident.entry, incident.service
    assert entry is not None and service is not None
    started = rollout.started_at if rollout else grant.at
    since = _window(started, previous)
    tasks = services.task_ids(service, rollout.deployment if rollout else None)
    (succeeded, denied), backlog, dead = all_three(
        lambda: both(
            lambda: read_lines(logs, routes, entry.health.success, since, now),
            lambda: read_lines(logs, routes, DENIAL_TERM, since, now),
        ),
        lambda: waiting(queues, entry.health.queue),
        lambda: waiting(queues, entry.health.dead_letter_queue),
    )
    successes, denials = _of_tasks(succeeded, tasks), _of_tasks(denied, tasks)
    sample = Sample(
        since=since,
        at=now,
        tasks=len(tasks),
        successes=len(successes),
        denials=len(denials),
        backlog=backlog,
        dead_letters=dead,
        last_success=successes[-1].message[:200] if successes else None,
        last_denial=denials[-1].message[:SENTENCE] if denials else None,
        denied_at=denials[-1].at if denials else None,
        # Successes that were not read make no difference: one is proof, and their number is a least one.
        complete=denied.complete,
    )
    return judge(sample, previous, baseline, grant, entry)


def _window(started: str, previous: Health | None) -> str:
    back = earlier(previous.at, LATE) if previous else started
    return back if seconds_between(started, back) > 0 else started


def judge(
    sample: Sample, previous: Health | None, baseline: BaselineMark, grant: Grant, entry: CatalogueEntry
) -> Health:
    """HEALTHY, UNHEALTHY (cannot get better by waiting) or PENDING, with the reasons."""
    # A proof is as good as the streak that it belongs to: a bad sample asks for a new one.
    carried = previous.proof if previous and previous.streak else None
    proof = None if sample.denials else sample.last_success or carried
    before = previous.last.backlog if previous and previous.last else baseline.backlog
    bad = _objections(sample, baseline, before, proof)
    streak = 0 if bad else (previous.streak if previous else 0) + 1
    verdict: Verdict = "HEALTHY" if streak >= entry.health.samples else "PENDING"
    if sample.denied_at and seconds_between(grant.at, sample.denied_at) > PROPAGATION:
        verdict = "UNHEALTHY"
    if _dead_letters(sample, baseline) > 0:
        verdict = "UNHEALTHY"
    return Health(
        verdict=verdict,
        checks=(previous.checks if previous else 0) + 1,
        streak=streak,
        needed=entry.health.samples,
        at=sample.at,
        proof=proof,
        last=sample,
        evidence=tuple(bad) or (f"{streak} of {entry.health.samples} good samples in a row.",),
    )


def _objections(sample: Sample, baseline: BaselineMark, before: int | None, proof: str | None) -> list[str]:
    found = []
    if sample.tasks == 0:
        found.append("No task of the deployment is running.")
    if sample.denials:
        found.append(f"{sample.denials} denied calls since {sample.since}: {sample.last_denial}")
    if not sample.complete:
        found.append("The logs were too many to read, so a denial may be among what was not.")
    if proof is None:
        found.append("The success line has not been logged yet.")
    # Draining: fewer wait than in the sample before, or no more than the tasks took up in this one.
    if sample.backlog and sample.backlog > sample.successes and sample.backlog >= (before or 0):
        found.append(f"The queue is not draining: {sample.backlog} messages wait.")
    if _dead_letters(sample, baseline) > 0:
        more = _dead_letters(sample, baseline)
        found.append(f"{more} messages went to the dead-letter queue since the fix.")
    return found


def _dead_letters(sample: Sample, baseline: BaselineMark) -> int:
    if sample.dead_letters is None or baseline.dead_letters is None:
        return 0
    return sample.dead_letters - baseline.dead_letters


def _of_tasks(found: LogLines, tasks: tuple[str, ...]) -> tuple[LogLine, ...]:
    return tuple(line for line in found.lines if line.task in tasks)
