"""ECS services, task definitions and tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.clock import iso
from regrant.errors import AwsRefused
from regrant.model.aws import Deployment, LogRoute, ServiceState, StoppedTask, TaskDefinition, name_of
from regrant.model.catalogue import Service

# As many as DescribeServices takes, and as many as ListServices gives (ECS API reference).
_TEN, _PAGE = 10, 100
# As many as DescribeTasks takes (API reference), and as many stopped tasks as are looked at.
_HUNDRED, _MOST_TASKS = 100, 1_000
# 32 hexadecimal digits, or a UUID (developer guide, Account settings: long ARNs).
_TASK = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class EcsServices:
    """Implements ports.Services. `ecs` retries; what `ecs_once` makes does not, for the call that must be
    sent once."""

    def __init__(self, ecs: Any, ecs_once: Callable[[], Any] | None = None) -> None:
        self._ecs = ecs
        self._once = ecs_once

    def describe(self, service: Service) -> ServiceState | None:
        """DescribeServices: the service, also once INACTIVE, or None. Raises AwsUnavailable, AwsRefused."""
        try:
            with aws_errors():
                answer = self._ecs.describe_services(cluster=service.cluster, services=[service.name])
        except AwsRefused as refused:
            if refused.code == "ClusterNotFoundException":
                return None
            raise
        # An unknown service is HTTP 200 with a failure MISSING (API failure reasons).
        return _service(answer["services"][0]) if answer["services"] else None

    def running_in(self, cluster: str) -> dict[Service, tuple[str, ...]]:
        """ListServices, DescribeServices: what each service runs. Raises AwsUnavailable, AwsRefused."""
        try:
            with aws_errors():
                pages = self._ecs.get_paginator("list_services").paginate(
                    cluster=cluster, PaginationConfig={"PageSize": _PAGE}
                )
                arns = [arn for page in pages for arn in page["serviceArns"]]
                # One that was deleted since it was listed is left out, as a failure MISSING.
                shapes = [
                    shape
                    for first in range(0, len(arns), _TEN)
                    for shape in self._ecs.describe_services(
                        cluster=cluster, services=arns[first : first + _TEN]
                    )["services"]
                ]
        except AwsRefused as refused:
            if refused.code == "ClusterNotFoundException":
                return {}
            raise
        return {
            Service(cluster, shape["serviceName"]): tuple(sorted(set(_revisions(shape)))) for shape in shapes
        }

    def task_definition(self, arn: str) -> TaskDefinition:
        """DescribeTaskDefinition: roles and log routes. Raises AwsUnavailable, AwsRefused (unknown)."""
        with aws_errors():
            shape = self._ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        here = shape["taskDefinitionArn"].split(":")[3]
        routes = [(*route, c) for c in shape["containerDefinitions"] if (route := _log_route(c))]
        return TaskDefinition(
            arn=shape["taskDefinitionArn"],
            task_role=shape.get("taskRoleArn") or None,
            logs=tuple(route for route, region, _ in routes if region in (None, here)),
            execution_role=shape.get("executionRoleArn") or None,
            elsewhere=tuple(
                f"{route.group} of {c['name']} ({region})"
                for route, region, c in routes
                if region not in (None, here)
            ),
        )

    def redeploy(self, service: Service) -> str:
        """UpdateService: the id (`ecs-svc/N`) of the deployment that it started.

        Raises AwsRefused, and AwsUnavailable, after which it may have started one all the same.
        """
        # Without a task definition, so that it can never bring back a revision that somebody replaced.
        return self._update(service, forceNewDeployment=True)

    def deploy(self, service: Service, revision: str) -> str:
        """UpdateService with the revision (ARN): the primary deployment's id (`ecs-svc/N`).

        Raises AwsRefused (inactive revision, PassRole), and AwsUnavailable, after which it may have started
        one all the same. Asked a second time ECS starts no second one.
        """
        return self._update(service, taskDefinition=revision)

    def _update(self, service: Service, **change: Any) -> str:
        assert self._once is not None
        with aws_errors():
            answer = self._once().update_service(cluster=service.cluster, service=service.name, **change)
        state = _service(answer["service"])
        if state.primary is None:
            raise AwsRefused(f"UpdateService of {service} answered without a primary deployment")
        return state.primary.id

    def task_ids(self, service: Service, deployment: str | None) -> tuple[str, ...]:
        """ListTasks: ids of the tasks that are to run, `()` if none. Raises AwsUnavailable, AwsRefused."""
        # A deployment's tasks have it as startedBy, which must then be the only filter (ListTasks).
        query = {"startedBy": deployment} if deployment else {"serviceName": service.name}
        with aws_errors():
            pages = self._ecs.get_paginator("list_tasks").paginate(cluster=service.cluster, **query)
            return tuple(name_of(arn) for page in pages for arn in page["taskArns"])

    def stopped_task_ids(self, service: Service) -> tuple[str, ...]:
        """ListTasks: ids of the service's tasks that stopped, which ECS reports for at least an hour.

        Raises AwsUnavailable, AwsRefused.
        """
        with aws_errors():
            pages = self._ecs.get_paginator("list_tasks").paginate(
                cluster=service.cluster, serviceName=service.name, desiredStatus="STOPPED"
            )
            return tuple(name_of(arn) for page in pages for arn in page["taskArns"])

    def stopped_tasks(self, service: Service) -> tuple[StoppedTask, ...]:
        """ListTasks, DescribeTasks: a thousand tasks at most. One that ECS forgot since is left out.

        Of a stopped task ListTasks may not be asked by deployment: startedBy must be its only filter. Raises
        AwsUnavailable, AwsRefused.
        """
        ids = self.stopped_task_ids(service)[:_MOST_TASKS]
        with aws_errors():
            shapes = [
                shape
                for first in range(0, len(ids), _HUNDRED)
                for shape in self._ecs.describe_tasks(
                    cluster=service.cluster, tasks=list(ids[first : first + _HUNDRED])
                )["tasks"]
            ]
        return tuple(
            StoppedTask(
                name_of(shape["taskArn"]),
                shape.get("startedBy", ""),
                _why_stopped(shape),
                _moment(shape.get("stoppedAt")),
                shape.get("stopCode", ""),
                shape.get("taskDefinitionArn", ""),
            )
            for shape in shapes
        )

    def own_tasks(self, service: Service, tasks: frozenset[str]) -> frozenset[str]:
        """DescribeTasks: of a hundred at most those whose group is the service; of more those that ListTasks
        knows. What has not the form of a task's id is none's, and would have the whole call refused.

        Raises AwsUnavailable, AwsRefused.
        """
        named = sorted(task for task in tasks if _TASK.fullmatch(task))
        if not named:
            return frozenset()
        if len(named) > _HUNDRED:
            running, stopped = self.task_ids(service, None), self.stopped_task_ids(service)
            return frozenset(named) & {*running, *stopped}
        with aws_errors():
            shapes = self._ecs.describe_tasks(cluster=service.cluster, tasks=named)["tasks"]
        ours = (shape for shape in shapes if shape.get("group") == f"service:{service.name}")
        return frozenset(name_of(shape["taskArn"]) for shape in ours)

    def task_group(self, cluster: str, task: str) -> str | None:
        """DescribeTasks: the task's group, also for about an hour after it stopped, or None.

        Raises AwsUnavailable, AwsRefused.
        """
        try:
            with aws_errors():
                answer = self._ecs.describe_tasks(cluster=cluster, tasks=[task])
        except AwsRefused as refused:
            if refused.code == "ClusterNotFoundException":
                return None
            raise
        # An unknown task is HTTP 200 with a failure MISSING (API failure reasons).
        return str(answer["tasks"][0].get("group", "")) if answer["tasks"] else None


def _why_stopped(shape: dict[str, Any]) -> str:
    """ECS's reason, with the exit codes of the containers (API reference, Task and Container)."""
    codes = (str(c["exitCode"]) for c in shape.get("containers", []) if c.get("exitCode") is not None)
    exits = ", ".join(codes)
    return f"{shape.get('stoppedReason', '')}{f' (exit code {exits})' if exits else ''}".strip()


def _service(shape: dict[str, Any]) -> ServiceState:
    return ServiceState(
        arn=shape["serviceArn"],
        status=shape["status"],
        # Absent means ECS (DeploymentController).
        controller=shape.get("deploymentController", {}).get("type", "ECS"),
        # Task sets name it where the controller is EXTERNAL (API reference, CreateService and TaskSet).
        task_definition=shape.get("taskDefinition", ""),
        desired_count=shape["desiredCount"],
        deployment_configuration=shape.get("deploymentConfiguration", {}),
        deployments=tuple(_deployment(d) for d in shape.get("deployments", [])),
        last_events=tuple(event["message"] for event in shape.get("events", [])[:3]),
        # CUSTOMER, or ECS for an Express service (API reference, Service).
        task_sets=tuple(
            each["taskDefinition"] for each in shape.get("taskSets", []) if "taskDefinition" in each
        ),
        express=shape.get("resourceManagementType") == "ECS",
    )


def _revisions(shape: dict[str, Any]) -> Iterator[str]:
    """A service of another controller than ECS's own has task sets for deployments, and may name no revision
    itself (API reference, Service and TaskSet)."""
    for each in (shape, *shape.get("deployments", []), *shape.get("taskSets", [])):
        if each.get("taskDefinition"):
            yield each["taskDefinition"]


def _deployment(shape: dict[str, Any]) -> Deployment:
    return Deployment(
        id=shape["id"],
        status=shape["status"],
        rollout_state=shape.get("rolloutState", ""),
        reason=shape.get("rolloutStateReason", ""),
        task_definition=shape["taskDefinition"],
        desired=shape["desiredCount"],
        running=shape["runningCount"],
        failed_tasks=shape.get("failedTasks", 0),
        created_at=_moment(shape.get("createdAt")),
    )


def _moment(at: datetime | None) -> str:
    return iso(at) if at else ""


def _log_route(container: dict[str, Any]) -> tuple[LogRoute, str | None] | None:
    """The awslogs driver writes to the stream `prefix/container/task id` (awslogs-stream-prefix), in the
    Region that awslogs-region names."""
    logging = container.get("logConfiguration") or {}
    options = logging.get("options") or {}
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if logging.get("logDriver") != "awslogs" or not group or not prefix:
        return None
    return LogRoute(group=group, stream_prefix=f"{prefix}/{container['name']}"), options.get("awslogs-region")
