"""The rollout of one ECS service: deployments[], and the order in which tasks start and stop.

Stands for: Deploy Amazon ECS services by replacing tasks (batches of minimumHealthyPercent and
maximumPercent), Amazon ECS service throttle logic, Amazon ECS service event messages, and the API shape
Service. `reconcile` may be called at any time; every timer and every change of a task calls it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from moto.ecs.models import TaskDefinition

from sandbox.aws.ecs.circuit_breaker import CircuitBreaker
from sandbox.aws.ecs.runner import TaskRunner
from sandbox.aws.ecs.tasks import Deployment, Task, alive, new_task
from sandbox.engine.clock import Clock

A_WHILE = timedelta(days=1)
"""How long ago a service was deployed that is settled from the start."""


class Rollout:
    """Scheduler of one service. It edits moto's Service object, which is what DescribeServices shows."""

    count_exits = True
    """Whether a task that starts and then exits counts as failed: no in reports of 2020 to 2022, yes in a
    capture of 2026."""

    def __init__(
        self,
        service: Any,  # moto.ecs.models.Service, of which we use attributes that it lacks
        clock: Clock,
        runner: TaskRunner,
        definition: Callable[[str], TaskDefinition],
        new_id: Callable[[str], str],
    ) -> None:
        self.service = service
        self.clock = clock
        self.timing = runner.timing
        self.runner = runner
        self.definition = definition
        self.new_id = new_id
        self.deployments: list[Deployment] = []
        self.completed: Deployment | None = None
        service.deployments = self.deployments
        self._breaker = CircuitBreaker(service, self.deployments, clock, self.timing, self._give_up)
        self._busy = self._again = False

    # What starts and ends a rollout

    def deploy(self, *, settled: bool = False) -> Deployment:
        """A new PRIMARY for what the service now says; the former one becomes ACTIVE and keeps its counts."""
        now = self.clock.now()
        new = Deployment(
            id=f"ecs-svc/{self.new_id('deployment')}",
            task_definition=self.service.task_definition,
            created_at=now - A_WHILE if settled else now,
            updated_at=now - A_WHILE if settled else now,
            next_start=now + timedelta(seconds=self.timing.first_start),
            launch_type=self.service.launch_type,
            platform_version=self.service.platform_version,
            platform_family="Linux",
            network_configuration=self.service.network_configuration or None,
        )
        new.rollout_state_reason = f"ECS deployment {new.id} in progress."
        for old in self.deployments:
            self._supersede(old)
        self.deployments.insert(0, new)
        if settled:
            new.next_start, new.proven = now, True
            new.desired_count = self.service.desired_count
            self._busy = True
            self._start_tasks(settled=True)
            self._busy = False
            self._complete(new)
        else:
            self._later(self.timing.first_start)
        self._show_counts()
        return new

    def drain(self) -> None:
        """DeleteService: DRAINING while tasks stop, then INACTIVE."""
        self.service.status = "DRAINING"
        self.service.desired_count = 0
        for deployment in self.deployments:
            deployment.desired_count = 0
        self.reconcile()

    def task_changed(self, task: Task) -> None:
        if task.last_status == "STOPPED":
            self.clock.call_later(3600, lambda: self._forget_task(task))
            if task.stop_code in ("TaskFailedToStart", "EssentialContainerExited"):
                self._failed(task.deployment, never_ran=task.started_at is None)
        elif task.last_status == "DEPROVISIONING":
            # It ended on its own; the scheduler waits till it is gone.
            gone = self.timing.stopping + self.timing.restart
            task.deployment.next_start = self.clock.now() + timedelta(seconds=gone)
        elif task.healthy:
            task.deployment.proven, task.deployment.failed_tasks = True, 0
        self.reconcile()

    def reconcile(self) -> None:
        """Do what can be done now. What it does changes tasks, which calls it again: that turn follows."""
        with self.runner.lock:
            self._again = True
            if self._busy:
                return
            self._busy = True
            while self._again:
                self._again = False
                if self.service.status == "ACTIVE":
                    self._plan()
                    self._start_tasks()
                self._stop_tasks()
                self._forget()
                self._finish()
                self._show_counts()
            self._busy = False

    def _show_counts(self) -> None:
        for deployment in self.deployments:
            deployment.count()
        self.service.running_count = sum(d.running_count for d in self.deployments)
        self.service.pending_count = sum(d.pending_count for d in self.deployments)

    # The plan: how many tasks each deployment should have now

    def _plan(self) -> None:
        primary, old = self.deployments[0], self.deployments[1:]
        if primary.rollout_state == "FAILED" or not self._due(primary.next_start):
            return
        lower, upper = self._bounds()
        desired = self.service.desired_count
        taken = sum(max(d.desired_count, len(alive(d.tasks))) for d in self.deployments)
        room = max(0, upper - taken)
        primary.desired_count = min(desired, primary.desired_count + room)
        healthy = sum(task.healthy for task in primary.tasks)
        serving = sum(task.running for d in old for task in d.tasks)
        surplus = healthy + sum(d.desired_count for d in old) - desired
        blocked = desired - primary.desired_count
        allowed = healthy + serving - lower
        stoppable = min(max(surplus, blocked), allowed)
        if blocked and stoppable <= 0 and not any(t.alive and not t.healthy for t in primary.tasks):
            self.say(
                "was unable to stop or start tasks during a deployment because of the service deployment "
                "configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
            )
        for deployment in reversed(old):
            share = max(0, min(stoppable, deployment.desired_count))
            deployment.desired_count -= share
            stoppable -= share

    def _bounds(self) -> tuple[int, int]:
        configuration = self.service.deployment_configuration
        desired = self.service.desired_count
        return (
            math.ceil(desired * configuration["minimumHealthyPercent"] / 100),
            math.floor(desired * configuration["maximumPercent"] / 100),
        )

    # Tasks

    def _start_tasks(self, *, settled: bool = False) -> None:
        for deployment in self.deployments:
            if deployment.rollout_state == "FAILED" or not self._due(deployment.next_start):
                continue
            missing = deployment.desired_count - len(alive(deployment.tasks))
            if missing <= 0:
                continue
            definition = self.definition(deployment.task_definition)
            if refusal := self.runner.refusal(definition):
                self.say(f"failed to launch a task with (error {refusal})")
                self._failed(deployment, never_ran=True)
                continue
            started = [self._start_task(deployment, definition, settled) for _ in range(missing)]
            self.say(
                f"has started {len(started)} tasks: {' '.join(f'(task {task.id})' for task in started)}."
            )

    def _start_task(self, deployment: Deployment, definition: TaskDefinition, settled: bool) -> Task:
        task = new_task(self.new_id("task"), self.service, deployment, definition, self.clock.now())
        task.changed = self.task_changed
        deployment.tasks.append(task)
        self.service._backend.tasks.setdefault(self.service.cluster_name, {})[task.task_arn] = task
        self.runner.launch(task, definition, settled=settled)
        return task

    def _stop_tasks(self) -> None:
        for deployment in self.deployments:
            running = sorted(alive(deployment.tasks), key=lambda task: task.healthy, reverse=True)
            doomed = running[deployment.desired_count :]
            for task in doomed:
                reason = f"Scaling activity initiated by (deployment {self.deployments[0].id})"
                self.runner.stop(task, "ServiceSchedulerInitiated", reason)
            if doomed:
                names = " ".join(f"(task {task.id})" for task in doomed)
                self.say(f"has stopped {len(doomed)} running tasks: {names}.")

    def _failed(self, deployment: Deployment, *, never_ran: bool) -> None:
        wait = self.timing.restart
        if never_ran:
            deployment.failed_tasks += 1
            wait = self.timing.backoff[min(deployment.failed_tasks, len(self.timing.backoff)) - 1]
            if deployment.failed_tasks > 1:
                self.say("is unable to consistently start tasks successfully.")
        elif self.count_exits and deployment.rollout_state == "IN_PROGRESS" and not deployment.proven:
            deployment.failed_tasks += 1
        deployment.next_start = self.clock.now() + timedelta(seconds=wait)
        self._later(wait)
        self._breaker.failed(deployment)

    # States

    def _give_up(self, failed: Deployment) -> None:
        """The circuit breaker tripped: roll back if asked to and there is something to go back to."""
        self.say(f"(deployment {failed.id}) deployment failed: tasks failed to start.")
        back = self.completed
        if not self._breaker.rolls_back or back is None or back is failed:
            # Nothing to go back to, or going back is what failed: the rollout stalls.
            self._condemn(failed)
            return
        self.say(f"rolling back to deployment {back.id}.")
        self._go_back(failed, back)
        reason = f"ECS deployment circuit breaker: rolling back to deploymentId {back.id}"
        back.set("IN_PROGRESS", reason, self.clock.now())
        self.clock.call_later(self.timing.demoted / 2, lambda: self._condemn(failed))
        self.reconcile()

    def _condemn(self, failed: Deployment) -> None:
        reason = "ECS deployment circuit breaker: tasks failed to start."
        failed.set("FAILED", reason, self.clock.now())
        self.reconcile()

    def _go_back(self, failed: Deployment, back: Deployment) -> None:
        """The earlier deployment is PRIMARY again, under its own id; the failed one is ACTIVE."""
        self._supersede(failed)
        if back in self.deployments:
            self.deployments.remove(back)
        self.deployments.insert(0, back)
        back.status, back.finishing, back.superseded_at, back.next_start = (
            "PRIMARY",
            False,
            None,
            self.clock.now(),
        )
        back.failed_tasks, back.proven = 0, False
        self.service.task_definition = back.task_definition

    def _supersede(self, deployment: Deployment) -> None:
        """It keeps the tasks that serve; what has not run yet is given up."""
        deployment.status, deployment.superseded_at = "ACTIVE", self.clock.now()
        if deployment.rollout_state != "COMPLETED":
            deployment.desired_count = sum(task.running for task in deployment.tasks)
        self._later(self.timing.demoted)

    def _forget(self) -> None:
        demoted = timedelta(seconds=self.timing.demoted)
        for old in self.deployments[1:]:
            over = all(task.last_status == "STOPPED" for task in old.tasks) and old.desired_count == 0
            shown = old.superseded_at is None or self._due(old.superseded_at + demoted)
            if (
                over
                and (shown or old.rollout_state == "COMPLETED")
                and self._due(self.deployments[0].next_start)
            ):
                self.deployments.remove(old)
        if self.service.status == "DRAINING" and not any(
            task.last_status != "STOPPED" for d in self.deployments for task in d.tasks
        ):
            self.service.status = "INACTIVE"
            self.deployments.clear()

    def _finish(self) -> None:
        if not self.deployments or not self._over(self.deployments[0]) or self.deployments[0].finishing:
            return
        primary = self.deployments[0]
        primary.finishing = True
        wait = self.timing.steady if self.service.desired_count else self.timing.empty

        def finish() -> None:
            primary.finishing = False
            if self.deployments and primary is self.deployments[0] and self._over(primary):
                self._complete(primary)

        self.clock.call_later(wait, finish)

    def _over(self, primary: Deployment) -> bool:
        """All tasks of the new deployment are healthy, and none of another one is left."""
        started = self._due(primary.next_start) and primary.rollout_state == "IN_PROGRESS"
        healthy = sum(task.healthy for task in primary.tasks)
        others = any(task.last_status != "STOPPED" for d in self.deployments[1:] for task in d.tasks)
        return started and healthy == self.service.desired_count and not others

    def _complete(self, deployment: Deployment) -> None:
        self.completed = deployment
        deployment.set("COMPLETED", f"ECS deployment {deployment.id} completed.", self.clock.now())
        self.say(f"(deployment {deployment.id}) deployment completed.")
        self.say("has reached a steady state.")

    def _due(self, at: datetime) -> bool:
        # A timer and the time it was set for may differ by a rounding error.
        return self.clock.now() >= at - timedelta(milliseconds=1)

    def _later(self, seconds: float) -> None:
        self.clock.call_later(seconds, self.reconcile)

    def _forget_task(self, task: Task) -> None:
        """Stopped tasks stay visible for an hour."""
        self.service._backend.tasks[self.service.cluster_name].pop(task.task_arn, None)
        self.runner.tasks.remove(task)
        task.deployment.tasks.remove(task)

    def say(self, text: str) -> None:
        """A service event, newest first, at most 100; a repeated message is suppressed for six hours."""
        message, now = f"(service {self.service.name}) {text}", self.clock.now()
        last = self.service.events[0] if self.service.events else None
        if last and last["message"] == message and now - last["createdAt"] < timedelta(hours=6):
            return
        self.service.events.insert(0, {"id": self.new_id("event"), "createdAt": now, "message": message})
        del self.service.events[100:]
