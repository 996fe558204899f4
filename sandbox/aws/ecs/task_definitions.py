"""Task definitions that come back whole and in order, and whose numbers are never given twice.

Stands for: the API actions RegisterTaskDefinition, DescribeTaskDefinition, ListTaskDefinitions,
DeregisterTaskDefinition and DeleteTaskDefinitions (ECS API reference). ECS keeps all that it is given and
adds its defaults (examples of the AWS CLI's register-task-definition; public captures of
describe-task-definition). An environment comes back in an order of its own, always the same for the same
names (aws/aws-sdk-java#3043). A family's numbers go on also after its revisions were deleted
(DeleteTaskDefinitions).

moto drops enableFaultInjection and trustedExecutionConfiguration, adds networkMode (also over one that was
given), knows no registeredAt, registeredBy, deregisteredAt or requiresAttributes, answers a family alone with
a revision that may be INACTIVE, lists in one page without order, gives a deleted revision's number again, and
refuses an EC2 task that has only memoryReservation.

Not shown: when a revision in DELETE_IN_PROGRESS is gone for good, the ten minutes in which a deregistered one
may still be accepted, and the checks of values (`No Fargate configuration exists for given values.`).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from hashlib import sha256
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import EcsClientException
from moto.ecs.models import EC2ContainerServiceBackend, TaskDefinition
from moto.ecs.responses import EC2ContainerServiceResponse

from sandbox.aws.ecs.services import Ecs
from sandbox.engine.core import Core
from sandbox.engine.gateway import Gateway

_CAPABILITY = "com.amazonaws.ecs.capability"
_PAGE = 100


def install(core: Core, agent: Ecs, gateway: Gateway) -> None:
    """Keep task definitions whole for as long as the account is open."""
    shown: dict[str, dict[str, Any]] = {}
    """What DescribeTaskDefinition shows besides the status, by ARN."""
    response = EC2ContainerServiceResponse
    names = ("register_task_definition", "deregister_task_definition", "delete_task_definitions")
    originals: dict[str, Any] = {name: getattr(response, name) for name in names}
    checks = EC2ContainerServiceBackend._validate_container_defs

    def whole(definition: TaskDefinition) -> dict[str, Any]:
        return {**shown[definition.arn], "status": definition.status}

    def register_task_definition(self: EC2ContainerServiceResponse) -> ActionResult:
        request = deepcopy(self._get_params())
        tags = request.pop("tags", None)
        if tags == []:
            raise EcsClientException("Tags can not be empty.")
        definition: TaskDefinition = originals["register_task_definition"](self).result["taskDefinition"]
        shown[definition.arn] = {
            **with_defaults(request),
            "taskDefinitionArn": definition.arn,
            "revision": definition.revision,
            "compatibilities": compatibilities(request),
            "requiresAttributes": [{"name": name} for name in sorted(set(capabilities(request)))],
            "registeredAt": core.clock.now(),
            "registeredBy": gateway.principal(self.get_access_key()).arn,
        }
        return ActionResult({"taskDefinition": whole(definition)} | ({"tags": tags} if tags else {}))

    def describe_task_definition(self: EC2ContainerServiceResponse) -> ActionResult:
        request = self._get_params()
        definition = agent.definition(request["taskDefinition"])
        tags = {"tags": definition.tags} if "TAGS" in request.get("include", []) else {}
        return ActionResult({"taskDefinition": whole(definition)} | tags)

    def list_task_definitions(self: EC2ContainerServiceResponse) -> ActionResult:
        request = self._get_params()
        found = [
            definition
            for family, revisions in agent.backend.task_definitions.items()
            for definition in revisions.values()
            if request.get("familyPrefix") in (None, family)
            and definition.status == request.get("status", "ACTIVE")
        ]
        found.sort(key=lambda d: (d.family, d.revision), reverse=request.get("sort") == "DESC")
        first, size = int(request.get("nextToken") or 0), int(request.get("maxResults") or _PAGE)
        token = str(first + size) if first + size < len(found) else None
        page = [definition.arn for definition in found[first : first + size]]
        return ActionResult({"taskDefinitionArns": page, "nextToken": token})

    def deregister_task_definition(self: EC2ContainerServiceResponse) -> ActionResult:
        name = self._get_params()["taskDefinition"]
        if ":" in name.split("/")[-1] and agent.definition(name).status == "DELETE_IN_PROGRESS":
            # The text is not AWS's; the reference describes the way from ACTIVE to INACTIVE only.
            raise EcsClientException("The specified task definition is being deleted.")
        definition = originals["deregister_task_definition"](self).result["taskDefinition"]
        shown[definition.arn].setdefault("deregisteredAt", core.clock.now())
        return ActionResult({"taskDefinition": whole(definition)})

    def delete_task_definitions(self: EC2ContainerServiceResponse) -> ActionResult:
        result: Any = originals["delete_task_definitions"](self).result
        for definition in result["taskDefinitions"]:
            # Where the next revision's number comes from.
            agent.backend.task_definitions[definition.family][definition.revision] = definition
            shown[definition.arn].setdefault("deleteRequestedAt", core.clock.now())
        return ActionResult(result | {"taskDefinitions": [whole(d) for d in result["taskDefinitions"]]})

    def validate(memory: Any, containers: list[dict[str, Any]], compatibilities: Any) -> None:
        checks(memory, [{"memory": c.get("memoryReservation"), **c} for c in containers], compatibilities)

    for function in (
        register_task_definition,
        describe_task_definition,
        list_task_definitions,
        deregister_task_definition,
        delete_task_definitions,
    ):
        core.patch(response, function.__name__, function)
    core.patch(EC2ContainerServiceBackend, "_validate_container_defs", staticmethod(validate))


def with_defaults(request: dict[str, Any]) -> dict[str, Any]:
    """What was registered, and what ECS shows where nothing was said."""
    return {
        "volumes": [],
        "placementConstraints": [],
        **request,
        "containerDefinitions": [_container(c, request) for c in request["containerDefinitions"]],
    } | ({"volumes": [_volume(volume) for volume in request["volumes"]]} if "volumes" in request else {})


def _container(container: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    own_network = request.get("networkMode") in ("awsvpc", "host")
    shown: dict[str, Any] = {
        "cpu": 0,
        "essential": True,
        "portMappings": [],
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        **container,
    }
    shown["environment"] = sorted(shown["environment"], key=_place)
    shown["portMappings"] = [_port(port, own_network) for port in shown["portMappings"]]
    return shown


def _place(variable: dict[str, str]) -> bytes:
    return sha256(variable.get("name", "").encode()).digest()


def _port(port: dict[str, Any], own_network: bool) -> dict[str, Any]:
    host = {} if "containerPort" not in port else {"hostPort": port["containerPort"] if own_network else 0}
    return {**host, "protocol": "tcp", **port}


def _volume(volume: dict[str, Any]) -> dict[str, Any]:
    if "efsVolumeConfiguration" in volume:
        efs = {"rootDirectory": "/", **volume["efsVolumeConfiguration"]}
        return {**volume, "efsVolumeConfiguration": efs}
    return volume if volume.keys() - {"name"} else {**volume, "host": {}}


def compatibilities(request: dict[str, Any]) -> list[str]:
    """The launch types that the definition would pass for, by network mode and size."""
    on_fargate = request.get("networkMode") == "awsvpc" and "cpu" in request and "memory" in request
    fits = {"EC2", "FARGATE", "MANAGED_INSTANCES"} if on_fargate else {"EC2"}
    if request.get("networkMode") != "awsvpc":
        fits.add("EXTERNAL")
    return sorted(fits | set(request.get("requiresCompatibilities", [])))


def capabilities(request: dict[str, Any]) -> Iterator[str]:
    """The attributes that a container instance must have: those that public captures show the reason of."""
    yield f"{_CAPABILITY}.docker-remote-api.1.18"
    if request.get("taskRoleArn"):
        host = request.get("networkMode") == "host"
        yield f"{_CAPABILITY}.task-iam-role{'-network-host' if host else ''}"
    if request.get("networkMode") == "awsvpc":
        yield "ecs.capability.task-eni"
    for volume in request.get("volumes", []):
        if "efsVolumeConfiguration" in volume:
            yield "ecs.capability.efs"
    for container in request["containerDefinitions"]:
        if driver := container.get("logConfiguration", {}).get("logDriver"):
            yield f"{_CAPABILITY}.logging-driver.{driver}"
        if container.get("privileged"):
            yield f"{_CAPABILITY}.privileged-container"
        if "healthCheck" in container:
            yield "ecs.capability.container-health-check"
        if container.get("dependsOn"):
            yield "ecs.capability.container-ordering"
