"""The baseline: role and service in a canonical form whose SHA-256 says whether two moments are equal.

A state is flattened to facts, one line each (`role.attached.<arn> = true`), so that a difference can be
named, and what somebody else changed can be told from what we changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from regrant.concurrency import all_three, both
from regrant.entry import Service
from regrant.errors import AccountMoved, RoleGone, ServiceGone
from regrant.evidence import waiting
from regrant.models import BaselineMark, Diagnosis, Incident, Receipt, Seen
from regrant.permissions import RolePermissions
from regrant.ports import Holds, Journal, Queues, Roles, Services
from regrant.records import Change, Hold
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


def see(permissions: RolePermissions, attach: tuple[str, ...]) -> Seen:
    """The role as the plan was made from it, and the versions of the policies (ARNs) to attach."""
    assert permissions.state is not None
    versions = {policy.arn: policy.version for policy in permissions.declared if policy.arn in attach}
    return Seen(permissions.attached, _rest(permissions.state), versions)


def moved(seen: Seen, role: RoleState, granted: tuple[str, ...]) -> tuple[str, ...]:
    """What is different from when the plan was made; what other incidents were `granted` meanwhile is not."""
    attachments = tuple(sorted(({*seen.attached} ^ {*role.attached}) - {*granted}))
    return (*attachments, *(["the role itself"] if _rest(role) != seen.rest else []))


def _rest(role: RoleState) -> str:
    return fingerprint(facts(replace(role, attached=()), None))


def capture(
    incident: Incident,
    diagnosis: Diagnosis,
    services: Services,
    roles: Roles,
    queues: Queues,
    holds: Holds,
    journal: Journal,
    now: str,
) -> BaselineMark:
    """Record role and service before the first change. A second call keeps the first baseline.

    Raises AccountMoved if they are not what the plan was made from: one of the two reads was stale, or
    somebody changed something meanwhile. Where a person approved it, the policies' versions count as well.
    """
    service, entry, plan, seen = incident.service, incident.entry, diagnosis.plan, diagnosis.seen
    assert service is not None and entry is not None and plan is not None and seen is not None
    (role, held), state, depths = all_three(
        lambda: both(lambda: _read(roles, plan.role), lambda: holds.of(plan.role)),
        lambda: existing_service(services, service),
        lambda: both(
            lambda: waiting(queues, entry.health.queue),
            lambda: waiting(queues, entry.health.dead_letter_queue),
        ),
    )
    granted = granted_by_others(held, incident.id)
    if plan.task_definition not in (None, state.task_definition):
        raise AccountMoved(f"{state.task_definition} was deployed since the diagnosis.")
    if changed := moved(seen, role, granted):
        raise AccountMoved(f"{plan.role} was changed since the diagnosis: {', '.join(changed)}.")
    if diagnosis.decision == "ASK" and roles.versions(plan.attach) != seen.versions:
        raise AccountMoved(f"A policy of the approved plan has another version: {', '.join(plan.attach)}.")
    kept = journal.keep_baseline(
        incident.id,
        Baseline(service_key=str(service), role=role, service=state, captured_at=now, granted=granted),
    )
    primary = kept.service.primary
    return BaselineMark(
        sha256=fingerprint(facts(without(kept.role, kept.granted), kept.service)),
        at=kept.captured_at,
        primary_deployment=primary.id if primary else "",
        task_definition=kept.service.task_definition,
        kept=tuple(policy for policy in plan.attach if policy in attached_before(kept)),
        backlog=depths[0],
        dead_letters=depths[1],
    )


def compare(
    before: Baseline,
    role: RoleState | None,
    service: ServiceState | None,
    changes: tuple[Change, ...],
    others: tuple[Hold, ...],
    now: str,
) -> Receipt:
    """The receipt: equal hashes once others' changes are set aside; `diff` is what is left of ours.

    The only fact that a run of ours can add is an attachment (it never names a revision, a count or a
    configuration in UpdateService), so every other difference is somebody else's. So is an attachment that
    was taken off a while ago and is there again. The temporary grants of `others` (incidents) are no state of
    the role's, neither in the baseline nor now.
    """
    grants = tuple(hold.policy for hold in others)
    old = facts(without(before.role, before.granted), before.service)
    new = facts(without(role, grants) if role else None, service)
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
        grants_of_others=tuple(
            f"{hold.policy} for {hold.service}, run {hold.incident}"
            for hold in others
            if role and hold.policy in role.attached
        ),
    )


def without(role: RoleState, policies: tuple[str, ...]) -> RoleState:
    """The role as it would be without those attachments."""
    return replace(role, attached=tuple(policy for policy in role.attached if policy not in policies))


def attached_before(baseline: Baseline | None) -> tuple[str, ...]:
    """The policies (ARNs) that are never detached: on the role before us, and not as somebody's grant."""
    return without(baseline.role, baseline.granted).attached if baseline else ()


def granted_by_others(held: tuple[Hold, ...], incident: str) -> tuple[str, ...]:
    """The policies (ARNs) that incidents other than this one hold."""
    return tuple(sorted({hold.policy for hold in held if hold.incident != incident}))


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
