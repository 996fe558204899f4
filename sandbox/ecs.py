"""ECS services that really deploy: moto keeps the objects and the protocol, rollout.py moves them.

Stands for: the API actions CreateService, UpdateService (which parameters start a new deployment, and what the
CODE_DEPLOY and EXTERNAL deployment controllers reject), DeleteService, DescribeServices, ListTasks, DescribeTasks and
StopTask.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import (
    EcsClientException,
    ECSException,
    InvalidParameterException,
    ServiceNotFoundException,
    TaskDefinitionNotFoundException,
)
from moto.ecs.models import EC2ContainerServiceBackend, Service, TaskDefinition, ecs_backends
from moto.ecs.responses import EC2ContainerServiceResponse

from sandbox import mototime
from sandbox.rollout import Rollout
from sandbox.tasks import TaskRunner, Timing

if TYPE_CHECKING:
    from sandbox.account import LocalAccount

STARTS_DEPLOYMENT = {
    "networkConfiguration": "network_configuration",
    "platformVersion": "platform_version",
    "loadBalancers": "load_balancers",
    "serviceRegistries": "service_registries",
}
"""Parameters of UpdateService that replace tasks, and where moto keeps them."""
KEPT = {
    "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
    "enableExecuteCommand": "enable_execute_command",
    "enableECSManagedTags": "enable_ecs_managed_tags",
    "propagateTags": "propagate_tags",
}
"""Parameters that do not, and reach only tasks started later."""
NOT_WITH = {
    "CODE_DEPLOY": "Use AWS CodeDeploy to trigger a new deployment.",
    "EXTERNAL": "Use a task set to trigger a new deployment.",
}


class ServiceNotActiveException(ECSException):
    def __init__(self) -> None:
        super().__init__("ServiceNotActiveException", "Service was not ACTIVE.")


class Ecs:
    """The services of one account. Scenarios may set `runner.missing_images` and use `settled()`."""

    def __init__(self, account: LocalAccount, timing: Timing) -> None:
        self.account = account
        self.clock = account.clock
        self.timing = timing
        self.runner = TaskRunner(account, timing)
        self.rollouts: dict[Service, Rollout] = {}
        self._random = random.Random("ecs")  # ids repeat from run to run
        self._settled = False

    @property
    def backend(self) -> EC2ContainerServiceBackend:
        backend: EC2ContainerServiceBackend = ecs_backends[self.account.account_id][self.account.region]
        return backend

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Services created in here have been running for a while: their deployment is COMPLETED at once."""
        self._settled = True
        try:
            yield
        finally:
            self._settled = False

    def new_id(self, kind: str) -> str:
        match kind:
            case "deployment":
                return str(self._random.randrange(10**18, 9 * 10**18))
            case "task":
                return f"{self._random.getrandbits(128):032x}"
            case _:
                digits = f"{self._random.getrandbits(128):032x}"
                return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def definition(self, name: str) -> TaskDefinition:
        """An ACTIVE revision; a family alone means its latest ACTIVE one."""
        short = name.split("/")[-1]
        if ":" in short:
            return self.backend.describe_task_definition(short)
        revisions = self.backend.task_definitions.get(short, {}).values()
        active = [revision for revision in revisions if revision.status == "ACTIVE"]
        if not active:
            raise TaskDefinitionNotFoundException
        return max(active, key=lambda revision: revision.revision)

    # Changes

    def create(self, service: Any, request: dict[str, Any]) -> None:
        service.created_at = self.clock.now()
        service.deployment_configuration = configured({}, request.get("deploymentConfiguration"))
        service.events = []
        self._keep(service, request)
        if service.deployment_controller["type"] == "ECS":
            rollout = Rollout(service, self.clock, self.runner, self.definition, self.new_id)
            self.rollouts[service] = rollout
            rollout.deploy(settled=self._settled)

    def update(self, service: Any, request: dict[str, Any]) -> None:
        if service.status != "ACTIVE":
            raise ServiceNotActiveException
        definition = self._new_definition(request)
        reject_for_controller(service.deployment_controller["type"], request)
        if (desired := request.get("desiredCount")) is not None:
            service.desired_count = desired
        changed = request.get("deploymentConfiguration")
        service.deployment_configuration = configured(service.deployment_configuration, changed)
        self._keep(service, request)
        rollout = self.rollouts.get(service)
        if rollout is None:
            return
        deploys = request.get("forceNewDeployment", False)
        deploys = deploys or any(request.get(name) is not None for name in STARTS_DEPLOYMENT)
        if definition is not None and definition.arn != service.task_definition:
            service.task_definition, deploys = definition.arn, True
        with self.runner.lock:
            if deploys:
                rollout.deploy()
            else:
                rollout.reconcile()

    def delete(self, service: Any) -> None:
        if service in self.rollouts:
            self.rollouts[service].drain()
        else:
            service.status = "INACTIVE"

    def _new_definition(self, request: dict[str, Any]) -> TaskDefinition | None:
        if not request.get("taskDefinition"):
            return None
        definition = self.definition(request["taskDefinition"])
        if definition.status != "ACTIVE":
            raise EcsClientException("TaskDefinition is inactive")
        return definition

    def _keep(self, service: Any, request: dict[str, Any]) -> None:
        for name, attribute in (STARTS_DEPLOYMENT | KEPT).items():
            if request.get(name) is not None:
                setattr(service, attribute, request[name])


def configured(current: dict[str, Any], change: dict[str, Any] | None) -> dict[str, Any]:
    """A deployment configuration with ECS's defaults, changed by what a request says."""
    default = {
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
    }
    return {**default, **current, **(change or {})}


def reject_for_controller(controller: str, request: dict[str, Any]) -> None:
    """The texts for CODE_DEPLOY are AWS's; for EXTERNAL none was found, so the same pattern is used."""
    if controller not in NOT_WITH:
        return
    where = f"on services with a {controller} deployment controller. {NOT_WITH[controller]}"
    if request.get("forceNewDeployment"):
        raise InvalidParameterException(f"Cannot force a new deployment {where}")
    if request.get("taskDefinition"):
        raise InvalidParameterException(f"Unable to update task definition {where}")
    if request.get("networkConfiguration") or request.get("platformVersion") or request.get("loadBalancers"):
        raise InvalidParameterException(f"Unable to update network parameters {where}")


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


def install(account: LocalAccount, timing: Timing | None = None) -> Callable[[], None]:
    """Put ECS behaviour into moto for this account. Call what is returned when the account ends."""
    restore_time = mototime.install(account.clock)
    ecs = _installed[id(account)] = Ecs(account, timing or Timing())
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
        setattr(response, function.__name__, function)

    def uninstall() -> None:
        ecs.runner.kill_all()
        for name, original in originals.items():
            setattr(response, name, original)
        _installed.pop(id(account), None)
        restore_time()

    return uninstall


_installed: dict[int, Ecs] = {}


def of(account: LocalAccount) -> Ecs:
    """The ECS agent of an open account."""
    return _installed[id(account)]
