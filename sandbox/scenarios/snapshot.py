"""The whole account as text, and its SHA-256: an outside witness for "put back exactly".

It reads with administrator's clients and shares no code with what it judges (regrant/baseline).
Left out is what a run may not and cannot put back: the journal, logs, ids and times of deployments, metrics.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sandbox.account import LocalAccount


def snapshot(account: LocalAccount) -> dict[str, Any]:
    """Every role, policy, service, parameter and schedule."""
    iam, ecs, ssm = account.client("iam"), account.client("ecs"), account.client("ssm")
    scheduler = account.client("scheduler")
    details = [*iam.get_paginator("get_account_authorization_details").paginate()]
    return {
        "roles": {role["RoleName"]: _role(role) for page in details for role in page["RoleDetailList"]},
        "policies": {policy["Arn"]: _policy(policy) for page in details for policy in page["Policies"]},
        "services": {
            arn: _service(ecs, cluster, arn)
            for cluster in _pages(ecs, "list_clusters", "clusterArns")
            for arn in _pages(ecs, "list_services", "serviceArns", cluster=cluster)
        },
        "task definitions": sorted(_pages(ecs, "list_task_definitions", "taskDefinitionArns")),
        "parameters": {
            p["Name"]: p["Value"]
            for p in _pages(ssm, "get_parameters_by_path", "Parameters", Path="/", Recursive=True)
        },
        "schedules": {
            s["Arn"]: _schedule(scheduler, s) for s in _pages(scheduler, "list_schedules", "Schedules")
        },
    }


def fingerprint(state: dict[str, Any]) -> str:
    """SHA-256 of the snapshot as canonical JSON."""
    return hashlib.sha256(json.dumps(state, sort_keys=True, default=str).encode()).hexdigest()


def difference(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """What is not equal, one line each."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from difference(before.get(key), after.get(key), f"{path}/{key}")
    elif before != after:
        yield f"{path}: {before!r} -> {after!r}"


def _role(role: dict[str, Any]) -> dict[str, Any]:
    return {
        "attached": sorted(policy["PolicyArn"] for policy in role["AttachedManagedPolicies"]),
        "inline": {each["PolicyName"]: each["PolicyDocument"] for each in role["RolePolicyList"]},
        "trust": role["AssumeRolePolicyDocument"],
        "boundary": role.get("PermissionsBoundary"),
        "tags": {tag["Key"]: tag["Value"] for tag in role["Tags"]},
    }


def _policy(policy: dict[str, Any]) -> Any:
    return next(v["Document"] for v in policy["PolicyVersionList"] if v["IsDefaultVersion"])


def _service(ecs: Any, cluster: str, arn: str) -> dict[str, Any]:
    service = ecs.describe_services(cluster=cluster, services=[arn])["services"][0]
    kept = ("status", "taskDefinition", "desiredCount", "runningCount", "deploymentConfiguration")
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    deployments = [(d["taskDefinition"], d["status"], d["rolloutState"]) for d in service["deployments"]]
    role = definition.get("taskRoleArn")
    return {key: service[key] for key in kept} | {"deployments": deployments, "taskRole": role}


def _schedule(scheduler: Any, found: dict[str, Any]) -> dict[str, Any]:
    schedule = scheduler.get_schedule(GroupName=found["GroupName"], Name=found["Name"])
    target = schedule["Target"]
    return {
        "expression": schedule["ScheduleExpression"],
        "target": target["Arn"],
        "input": target.get("Input"),
    }


def _pages(client: Any, operation: str, key: str, **query: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**query):
        yield from page[key]
