"""One entry of a service's deployments[], and the circuit breaker that watches it.

Stands for: the API shape Deployment, and the documentation page of the class below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.aws.ecs.tasks import Task, alive

if TYPE_CHECKING:
    from sandbox.aws.ecs.rollout import Rollout


@dataclass(eq=False)
class Deployment:
    """The members of the API shape Deployment that are set, and what the scheduler knows about it."""

    id: str
    task_definition: str
    created_at: datetime
    updated_at: datetime
    next_start: datetime
    launch_type: str | None = None
    platform_version: str | None = None
    platform_family: str | None = None
    network_configuration: dict[str, Any] | None = None
    status: str = "PRIMARY"
    rollout_state: str = "IN_PROGRESS"
    rollout_state_reason: str = ""
    desired_count: int = 0
    pending_count: int = 0
    running_count: int = 0
    failed_tasks: int = 0
    # Not part of the API
    tasks: list[Task] = field(default_factory=list)
    proven: bool = False
    finishing: bool = False
    superseded_at: datetime | None = None

    def set(self, state: str, reason: str, now: datetime) -> None:
        self.rollout_state, self.rollout_state_reason, self.updated_at = state, reason, now

    def count(self) -> None:
        tasks = alive(self.tasks)
        self.running_count = sum(task.running for task in tasks)
        self.pending_count = len(tasks) - self.running_count


class CircuitBreaker:
    """How the Amazon ECS deployment circuit breaker detects failures (documentation page of that name)."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout

    @property
    def _configuration(self) -> dict[str, bool]:
        configuration: dict[str, bool] = self.rollout.service.deployment_configuration[
            "deploymentCircuitBreaker"
        ]
        return configuration

    def failed(self, deployment: Deployment) -> None:
        """A task of this deployment failed. Called after it was counted."""
        if self._tripped(deployment):
            self.rollout.clock.call_later(self.rollout.timing.breaker, lambda: self._trip(deployment))

    def _tripped(self, deployment: Deployment) -> bool:
        threshold = min(max(math.ceil(self.rollout.service.desired_count * 0.5), 3), 200)
        return (
            bool(self._configuration.get("enable"))
            and deployment is self.rollout.deployments[0]
            and deployment.rollout_state == "IN_PROGRESS"
            and deployment.failed_tasks >= threshold
        )

    def _trip(self, failed: Deployment) -> None:
        rollout = self.rollout
        if not self._tripped(failed):
            return
        rollout.say(f"(deployment {failed.id}) deployment failed: tasks failed to start.")
        back = rollout.completed
        if not self._configuration.get("rollback") or back is None or back is failed:
            # Nothing to go back to, or going back is what failed: the rollout stalls.
            self._condemn(failed)
            return
        rollout.say(f"rolling back to deployment {back.id}.")
        rollout.go_back(failed, back)
        back.set(
            "IN_PROGRESS",
            f"ECS deployment circuit breaker: rolling back to deploymentId {back.id}",
            rollout.clock.now(),
        )
        rollout.clock.call_later(rollout.timing.demoted / 2, lambda: self._condemn(failed))
        rollout.reconcile()

    def _condemn(self, failed: Deployment) -> None:
        now = self.rollout.clock.now()
        failed.set("FAILED", "ECS deployment circuit breaker: tasks failed to start.", now)
        self.rollout.reconcile()
