"""Starts, watches and stops tasks.

Stands for: Amazon ECS stopped tasks error messages, the awslogs driver (Using the awslogs log driver: stream
`PREFIX/CONTAINER/TASK_ID`) and the stop sequence (API StopTask: SIGTERM, 30 s, SIGKILL). One container a
task.
"""

from __future__ import annotations

import threading
from typing import Any

from moto.ecs.models import TaskDefinition
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends

from sandbox.aws.ecs.containers import Order, start
from sandbox.aws.ecs.tasks import Task, Timing
from sandbox.engine.core import Core

STOP_TIMEOUT = 30.0
"""Seconds from SIGTERM to SIGKILL."""


class TaskRunner:
    """Starts, watches and stops tasks."""

    def __init__(self, core: Core, timing: Timing) -> None:
        self.core = core
        self.clock = core.clock
        self.timing = timing
        self.missing_images: set[str] = {":missing"}
        self.tasks: list[Task] = []
        self.lock = threading.RLock()  # with a pace, HTTP threads change services while the clock runs

    def refusal(self, definition: TaskDefinition) -> str | None:
        """Why ECS cannot assume the task role, in its words; None if it can."""
        arn = getattr(definition, "task_role_arn", None)
        if not arn:
            return None
        roles = iam_backends[self.core.account_id]["aws"].roles.values()
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
        task.container = start(self.core, order)
        self._set(task, "RUNNING")
        self.clock.call_later(self.timing.healthy, lambda: self._grow_healthy(task))

    def _grow_healthy(self, task: Task) -> None:
        if task.running:
            task.healthy = True
            task.changed(task)

    def _ended(self, task: Task, exit_code: int) -> None:
        """The container is gone, because it was stopped or ended on its own."""
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
        return logs_backends[self.core.account_id][self.core.region]

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
