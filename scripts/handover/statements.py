"""What the role that runs Terraform needs, each permission for itself so that it can be taken away alone.

The backend's come from Terraform's documentation of the S3 backend ("S3 Bucket Permissions", "DynamoDB Table
Permissions"), the provider's from what provider 5.100 calls for the resources of the seed; `make
handover-privileges` takes each of them away and says what fails.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from sandbox.scenarios.seeds import retainwise as seed

Statements: TypeAlias = Mapping[str, tuple[str, str | list[str]]]
"""A name each: action and resources."""

BUCKET, KEY, TABLE = "retainwise-terraform-state", "prod/terraform.tfstate", "retainwise-terraform-locks"
_STATE = f"arn:aws:s3:::{BUCKET}"
_LOCK = f"{_STATE}/{KEY}.tflock"
_ECS = f"arn:aws:ecs:{seed.REGION}:{seed.ACCOUNT}"
_TABLE = f"arn:aws:dynamodb:{seed.REGION}:{seed.ACCOUNT}:table/{TABLE}"
_QUEUES = f"arn:aws:sqs:{seed.REGION}:{seed.ACCOUNT}:{seed.QUEUE}*"


def _role(name: str) -> str:
    return f"arn:aws:iam::{seed.ACCOUNT}:role/{name}"


_ROLES = [_role(name) for name in (seed.OLD_ROLE, seed.BACKEND_ROLE, seed.WORKER_ROLE)]
_POLICIES = seed.policy_arn("*")

STATE: Statements = {
    "list the bucket": ("s3:ListBucket", _STATE),
    "read the state": ("s3:GetObject", f"{_STATE}/{KEY}"),
    "write the state": ("s3:PutObject", f"{_STATE}/{KEY}"),
}
LOCK_FILE: Statements = {
    "read the lock file": ("s3:GetObject", _LOCK),
    "write the lock file": ("s3:PutObject", _LOCK),
    "delete the lock file": ("s3:DeleteObject", _LOCK),
}
LOCK_TABLE: Statements = {
    "read the lock": ("dynamodb:GetItem", _TABLE),
    "write the lock": ("dynamodb:PutItem", _TABLE),
    "delete the lock": ("dynamodb:DeleteItem", _TABLE),
}
READ: Statements = {
    name: (action, resources)
    for name, action, resources in (
        ("read the cluster", "ecs:DescribeClusters", f"{_ECS}:cluster/{seed.CLUSTER}"),
        ("read services", "ecs:DescribeServices", f"{_ECS}:service/{seed.CLUSTER}/*"),
        ("read task definitions", "ecs:DescribeTaskDefinition", "*"),
        ("read roles", "iam:GetRole", _ROLES),
        ("read inline policies", "iam:GetRolePolicy", _ROLES),
        ("list inline policies", "iam:ListRolePolicies", _ROLES),
        ("list attachments", "iam:ListAttachedRolePolicies", _ROLES),
        ("read policies", "iam:GetPolicy", _POLICIES),
        ("read policies' versions", "iam:GetPolicyVersion", _POLICIES),
        ("read queues", "sqs:GetQueueAttributes", _QUEUES),
        ("list queues' tags", "sqs:ListQueueTags", _QUEUES),
    )
}
IMPORT: Statements = {
    "update services": ("ecs:UpdateService", f"{_ECS}:service/{seed.CLUSTER}/*"),
    "pass the old role": ("iam:PassRole", _role(seed.OLD_ROLE)),
    "pass the execution role": ("iam:PassRole", _role(seed.EXECUTION_ROLE)),
}
APPLY: Statements = {
    "register task definitions": (
        "ecs:RegisterTaskDefinition",
        [f"{_ECS}:task-definition/{name}:*" for name in (seed.BACKEND, seed.WORKER)],
    ),
    "pass the new roles": ("iam:PassRole", _ROLES[1:]),
    "pass the execution role": ("iam:PassRole", _role(seed.EXECUTION_ROLE)),
    "update services": ("ecs:UpdateService", f"{_ECS}:service/{seed.CLUSTER}/*"),
}


_ONLY = {
    # A role is passed to ECS tasks only, and of the lock table only this state's rows are touched.
    "iam:PassRole": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    "dynamodb": {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [f"{BUCKET}/{KEY}", f"{BUCKET}/{KEY}-md5"]}
    },
}


def document(statements: Statements) -> str:
    """As a policy."""
    listed = []
    for action, resources in statements.values():
        condition = _ONLY.get(action) or _ONLY.get(action.partition(":")[0])
        only = {"Condition": condition} if condition else {}
        listed.append({"Effect": "Allow", "Action": action, "Resource": resources} | only)
    return json.dumps({"Version": "2012-10-17", "Statement": listed})


def without(statements: Statements, name: str) -> Statements:
    return {each: what for each, what in statements.items() if each != name}


def first_action(statement: tuple[str, str | list[str]]) -> str:
    return statement[0]
