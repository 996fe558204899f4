"""What no gate lets through."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from regrant_terraform.plans.plan import KNOWN, Change, Plan

AWS = "registry.terraform.io/hashicorp/aws"
ALL_SAID = 100
"""Objections that a result has; a plan of thousands of resources would fill it."""


def objections(plan: Plan) -> Iterator[str]:
    raw = plan.raw
    if raw.get("complete") is not True:
        yield "the plan is not complete"
    if raw.get("errored") is not False:
        yield "the plan has ended in an error"
    for member in sorted(raw.keys() - KNOWN):
        yield f"the plan has {member}, which this gate does not know"
    for name, change in sorted((raw.get("output_changes") or {}).items()):
        if change.get("actions") != ["no-op"]:
            yield f"output.{name}: would {'/'.join(map(str, change.get('actions') or ['?']))}"
    for check in raw.get("checks") or []:
        if check.get("status") not in ("pass", "unknown"):
            address = (check.get("address") or {}).get("to_display", "a check")
            yield f"{address}: its check says {check.get('status')}"
    for deferred in raw.get("deferred_changes") or []:
        address = (deferred.get("resource_change") or deferred).get("address", "a resource")
        yield f"{address}: its change is deferred"


def left_alone(change: Change) -> Iterator[str]:
    """Objections to a resource that the plan has no business with."""
    if change.deposed:
        yield change.says(f"has a left-over object {change.deposed}, which would be destroyed")
    elif change.importing is not None:
        yield change.says(f"would be imported as {change.importing.get('id')}")
    elif change.previous_address:
        yield change.says(f"would be moved from {change.previous_address}")
    elif change.mode == "data":
        yield change.says("would be read during the apply, so what it gives is not known yet")
    elif not change.idle:
        names = ", ".join(sorted(change.differing()))[:200]
        yield change.says(f"would {'/'.join(change.actions)} ({names or 'nothing shown'})")
    elif differing := sorted(change.differing()):
        yield change.says(f"is called unchanged, but {', '.join(differing)} differs")


def special(change: Change) -> bool:
    """More than a change of what the resource says: an import, a move, a left-over object."""
    return bool(change.deposed or change.importing is not None or change.previous_address)


def idle(change: Change) -> bool:
    return change.idle and not special(change) and not change.differing()


def provisioners(plan: Plan, change: Change) -> Iterator[str]:
    """A provisioner is a command that an apply runs. The changes do not show it, the configuration does."""
    resource = configured(plan, change)
    for each in resource.get("provisioners") or []:
        yield change.says(f"would run a provisioner ({each.get('type')})")


def configured(plan: Plan, change: Change) -> Mapping[str, Any]:
    """The resource's block in the configuration: one for all of a `for_each`, without indexes."""
    module: Mapping[str, Any] = (plan.raw.get("configuration") or {}).get("root_module") or {}
    for name in module_names(change.module):
        module = ((module.get("module_calls") or {}).get(name) or {}).get("module") or {}
    local = change.address.removeprefix(f"{change.module}." if change.module else "").split("[")[0]
    return next((r for r in module.get("resources") or [] if r.get("address") == local), {})


def module_names(address: str) -> list[str]:
    """`a`, `b` of module.a["x.y"].module.b."""
    return re.findall(r"(?:^|\.)module\.([^.\[]+)", re.sub(r'\["(?:[^"\\]|\\.)*"\]', "", address))


def limited(found: list[str]) -> list[str]:
    rest = len(found) - ALL_SAID
    return found if rest <= 0 else [*found[:ALL_SAID], f"and {rest} more"]
