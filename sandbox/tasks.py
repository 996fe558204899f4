"""A task of an ECS service: its states, its times, and the container that it runs.

Stands for: the task lifecycle of Fargate (Amazon ECS task lifecycle; Amazon ECS stopped tasks error
messages), the awslogs driver (Using the awslogs log driver: stream `PREFIX/CONTAINER/TASK_ID`) and the stop
sequence (API StopTask: SIGTERM, 30 s, SIGKILL). One container a task. Durations are those that public
captures of Fargate show.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.ecs.models import TaskDefinition
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends

from sandbox.containers import Container, Order, start

if TYPE_CHECKING:
    from sandbox.account import LocalAccount
    from sandbox.deployment import Deployment

STOP_TIMEOUT = 30.0
"""Seconds from SIGTERM to SIGKILL, where the container definition has no stopTimeout."""


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


class TaskRunner:
    """Starts, watches and stops tasks."""

    def __init__(self, account: LocalAccount, timing: Timing) -> None:
        self.account = account
        self.clock = account.clock
        self.timing = timing
        self.missing_images: set[str] = {":missing"}
        self.tasks: list[Task] = []
        self.lock = threading.RLock()  # with a pace, HTTP threads change services while the clock runs

    def refusal(self, definition: TaskDefinition) -> str | None:
        """Why ECS cannot assume the task role, in its words; None if it can."""
        arn = getattr(definition, "task_role_arn", None)
        if not arn:
            return None
        roles = iam_backends[self.account.account_id]["aws"].roles.values()
        role = next((r for r in roles if r.arn == arn), None)
        if role is not None and "ecs-tasks.amazonaws.com" in str(role.assume_role_policy_document):
            return None
        return (
            f"ECS was unable to assume the role '{arn}' that was provided for this task. Please verify that "
            "the role being passed has the proper trust relationship and permissions and that your IAM user "
            "has permissions to pass this role."
        )

    def launch(self, task: Task, definition: TaskDefinition, *, settled: bool = False) -> None:
        """Begin the task's life; with `settled` it has been running for a while already."""
        self.tasks.append(task)
        problem = self._start_problem(definition)
        if settled:
            self._run(task, definition)
            task.healthy = True
        elif problem:
            self.clock.call_later(self.timing.pending, lambda: self._set(task, "PENDING"))
            self.clock.call_later(self.timing.pull_failure, lambda: self._fail_to_start(task, problem))
        else:
            self.clock.call_later(self.timing.pending, lambda: self._set(task, "PENDING"))
            self.clock.call_later(self.timing.running, lambda: self._run(task, definition))

    def stop(self, task: Task, code: str, reason: str) -> None:
        if not task.alive:
            return
        self._leave(task, code, reason)
        self._set(task, "STOPPING")
        if task.container is None:
            self.clock.call_later(self.timing.stopping, lambda: self._stopped(task, None))
            return
        container = task.container
        container.terminate()
        self.clock.call_later(STOP_TIMEOUT, container.kill)

    def kill_all(self) -> None:
        """The account ends: nothing it started survives it."""
        for task in self.tasks:
            if task.container is not None:
                task.container.kill()

    def _start_problem(self, definition: TaskDefinition) -> str | None:
        container: dict[str, Any] = definition.container_definitions[0]
        image = container["image"]
        if any(image.endswith(marker) for marker in self.missing_images):
            return (
                "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve "
                f"ref {image}: {image}: not found"
            )
        group = log_options(container).get("awslogs-group")
        if group and group not in self._logs().groups:
            return (
                "ResourceInitializationError: failed to validate logger args: create stream has been retried "
                "1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified "
                "log group does not exist."
            )
        return None

    def _run(self, task: Task, definition: TaskDefinition) -> None:
        if not task.alive:
            return
        task.started_at = self.clock.now()
        container: dict[str, Any] = definition.container_definitions[0]
        role_arn = getattr(definition, "task_role_arn", None)
        order = Order(
            command=container.get("command") or [],
            environment={e["name"]: e["value"] for e in container.get("environment") or []},
            role_name=role_arn.rsplit("/", 1)[-1] if role_arn else None,
            session_name=task.id,
            log=lambda line: self._log(task, container, line),
            ended=lambda code: self._ended(task, code),
        )
        task.container = start(self.account, order)
        self._set(task, "RUNNING")
        self.clock.call_later(self.timing.healthy, lambda: self._grow_healthy(task))

    def _grow_healthy(self, task: Task) -> None:
        if task.running:
            task.healthy = True
            task.changed(task)

    def _ended(self, task: Task, exit_code: int) -> None:
        """The container is gone, because it was told to or by itself."""
        if task.alive:
            self._leave(task, "EssentialContainerExited", "Essential container in task exited")
            self._set(task, "DEPROVISIONING")
        self.clock.call_later(self.timing.stopping, lambda: self._stopped(task, exit_code))

    def _fail_to_start(self, task: Task, problem: str) -> None:
        if task.alive:
            self._leave(task, "TaskFailedToStart", problem)
            task.containers[0]["reason"] = problem
            self._stopped(task, None)

    def _leave(self, task: Task, code: str, reason: str) -> None:
        task.desired_status, task.stop_code, task.stopped_reason = "STOPPED", code, reason
        task.stopping_at = self.clock.now()
        task.healthy = False

    def _stopped(self, task: Task, exit_code: int | None) -> None:
        if task.stopped_at is not None:
            return
        task.stopped_at = self.clock.now()
        task.containers[0]["exitCode"] = exit_code
        self._set(task, "STOPPED")

    def _set(self, task: Task, status: str) -> None:
        if task.last_status == "STOPPED" or (not task.alive and status in ("PENDING", "RUNNING")):
            return
        task.last_status = status
        task.version += 1
        task.containers[0]["lastStatus"] = status
        task.changed(task)

    def _logs(self) -> Any:
        return logs_backends[self.account.account_id][self.account.region]

    def _log(self, task: Task, container: dict[str, Any], line: str) -> None:
        options = log_options(container)
        group = self._logs().groups.get(options.get("awslogs-group"))
        if group is None:
            return
        stream = f"{options.get('awslogs-stream-prefix', 'ecs')}/{container['name']}/{task.id}"
        if stream not in group.streams:
            group.create_log_stream(stream)
        group.put_log_events(
            stream, [{"timestamp": int(self.clock.now().timestamp() * 1000), "message": line}]
        )


def log_options(container: dict[str, Any]) -> dict[str, str]:
    """The awslogs options of a container definition; empty where it logs elsewhere."""
    configuration = container.get("logConfiguration") or {}
    if configuration.get("logDriver") != "awslogs":
        return {}
    options: dict[str, str] = configuration.get("options") or {}
    return options


def alive(tasks: Iterable[Task]) -> list[Task]:
    return [task for task in tasks if task.alive]
