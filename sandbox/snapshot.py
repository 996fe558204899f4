"""The whole account as text, and its SHA-256: an outside witness for "put back exactly".

It reads with administrator's clients and shares no code with what it judges (functions/regrant/baseline.py).
Left out is what a run may not and cannot put back: the journal, logs, ids and times of deployments, metrics.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.account import LocalAccount


def snapshot(account: LocalAccount) -> dict[str, Any]:
    """Every role, policy, service and parameter."""
    iam, ecs, ssm = account.client("iam"), account.client("ecs"), account.client("ssm")
    return {
        "roles": {r["RoleName"]: _role(iam, r) for r in _pages(iam, "list_roles", "Roles")},
        "policies": {
            p["Arn"]: _policy(iam, p) for p in _pages(iam, "list_policies", "Policies", Scope="Local")
        },
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


def _role(iam: Any, role: dict[str, Any]) -> dict[str, Any]:
    name = role["RoleName"]
    attached = _pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
    inline = _pages(iam, "list_role_policies", "PolicyNames", RoleName=name)
    return {
        "attached": sorted(policy["PolicyArn"] for policy in attached),
        "inline": {p: iam.get_role_policy(RoleName=name, PolicyName=p)["PolicyDocument"] for p in inline},
        "trust": role["AssumeRolePolicyDocument"],
        "boundary": iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary"),
        "tags": {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName=name)["Tags"]},
    }


def _policy(iam: Any, policy: dict[str, Any]) -> Any:
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
    return version["PolicyVersion"]["Document"]


def _service(ecs: Any, cluster: str, arn: str) -> dict[str, Any]:
    service = ecs.describe_services(cluster=cluster, services=[arn])["services"][0]
    kept = ("status", "taskDefinition", "desiredCount", "runningCount", "deploymentConfiguration")
    deployments = [(d["taskDefinition"], d["status"], d["rolloutState"]) for d in service["deployments"]]
    return {key: service[key] for key in kept} | {"deployments": deployments}


def _pages(client: Any, operation: str, key: str, **query: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**query):
        yield from page[key]
