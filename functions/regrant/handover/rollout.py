"""Whether the apply has moved the services: ECS says so, and neither Terraform nor the build.

Terraform ends well where ECS rolls a deployment back: with wait_for_steady_state the service is steady again,
on its old revision. So each service is judged by its deployments: PRIMARY is not the one from before the
apply, is completed, has the right role, and is what every running task was started by.
"""

from __future__ import annotations

from regrant.clock import seconds_between
from regrant.handover.ports import HandoverAccount
from regrant.model.aws import Deployment, ServiceState, TaskDefinition, name_of
from regrant.model.handover import HandoverEvent, Judged, RolloutCheck, ServiceMark, Target
from regrant.model.runs import run_of

LIMIT = 1800.0
"""Seconds that deployments may take after an apply that has waited for them itself."""


def check_handover(event: HandoverEvent, aws: HandoverAccount) -> RolloutCheck:
    """CURE once every service runs with its role, UNDO once one does not and will not. Raises AwsUnavailable,
    AwsRefused."""
    opened, before = event.state.handover, event.state.rollout
    kept = aws.kept.load(run_of(opened.subject))
    assert kept is not None  # CaptureServices wrote it
    targets = {target.service: target for target in kept.spec.targets}
    judged = tuple(_look(mark, targets[mark.service], aws) for mark in kept.services)
    since = before.since if before else event.now
    checks = (before.checks if before else 0) + 1
    verdicts = {each.verdict for each in judged}
    if verdicts == {"HANDED_OVER"}:
        return RolloutCheck("CURE", checks, event.now, since, judged)
    over = "PENDING" in verdicts and seconds_between(since, event.now) >= LIMIT
    # One that was rolled back is not undone while another one is still being deployed.
    undo = over or "PENDING" not in verdicts
    return RolloutCheck("UNDO" if undo else "WAIT", checks, event.now, since, judged)


def _look(mark: ServiceMark, target: Target, aws: HandoverAccount) -> Judged:
    state = aws.services.describe(mark.service)
    primary = state.primary if state else None
    if state is None or primary is None or primary.id == mark.deployment:
        return judge(mark, target, state, None, frozenset(), frozenset())
    definition = aws.services.task_definition(primary.task_definition)
    own = frozenset(aws.services.task_ids(mark.service, primary.id)) if primary.completed else frozenset()
    running = frozenset(aws.services.task_ids(mark.service, None)) if primary.completed else frozenset()
    return judge(mark, target, state, definition, own, running)


def judge(
    mark: ServiceMark,
    target: Target,
    state: ServiceState | None,
    definition: TaskDefinition | None,
    own: frozenset[str],
    running: frozenset[str],
) -> Judged:
    """One service. definition is that of its primary deployment, own are the tasks (ids) that this started,
    running are all."""
    primary = state.primary if state and state.status == "ACTIVE" else None
    if state is None or primary is None:
        return Judged(mark.service, "ROLLED_BACK", "The service is gone; somebody deleted it.")
    if primary.id == mark.deployment:
        return _not_deployed(mark, state, primary)
    if definition is None or definition.task_role != target.role:
        role = name_of(definition.task_role) if definition and definition.task_role else "no role"
        text = f"{primary.named} has {role}, not {name_of(target.role)}."
        return Judged(mark.service, "ROLLED_BACK", text)
    if primary.rollout_state == "FAILED":
        return Judged(mark.service, "ROLLED_BACK", f"{primary.named} has failed: {primary.reason}")
    if not state.steady_state:
        return Judged(mark.service, "PENDING", f"{primary.named} is {primary.rollout_state}.")
    if len(own) < state.desired_count or running - own:
        text = f"{primary.named} is completed, and {len(own)} of {len(running)} tasks are its own."
        return Judged(mark.service, "PENDING", text)
    return Judged(mark.service, "HANDED_OVER", f"{primary.named} is completed, with {name_of(target.role)}.")


def _not_deployed(mark: ServiceMark, state: ServiceState, primary: Deployment) -> Judged:
    """PRIMARY is what it was: ECS has rolled back to it, or nothing was deployed. It is what counts, too,
    while tasks of a deployment that failed are on their way out."""
    if not state.steady_state:
        return Judged(mark.service, "PENDING", f"{primary.named}, from before the apply, is PRIMARY again.")
    text = f"{primary.named} is PRIMARY as before the apply: ECS has rolled back, or nothing was deployed."
    return Judged(mark.service, "ROLLED_BACK", text)
