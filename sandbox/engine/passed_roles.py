"""Which roles a call hands to another service, so that iam:PassRole is asked about them, too."""

from __future__ import annotations

from typing import Any

from moto.ecs.models import ecs_backends

from sandbox.iam import requests
from sandbox.iam.requests import ACCOUNT, REGION, Ask


def passed_roles(service: str, operation: str, parameters: dict[str, Any]) -> list[Ask]:
    """The questions about the roles in a call of a service."""
    if service == "ecs":
        return _to_tasks(operation, parameters)
    if service == "scheduler" and "Target" in parameters:
        return [requests.pass_role(parameters["Target"]["RoleArn"], "scheduler.amazonaws.com")]
    if service == "codebuild" and (role := parameters.get("serviceRole")):
        return [requests.pass_role(role, "codebuild.amazonaws.com")]
    return []


def _to_tasks(operation: str, parameters: dict[str, Any]) -> list[Ask]:
    """Those that a task definition names.

    RegisterTaskDefinition and UpdateService ask for iam:PassRole (Service Authorization Reference, ECS, "API
    operations"). It does not say for which roles, nor whether one that does not change is checked. RunTask
    checks both roles, so this is the stricter reading.
    """
    roles: list[str | None] = []
    if operation == "RegisterTaskDefinition":
        roles = [parameters.get("taskRoleArn"), parameters.get("executionRoleArn")]
    elif operation == "UpdateService":
        definition = _task_definition(parameters)
        # moto has the attributes only where a role was named.
        roles = [getattr(definition, name, None) for name in ("task_role_arn", "execution_role_arn")]
    return [requests.pass_role(role, "ecs-tasks.amazonaws.com") for role in roles if role]


def _task_definition(parameters: dict[str, Any]) -> Any:
    """The revision that the service will run; None if there is no such."""
    backend = ecs_backends[ACCOUNT][REGION]
    wanted = parameters.get("taskDefinition")
    if not wanted:
        cluster = str(parameters.get("cluster") or "default").rpartition("/")[2]
        name = str(parameters.get("service")).rpartition("/")[2]
        service = backend.services.get(f"{cluster}:{name}")
        wanted = service.task_definition if service else None
    family, _, revision = str(wanted).rpartition("/")[2].partition(":")
    revisions = backend.task_definitions.get(family, {})
    active = (number for number, each in revisions.items() if each.status == "ACTIVE")
    return revisions.get(int(revision) if revision else max(active, default=0))
