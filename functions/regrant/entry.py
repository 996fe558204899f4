"""A service, and what its catalogue entry says of it."""

from __future__ import annotations

from typing import Literal

import msgspec


class Service(msgspec.Struct, frozen=True):
    """An ECS service, written `cluster/name` by people."""

    cluster: str
    name: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.name}"


class HealthPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What proves that the service works: `success` in its log, no denial, a queue that drains.

    queue and dead_letter_queue are SQS ARNs; samples is how many good samples in a row are the proof.
    """

    success: str
    queue: str | None = None
    dead_letter_queue: str | None = None
    samples: int = 3


class CatalogueEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one service is entitled to: SSM parameter `/regrant/services/<cluster>/<service>`.

    task_role and policies are ARNs. redeploy says whether a contained service's tasks are replaced, approval
    whether a person must say yes before anything is changed.
    """

    task_role: str
    policies: tuple[str, ...]
    health: HealthPolicy
    redeploy: Literal["always", "never"] = "always"
    approval: Literal["none", "required"] = "none"
