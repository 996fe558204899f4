"""The baseline: role and service in a canonical form whose SHA-256 says whether two moments are equal.

A state is flattened to facts, one line each (`role.attached.<arn> = true`), so that a difference can be
named, and what somebody else changed is distinguished from what we changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.leases import PATIENCE
from regrant.model.aws import Baseline, RoleState, ServiceState
from regrant.model.journal import Change, Hold
from regrant.model.results import Receipt

# No fact, so that the first policy on a role is one difference, not two.
_EMPTY = frozenset({"role.attached = {}", "role.inline = {}", "role.tags = {}"})


# Seconds after which a read is not stale any more: a policy that is there then was attached again. What an
# undo has undone bears the time of the step's first try.
_SETTLED = PATIENCE + 200.0

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
            **({"id": role.id} if role.id else {}),
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


def compare(
    before: Baseline,
    role: RoleState | None,
    service: ServiceState | None,
    changes: tuple[Change, ...],
    others: tuple[Hold, ...],
    now: str,
    active: tuple[str, ...] = (),
    ended: tuple[Hold, ...] = (),
) -> Receipt:
    """The receipt: equal hashes once others' changes are set aside; `diff` is what is left of ours.

    Ours can only be what `changes` say (see `_ours`), so every other difference is somebody else's. The
    temporary grants of `others` (incidents) are no state of the role's, neither in the baseline nor now,
    unless this incident withdrew them. A role that was deleted and made again is somebody else's change,
    too. active: the revisions (ARNs) that it registered and that still are. ended: the grants on the role
    that other runs have ended since the baseline.
    """
    was = without(before.role, before.granted)
    if role and not was.id:  # of a version that did not read ids
        role = replace(role, id="")
    foreign = tuple(hold for hold in others if hold.policy not in was.attached)
    grants = tuple(hold.policy for hold in foreign)
    old = facts(was, before.service)
    new = facts(without(role, grants) if role else None, service)
    new |= {f"revision.{arn} = true" for arn in active}
    added, removed = _ours(changes, old, new, now)
    foreign_added, foreign_removed = new - old - added, old - new - removed
    own = (new - foreign_added) | foreign_removed
    by_runs = {_attached(hold.policy): hold for hold in ended if _attached(hold.policy) in foreign_removed}
    return Receipt(
        before=fingerprint(old),
        after=fingerprint(own),
        observed=fingerprint(new),
        equal=old == own,
        at=now,
        diff=(*(f"+ {line}" for line in sorted(own - old)), *(f"- {line}" for line in sorted(old - own))),
        changed_by_others=tuple(
            [f"+ {line}"[:_LINE] for line in sorted(foreign_added)]
            + [f"- {line}"[:_LINE] for line in sorted(foreign_removed - {*by_runs})]
        ),
        ended_by_others=tuple(_ended_by(by_runs[line]) for line in sorted(by_runs)),
        grants_of_others=tuple(
            f"{hold.policy} for {hold.service}, run {hold.incident}"
            for hold in foreign
            if role and hold.policy in role.attached
        ),
    )


def _ours(
    changes: tuple[Change, ...], old: frozenset[str], new: frozenset[str], now: str
) -> tuple[frozenset[str], frozenset[str]]:
    """The facts that this incident may have added and taken away.

    An attachment that was taken off (or put back), as IAM has shown or a while ago, and is there (or gone)
    again is somebody else's; so is what the undo left. A revision that is in use now where ours was put back
    since is, too: ECS has one revision for a service.
    """
    added, removed = set[str](), set[str]()
    for change in changes:
        undone_at = change.undone_at
        late = undone_at is not None and seconds_between(undone_at, now) > _SETTLED
        settled = undone_at is not None and (change.shown_at is not None or late)
        if change.kind in ("attach", "withdraw") and not settled:
            (added if change.kind == "attach" else removed).add(_attached(change.value))
        elif change.kind == "register":
            in_use = f'service.task_definition = "{change.value}"'
            added |= {in_use, f"service.revisions.{change.value} = true"}
            if change.left_for is None:  # else somebody else runs it
                added.add(f"revision.{change.value} = true")
            if in_use in new:
                removed |= {
                    line for line in old if line.startswith(("service.task_def", "service.revisions."))
                }
    return frozenset(added), frozenset(removed)


def _ended_by(hold: Hold) -> str:
    undo = "the undo of " if hold.dropped_by == hold.incident else ""
    return f"{hold.policy}, by {undo}run {hold.dropped_by}"


def _attached(policy: str) -> str:
    return f"role.attached.{policy} = true"


def without(role: RoleState, policies: tuple[str, ...]) -> RoleState:
    """The role as it would be without those attachments."""
    return replace(role, attached=tuple(policy for policy in role.attached if policy not in policies))


def attached_before(baseline: Baseline | None) -> tuple[str, ...]:
    """The policies (ARNs) that are never detached: on the role before us, and not as somebody's grant."""
    return without(baseline.role, baseline.granted).attached if baseline else ()


def granted_by_others(held: tuple[Hold, ...], incident: str) -> tuple[str, ...]:
    """The policies (ARNs) that incidents other than this one hold."""
    return tuple(sorted({hold.policy for hold in held if hold.incident != incident}))


def _flatten(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key in value:
            yield from _flatten(f"{path}.{key}" if path else str(key), value[key])
    else:
        yield path, json.dumps(value, sort_keys=True)
