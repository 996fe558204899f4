"""Build projects: what CreateProject checks, and the defaults that it adds.

API reference, CreateProject: 60 minutes for a build, 480 for its place in the queue. CodeBuild tries the
service role there and then: a role that does not trust it is refused (hashicorp/terraform-provider-aws#7282
has the words).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.codebuild.models import codebuild_backends

from sandbox.engine.errors import AwsError
from sandbox.engine.roles import trusts
from sandbox.iam.requests import ACCOUNT, REGION, arn


def invalid(message: str) -> AwsError:
    return AwsError("InvalidInputException", 400, message)


def project_arn(name: str) -> str:
    return arn("codebuild", f"project/{name}")


def in_bounds(minutes: int) -> None:
    if not 5 <= minutes <= 2160:
        raise invalid(f"Invalid timeout: {minutes} minutes; from 5 to 2160 are allowed")


def may_assume(role: str, project: str) -> None:
    context = {"aws:sourcearn": project_arn(project), "aws:sourceaccount": ACCOUNT}
    if not trusts(role.rpartition("/")[2], "codebuild.amazonaws.com", context):
        raise invalid(f"CodeBuild is not authorized to perform: sts:AssumeRole on {role}")


def create(p: Mapping[str, Any]) -> dict[str, Any]:
    name, backend = p["name"], codebuild_backends[ACCOUNT][REGION]
    if name in backend.codebuild_projects:
        message = f"Project already exists: {project_arn(name)}"
        raise AwsError("ResourceAlreadyExistsException", 400, message)
    may_assume(p["serviceRole"], name)
    minutes = p.get("timeoutInMinutes", 60)
    in_bounds(minutes)
    shown: dict[str, Any] = backend.create_project(
        project_name=name,
        description=p.get("description"),
        project_source=dict(p["source"]),
        artifacts=dict(p["artifacts"]),
        environment={"environmentVariables": [], **p["environment"]},
        service_role=p["serviceRole"],
        tags=p.get("tags"),
        cache=p.get("cache"),
        timeout=minutes,
        queued_timeout=p.get("queuedTimeoutInMinutes", 480),
        source_version=p.get("sourceVersion"),
        logs_config=p.get("logsConfig"),
        vpc_config=p.get("vpcConfig"),
    )
    if "concurrentBuildLimit" in p:
        shown["concurrentBuildLimit"] = p["concurrentBuildLimit"]
    return shown
