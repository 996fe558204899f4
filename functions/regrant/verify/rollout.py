"""Is our deployment done? Compared by deployment id, never by state alone.

Right after UpdateService the new PRIMARY has counts 0/0/0, so "running == desired" holds at second 0; and
after a circuit breaker's rollback the PRIMARY is COMPLETED again, but it is not ours
(ECS developer guide, How the deployment circuit breaker detects failures).
"""

from __future__ import annotations

import math

from regrant.model.aws import Deployment, ServiceState
from regrant.model.results import Verdict


def seconds_to_next_look(deployment_id: str, state: ServiceState | None) -> int:
    """The nearer the end of the rollout is, by its counts, the sooner: 30, 15 or 10 seconds.

    A task needs half a minute to start, and the old ones stop one after the other when the new ones run.
    """
    ours = state.deployment(deployment_id) if state else None
    if state is None or ours is None or ours.running == 0:
        return 30
    older = sum(each.running for each in state.deployments if each.id != deployment_id)
    return 15 if older or ours.running < ours.desired else 10


def followed(deployment_id: str, revisions: tuple[str, ...], state: ServiceState | None) -> str:
    """The PRIMARY deployment's id, if it is of one of these revisions (ARNs), else the given one.

    A circuit breaker goes back to the last completed deployment, and somebody may start the same one once
    more. If the role of its tasks has the grant, too, it is what is to be proved, whoever started it.
    """
    primary = state.primary if state else None
    return primary.id if primary and primary.task_definition in revisions else deployment_id


def goes_on(deployment_id: str, state: ServiceState | None) -> bool:
    """It has not ended, and tasks of it run."""
    found = state.deployment(deployment_id) if state else None
    return found is not None and found.rollout_state == "IN_PROGRESS" and found.running > 0


def verdict_on(
    deployment_id: str, state: ServiceState | None, *, failed_before: bool = False
) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict on that deployment, with what it rests on.

    failed_before: tasks of it failed before the grant, which says nothing of those after it.
    """
    if state is None or state.status != "ACTIVE":
        return "UNHEALTHY", ("The service is gone.",)
    ours, primary = state.deployment(deployment_id), state.primary
    if ours is None or primary is None or primary.id != deployment_id:
        other = primary.id if primary else "nothing"
        reason = f" ({primary.reason})" if primary and primary.reason else ""
        return "UNHEALTHY", (f"{deployment_id} is not the primary deployment any more: {other} is{reason}.",)
    line = (
        f"{ours.id} {ours.rollout_state}: {ours.running} of {ours.desired} tasks running,"
        f" {ours.failed_tasks} failed."
    )
    evidence = (line, *([ours.reason] if ours.reason else []))
    if state.desired_count == 0:
        return "UNHEALTHY", (*evidence, "Somebody scaled the service to 0.")
    failing = not failed_before and _failing_for_good(ours, state.desired_count)
    if ours.rollout_state == "FAILED" or failing:
        return "UNHEALTHY", (*evidence, *state.last_events)
    if ours.completed and ours.desired > 0 and ours.running >= ours.desired:
        return "HEALTHY", evidence
    return "PENDING", evidence


def _failing_for_good(deployment: Deployment, desired: int) -> bool:
    # Without a circuit breaker a rollout never becomes FAILED, so the breaker's own default threshold
    # (half of the desired count, at least 3, at most 200) is applied here.
    return deployment.failed_tasks >= min(max(math.ceil(desired / 2), 3), 200)
