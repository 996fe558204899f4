"""A service, and what its catalogue entry says of it."""

from __future__ import annotations

import re
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

# ECS: up to 255 letters, digits, hyphens and underscores (API reference, CreateService and CreateCluster).
_NAME = r"[A-Za-z0-9_-]{1,255}"
_SERVICE = re.compile(rf"({_NAME})/({_NAME})")
# What people copy instead. The old ARN format has no cluster (ECS developer guide, ARNs and IDs).
_ARN = re.compile(rf"arn:aws[a-z-]*:ecs:([a-z0-9-]+):([0-9]{{12}}):service/({_NAME})/({_NAME})")
_PAGE = re.compile(
    r"https://(?:([0-9]{12})-[a-z0-9]+\.)?(?:[a-z0-9-]+\.)?console\.(?:aws\.amazon\.com|amazonaws-us-gov\.com"
    rf"|amazonaws\.cn)/ecs/[^\s]*?clusters/({_NAME})/services/({_NAME})(?![A-Za-z0-9_-])(\S*)"
)
_REGION = re.compile(
    r"https://(?:[0-9]{12}-[a-z0-9]+\.)?([a-z]{2}-[a-z0-9-]+)\.console|[?&]region=([a-z0-9-]+)"
)


class Service(msgspec.Struct, frozen=True):
    """An ECS service, written `cluster/name` by people."""

    cluster: str
    name: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.name}"


def parse_service(text: object) -> Service | None:
    """`cluster/service`; None for anything else."""
    match = _SERVICE.fullmatch(text) if isinstance(text, str) else None
    return Service(cluster=match[1], name=match[2]) if match else None


class Named(msgspec.Struct, frozen=True):
    """A service as a person named it, with the Region and account (ids) that this says, if any."""

    service: Service
    region: str | None = None
    account: str | None = None


def named_service(text: object) -> Named | None:
    """`cluster/service`, the service's ARN, or the address of its page in the ECS console."""
    text = text.strip() if isinstance(text, str) else ""
    if service := parse_service(text):
        return Named(service)
    if arn := _ARN.fullmatch(text):
        return Named(Service(cluster=arn[3], name=arn[4]), region=arn[1], account=arn[2])
    if page := _PAGE.fullmatch(text):
        region = _REGION.search(text)
        known = (region[1] or region[2]) if region else None
        return Named(Service(cluster=page[2], name=page[3]), region=known, account=page[1])
    return None


def parameter_name(prefix: str, service: Service) -> str:
    """Name of the SSM parameter with the service's entry. prefix is the stack's, and ends in a slash."""
    return f"{prefix}{service}"


class HealthPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What proves that the service works: `success` in its log, no denial, a queue that drains.

    queue and dead_letter_queue are SQS ARNs; samples is how many good samples in a row are the proof.
    """

    success: str
    queue: str | None = None
    dead_letter_queue: str | None = None
    samples: int = 3


class CatalogueEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one service is entitled to: SSM parameter `/<stack>/services/<cluster>/<service>`.

    task_role and policies are ARNs. redeploy says whether a contained service's tasks are replaced, approval
    whether a person must say yes before anything is changed. grant_ttl_hours is how long a grant lasts before
    it is tried without. ignore_actions are IAM actions (`service:Action`) whose denials say nothing of the
    service's health, and that no run repairs. managed_by says who registers the service's task definitions,
    if not the cure, and terraform_address which resource there is the task definition. terraform_state is
    the ARN of the S3 object with the state that has the role, or the policies.
    """

    task_role: str
    policies: tuple[str, ...]
    health: HealthPolicy
    redeploy: Literal["if-needed", "always", "never"] = "if-needed"
    approval: Literal["none", "required"] = "none"
    grant_ttl_hours: int = 24
    ignore_actions: tuple[str, ...] = ()
    managed_by: Literal["terraform"] | None = None
    terraform_address: str | None = None
    terraform_state: str | UnsetType | None = UNSET
