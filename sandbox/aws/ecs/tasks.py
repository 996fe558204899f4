"""Tasks and deployments of an ECS service: what the API shows of them, and how long a task's states last.

Stands for: the API shapes Task and Deployment, and the task lifecycle of Fargate (Amazon ECS task lifecycle).
Durations are those that public captures of Fargate show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.ecs.models import TaskDefinition

from sandbox.aws.ecs.containers import Container


@dataclass(frozen=True)
class Timing:
    """Simulated seconds. Seen on Fargate: 14 s to the first start, RUNNING at 35 s, old task stopped at 85 to
    91 s, completed at 149 to 153 s behind a load balancer; without one there are no targets to drain."""

    first_start: float = 14
    pending: float = 7
    running: float = 21
    healthy: float = 50
    stopping: float = 12
    steady: float = 20
    restart: float = 15
    pull_failure: float = 130
    backoff: tuple[float, ...] = (2, 240, 480, 900)
    breaker: float = 25
    demoted: float = 60
    empty: float = 30


@dataclass(eq=False)
class Task:
    """The members of the API shape Task that are set, and what the scheduler knows about it."""

    id: str
    deployment: Deployment
    task_arn: str
    cluster_arn: str
    task_definition_arn: str
    group: str
    started_by: str
    launch_type: str
    created_at: datetime
    containers: list[dict[str, Any]]
    platform_version: str | None = None
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    health_status: str = "UNKNOWN"
    version: int = 1
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    tags: list[dict[str, str]] = field(default_factory=list)
    # Not part of the API; `changed` is called after each change of the status
    changed: Callable[[Task], None] = lambda task: None
    healthy: bool = False
    container: Container | None = None

    @property
    def alive(self) -> bool:
        """Meant to run and not on its way out."""
        return self.desired_status == "RUNNING"

    @property
    def running(self) -> bool:
        return self.alive and self.last_status == "RUNNING"

    @property
    def status(self) -> str:
        return self.last_status

    def advance(self) -> None:
        """moto moves a task on when it is described; ours move with the clock."""


def alive(tasks: Iterable[Task]) -> list[Task]:
    return [task for task in tasks if task.alive]


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


def new_task(
    task_id: str, service: Any, deployment: Deployment, definition: TaskDefinition, now: datetime
) -> Task:
    """A task of the service (moto's object), started by the deployment."""
    prefix = service.cluster_arn.split(":cluster/")[0]
    task_arn = f"{prefix}:task/{service.cluster_name}/{task_id}"
    container: dict[str, Any] = definition.container_definitions[0]
    return Task(
        id=task_id,
        deployment=deployment,
        task_arn=task_arn,
        cluster_arn=service.cluster_arn,
        task_definition_arn=definition.arn,
        group=f"service:{service.name}",
        started_by=deployment.id,
        launch_type=deployment.launch_type or "EC2",
        platform_version=deployment.platform_version,
        created_at=now,
        containers=[
            {
                "name": container["name"],
                "image": container["image"],
                "taskArn": task_arn,
                "lastStatus": "PENDING",
            }
        ],
    )
