"""Who else depends on a grant: services of the catalogue that run with the role and declare the policy."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.results import Refusal
from regrant.opening.catalogue import read_entry
from regrant.parallel import both, each
from regrant.ports import Account, Services


class Dependents(msgspec.Struct, frozen=True):
    """The other services (`cluster/name`) that run with a role: by policy (ARN) those that declare it, and
    those whose entry cannot be read."""

    declaring: Mapping[str, tuple[str, ...]] = {}
    unread: tuple[str, ...] = ()


def needed_by_others(
    role: str,
    policies: tuple[str, ...],
    service: Service,
    aws: Account,
    now: str,
) -> Dependents:
    """The other services that run with the role (ARN) and declare one of the policies (ARNs), or may.

    An entry that cannot be read says nothing, whoever has made it so: it must not hold a grant for good.
    """
    entries, allowed = both(aws.catalogue.entries, lambda: aws.allowed.read(now, "policies", "clusters"))
    prefix = aws.settings.catalogue_prefix
    others = {
        other: declared
        for other, text in entries.items()
        if other != service
        and allowed.cluster_is_managed(other.cluster)
        and (declared := _declared(read_entry(text, other, allowed, prefix), policies)) != frozenset()
    }
    running = each(lambda other: _runs_with(role, other, aws.services), tuple(others))
    dependents = [other for other, runs in zip(others, running, strict=True) if runs]
    declaring = {
        policy: tuple(sorted(str(o) for o in dependents if policy in (others[o] or ())))
        for policy in policies
    }
    return Dependents(declaring, tuple(sorted(str(o) for o in dependents if others[o] is None)))


def _declared(entry: CatalogueEntry | Refusal, policies: tuple[str, ...]) -> frozenset[str] | None:
    """Which of the policies; None where that cannot be known."""
    return frozenset(entry.policies) & frozenset(policies) if isinstance(entry, CatalogueEntry) else None


def _runs_with(role: str, service: Service, services: Services) -> bool:
    state = services.describe(service)
    if state is None or state.status != "ACTIVE":
        return False
    # During a rollout the tasks of either revision may depend on it.
    return any(services.task_definition(revision).task_role == role for revision in state.revisions)
