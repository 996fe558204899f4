"""ECS services that really deploy: moto keeps the objects and the protocol, and rollout.py moves them.

Stands for: the API actions CreateService, UpdateService, DeleteService, ListTasks, DescribeTasks, StopTask.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import (
    InvalidParameterException,
    ServiceNotFoundException,
)
from moto.ecs.responses import EC2ContainerServiceResponse

from sandbox.aws.ecs.services import Ecs
from sandbox.aws.ecs.tasks import Timing
from sandbox.engine.core import Core


def tasks_listed(ecs: Ecs, request: dict[str, Any]) -> list[str]:
    """ListTasks: RUNNING tasks unless asked otherwise; startedBy is the only filter besides the status."""
    cluster = ecs.backend._get_cluster(request.get("cluster", "default"))
    started_by, service, family = (request.get(key) for key in ("startedBy", "serviceName", "family"))
    if started_by and (service or family):
        raise InvalidParameterException("startedBy must be the only filter.")
    tasks: list[Any] = list(ecs.backend.tasks.get(cluster.name, {}).values())
    if started_by:
        tasks = [task for task in tasks if task.started_by == started_by]
    if family:
        tasks = [task for task in tasks if task.task_definition_arn.split("/")[-1].split(":")[0] == family]
    if service:
        name = service.split("/")[-1]
        if f"{cluster.name}:{name}" not in ecs.backend.services:
            raise ServiceNotFoundException
        tasks = [task for task in tasks if task.group == f"service:{name}"]
    status = request.get("desiredStatus", "RUNNING")
    return [task.task_arn for task in tasks if task.desired_status == status]


def install(core: Core, timing: Timing) -> Ecs:
    """Put ECS behaviour into moto, and run tasks, for as long as the account is open."""
    ecs = Ecs(core, timing)
    response = EC2ContainerServiceResponse
    names = (
        "create_service",
        "update_service",
        "delete_service",
        "list_tasks",
        "describe_tasks",
        "stop_task",
    )
    originals: dict[str, Any] = {name: getattr(response, name) for name in names}

    def create_service(self: EC2ContainerServiceResponse) -> ActionResult:
        request = self._get_params()
        name = request.get("taskDefinition")
        definition = ecs._new_definition(request) if name else None
        key = f"{request.get('cluster', 'default').split('/')[-1]}:{request['serviceName']}"
        existing = ecs.backend.services.get(key)
        if existing is not None and existing.status != "INACTIVE":
            raise InvalidParameterException("Creation of service was not idempotent.")
        result: ActionResult = originals["create_service"](self)
        service = ecs.backend.services[key]
        if definition is not None:
            service.task_definition = definition.arn
        ecs.create(service, request)
        return result

    def update_service(self: EC2ContainerServiceResponse) -> ActionResult:
        request = self._get_params()
        service = ecs.backend._get_service(
            request.get("cluster", "default"), request["service"].split("/")[-1]
        )
        ecs.update(service, request)
        return ActionResult({"service": service})

    def delete_service(self: EC2ContainerServiceResponse) -> ActionResult:
        result: ActionResult = originals["delete_service"](self)
        request = self._get_params()
        ecs.delete(
            ecs.backend._get_service(request.get("cluster", "default"), request["service"].split("/")[-1])
        )
        return result

    def list_tasks(self: EC2ContainerServiceResponse) -> ActionResult:
        request = self._get_params()
        arns = tasks_listed(ecs, request)
        first, size = int(request.get("nextToken") or 0), int(request.get("maxResults") or 100)
        token = str(first + size) if first + size < len(arns) else None
        return ActionResult({"taskArns": arns[first : first + size], "nextToken": token})

    def describe_tasks(self: EC2ContainerServiceResponse) -> ActionResult:
        result: Any = originals["describe_tasks"](self).result
        request = self._get_params()
        found = {task.task_arn.split("/")[-1] for task in result["tasks"]}
        cluster = ecs.backend._get_cluster(request.get("cluster", "default"))
        prefix = f"{cluster.arn.split(':cluster/')[0]}:task/{cluster.name}"
        missing = [name.split("/")[-1] for name in request["tasks"] if name.split("/")[-1] not in found]
        result["failures"] = [{"arn": f"{prefix}/{task_id}", "reason": "MISSING"} for task_id in missing]
        return ActionResult(result)

    def stop_task(self: EC2ContainerServiceResponse) -> ActionResult:
        request = self._get_params()
        task_id = request["task"].split("/")[-1]
        task = next((task for task in ecs.runner.tasks if task.id == task_id), None)
        if task is None:
            result: ActionResult = originals["stop_task"](self)
            return result
        ecs.runner.stop(task, "UserInitiated", request.get("reason") or "Task stopped by user")
        return ActionResult({"task": task})

    for function in (create_service, update_service, delete_service, list_tasks, describe_tasks, stop_task):
        core.patch(response, function.__name__, function)

    core.on_close(ecs.runner.kill_all)
    return ecs
