"""The services of an account: which change of a service starts a deployment, and which one ECS refuses.

Stands for: the API actions CreateService, UpdateService and DeleteService, including what the CODE_DEPLOY and
EXTERNAL deployment controllers reject. A service made without a word on Availability Zone rebalancing has it
ENABLED; an older one, that never had it set, shows DISABLED (API reference, CreateService and UpdateService:
availabilityZoneRebalancing; hashicorp/terraform-provider-aws#43238). Which services it suits is not asked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.ecs.exceptions import (
    EcsClientException,
    ECSException,
    InvalidParameterException,
    TaskDefinitionNotFoundException,
)
from moto.ecs.models import EC2ContainerServiceBackend, Service, TaskDefinition, ecs_backends

from sandbox.aws.ecs.rollout import Rollout
from sandbox.aws.ecs.runner import TaskRunner
from sandbox.aws.ecs.tasks import Timing
from sandbox.engine.core import Core

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
    "availabilityZoneRebalancing": "availability_zone_rebalancing",
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

    def __init__(self, core: Core, timing: Timing) -> None:
        self.core = core
        self.clock = core.clock
        self.timing = timing
        self.runner = TaskRunner(core, timing)
        self.rollouts: dict[Service, Rollout] = {}
        self._random = random.Random("ecs")  # ids repeat from run to run
        self._settled = False

    @property
    def backend(self) -> EC2ContainerServiceBackend:
        backend: EC2ContainerServiceBackend = ecs_backends[self.core.account_id][self.core.region]
        return backend

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Services created in here have been running for a while: their deployment is COMPLETED."""
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
        service.availability_zone_rebalancing = "ENABLED"
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
