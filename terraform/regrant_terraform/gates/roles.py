"""The role gate: declared task definitions are replaced for their role alone, and their services follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from regrant_terraform.gates import common
from regrant_terraform.gates.services import service
from regrant_terraform.plans.containers import equal
from regrant_terraform.plans.plan import Change, Plan, has_true

OUTCOME = frozenset({"arn", "arn_without_revision", "id", "revision", "enable_fault_injection", "tags_all"})
"""Attributes of a task definition that the apply fills in. They may be unknown, never a new value."""


def objections(plan: Plan, roles: Mapping[str, str], services: Mapping[str, str]) -> list[str]:
    """`roles` has each declared task definition's role, `services` each service's task definition."""
    found = list(common.objections(plan))
    for change in plan.changes:
        if common.special(change):
            found += common.left_alone(change)
        elif change.address in roles:
            found += _definition(plan, change, roles[change.address])
        elif change.address in services:
            found += service(plan, change, services[change.address])
        else:
            found += common.left_alone(change)
    found += [
        f"{address}: is neither in the HCL nor in the state"
        for address in (*roles, *services)
        if plan.at(address) is None
    ]
    return common.limited(found)


def warnings(plan: Plan, roles: Mapping[str, str], services: Mapping[str, str]) -> list[str]:
    """What is no reason to refuse a plan, but makes its failure harder to see or to undo."""
    changes = [change for change in plan.active if change.address in roles or change.address in services]
    said = [
        change.says(
            "no create_before_destroy, so the state loses it if the new revision cannot be registered"
        )
        for change in changes
        if change.actions == ("delete", "create")
    ]
    return said + [
        change.says("no wait_for_steady_state, so the apply ends before the rollout does")
        for change in changes
        if change.address in services and change.after.get("wait_for_steady_state") is not True
    ]


def _definition(plan: Plan, change: Change, role: str) -> Iterator[str]:
    now = change.before.get("task_role_arn")
    if common.idle(change):
        if now != role:
            yield change.says(
                f"keeps the role {now}, declared is {role}: is this the HCL with the right roles?"
            )
    elif change.provider != common.AWS:
        yield change.says(f"is of another provider, {change.provider}")
    elif change.actions == ("create",):
        yield change.says(
            "would be created. If it was imported: may it not be read (ecs:DescribeTaskDefinition)?"
        )
    elif set(change.actions) != {"create", "delete"}:
        yield from common.left_alone(change)
    else:
        yield from common.provisioners(plan, change)
        yield from _replaced(change, role)


def _replaced(change: Change, role: str) -> Iterator[str]:
    before, after = change.before, change.after
    # Decisive for what forces a replacement. Tags and skip_destroy do not: they are looked at below.
    if change.replace_paths != [["task_role_arn"]]:
        yield change.says(f"is replaced because of {change.replace_paths}")
    if change.reason != "replace_because_cannot_update":
        yield change.says(f"is replaced for the reason {change.reason or '(none)'}")
    if after.get("task_role_arn") != role:
        to = after.get("task_role_arn") or "none, or one that is not known yet"
        yield change.says(f"its role would be {to}, declared is {role}")
    if before.get("skip_destroy") is not True or after.get("skip_destroy") is not True:
        yield change.says("skip_destroy is not true: the revision that an undo needs would be deregistered")
    unknown = {name for name, value in change.unknown.items() if has_true(value)}
    for name in sorted(unknown - OUTCOME - {"task_role_arn"}):
        yield change.says(f"its {name} is not known before the apply")
    filled_in = {name for name in OUTCOME & unknown if name not in after}
    looked_at = filled_in | (unknown - OUTCOME) | {"task_role_arn", "skip_destroy"}
    for name in sorted((before.keys() | after.keys()) - looked_at):
        if not equal(name, before, after):
            yield change.says(f"would change {name}")
