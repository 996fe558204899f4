"""The baseline: role and service in a canonical form whose SHA-256 says whether two moments are equal.

A state is flattened to facts, one line each (`role.attached.<arn> = true`), so that a difference can be
named, and what somebody else changed can be told from what we changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from regrant.concurrency import all_three, both
from regrant.errors import RoleGone, ServiceChanged, ServiceGone
from regrant.evidence import waiting
from regrant.models import BaselineMark, Change, Incident, Plan, Receipt, Service
from regrant.ports import Journal, Queues, Roles, Services
from regrant.resources import Baseline, RoleState, ServiceState
from regrant.wire import seconds_between

# No fact, so that the first policy on a role is one difference, not two.
_EMPTY = frozenset({"role.attached = {}", "role.inline = {}", "role.tags = {}"})


# Seconds after which a read is not stale any more: a policy that is there then was attached again.
_SETTLED = 900.0

# A failed execution's cause holds the report in 32,768 characters (API reference, SensitiveCause).
_LINE = 200


def facts(role: RoleState | None, service: ServiceState | None) -> frozenset[str]:
    """Role and service as lines `path = JSON`; one that is gone is one fact.

    Deployment ids, counts and times are not state to restore.
    """
    canonical: dict[str, Any] = {"role": "gone", "service": "gone"}
    if role:
        canonical["role"] = {
            "arn": role.arn,
            "attached": dict.fromkeys(role.attached, True),
            "inline": role.inline,
            "boundary": role.boundary,
            "trust": role.trust,
            "tags": role.tags,
        }
    if service:
        canonical["service"] = {
            "arn": service.arn,
            "status": service.status,
            "task_definition": service.task_definition,
            "desired_count": service.desired_count,
            "deployment_configuration": service.deployment_configuration,
            "revisions": dict.fromkeys((d.task_definition for d in service.deployments), True),
        }
    lines = (f"{path} = {value}" for path, value in _flatten("", canonical))
    return frozenset(lines) - _EMPTY


def fingerprint(lines: frozenset[str]) -> str:
    """SHA-256 of the facts, in order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def capture(
    incident: Incident,
    plan: Plan,
    services: Services,
    roles: Roles,
    queues: Queues,
    journal: Journal,
    now: str,
) -> BaselineMark:
    """Record role and service before the first change. A second call keeps the first baseline.

    Raises ServiceChanged if the service runs another revision than the one that was diagnosed.
    """
    service, entry = incident.service, incident.entry
    assert service is not None and entry is not None
    role, state, depths = all_three(
        lambda: _read(roles, plan.role),
        lambda: existing_service(services, service),
        lambda: both(
            lambda: waiting(queues, entry.health.queue),
            lambda: waiting(queues, entry.health.dead_letter_queue),
        ),
    )
    if plan.task_definition not in (None, state.task_definition):
        raise ServiceChanged(f"{state.task_definition} was deployed since the diagnosis; start again.")
    kept = journal.keep_baseline(
        incident.id, Baseline(service_key=str(service), role=role, service=state, captured_at=now)
    )
    primary = kept.service.primary
    return BaselineMark(
        sha256=fingerprint(facts(kept.role, kept.service)),
        at=kept.captured_at,
        primary_deployment=primary.id if primary else "",
        task_definition=kept.service.task_definition,
        backlog=depths[0],
        dead_letters=depths[1],
    )


def compare(
    before: Baseline,
    role: RoleState | None,
    service: ServiceState | None,
    changes: tuple[Change, ...],
    now: str,
) -> Receipt:
    """The receipt: equal hashes once others' changes are set aside; `diff` is what is left of ours.

    The only fact that a run of ours can add is an attachment (it never names a revision, a count or a
    configuration in UpdateService), so every other difference is somebody else's. So is an attachment that
    was taken off a while ago and is there again.
    """
    old, new = facts(before.role, before.service), facts(role, service)
    ours = frozenset(
        f"role.attached.{c.value} = true"
        for c in changes
        if c.kind == "attach" and not (c.undone_at and seconds_between(c.undone_at, now) > _SETTLED)
    )
    foreign_added, foreign_removed = new - old - ours, old - new
    mine = (new - foreign_added) | foreign_removed
    return Receipt(
        before=fingerprint(old),
        after=fingerprint(mine),
        observed=fingerprint(new),
        equal=old == mine,
        at=now,
        diff=tuple(f"+ {line}" for line in sorted(mine - old)),
        changed_by_others=tuple(
            [f"+ {line}"[:_LINE] for line in sorted(foreign_added)]
            + [f"- {line}"[:_LINE] for line in sorted(foreign_removed)]
        ),
    )


def existing_service(services: Services, service: Service) -> ServiceState:
    """The service, which the run has seen before. Raises ServiceGone."""
    state = services.describe(service)
    if state is None:
        raise ServiceGone(f"{service} is gone.")
    return state


def _read(roles: Roles, role: str) -> RoleState:
    state = roles.read(role)
    if state is None:
        raise RoleGone(f"{role} is gone.")
    return state


def _flatten(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key in value:
            yield from _flatten(f"{path}.{key}" if path else str(key), value[key])
    else:
        yield path, json.dumps(value, sort_keys=True)
