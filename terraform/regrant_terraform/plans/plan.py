"""A plan as `terraform show -json` prints it, read into frozen types.

The format: https://developer.hashicorp.com/terraform/internals/json-format. What is not of the expected shape
is refused: a gate that guesses is no gate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from regrant_terraform.errors import Refused

KNOWN = {
    *("format_version", "terraform_version", "variables", "planned_values", "resource_changes"),
    *("resource_drift", "output_changes", "prior_state", "configuration", "relevant_attributes", "checks"),
    *("timestamp", "applyable", "complete", "errored", "deferred_changes"),
}
"""Members of a plan that 1.11 writes. A later version's may be a further way to change something."""


@dataclass(frozen=True)
class Change:
    """What a plan does with one resource. `before` and `after` are as Terraform writes them."""

    address: str
    module: str
    mode: str
    type: str
    provider: str
    actions: tuple[str, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    unknown: Mapping[str, Any]
    """Attributes that are known after the apply only: true, or a structure that has a true somewhere."""
    importing: Mapping[str, Any] | None
    previous_address: str
    deposed: str
    reason: str
    replace_paths: object

    @property
    def idle(self) -> bool:
        return self.actions == ("no-op",)

    def says(self, why: str) -> str:
        return f"{self.address}: {why}"

    def differing(self) -> set[str]:
        """Attributes that the change sets to something else, or that are known after the apply only."""
        names = self.before.keys() | self.after.keys()
        changed = {n for n in names if not same(self.before.get(n), self.after.get(n))}
        return changed | {name for name, value in self.unknown.items() if has_true(value)}


@dataclass(frozen=True)
class Plan:
    changes: tuple[Change, ...]
    drift: tuple[Change, ...]
    raw: Mapping[str, Any]

    def at(self, address: str) -> Change | None:
        return next((c for c in self.changes if c.address == address and not c.deposed), None)

    @property
    def active(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if not c.idle or c.importing is not None)


def read(text: str) -> Plan:
    """Raises Refused PLAN_UNREADABLE for what is no plan."""
    try:
        raw = json.loads(text)
        if not isinstance(raw, dict) or not str(raw["format_version"]).startswith("1."):
            raise ValueError("its format is not 1.x")
        return Plan(tuple(_changes(raw, "resource_changes")), tuple(_changes(raw, "resource_drift")), raw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"terraform show -json printed no plan that can be read: {type(error).__name__} {error}"
        raise Refused("PLAN_UNREADABLE", reason[:500]) from None


def _changes(raw: Mapping[str, Any], member: str) -> Iterator[Change]:
    for each in raw.get(member) or []:
        change = each["change"]
        yield Change(
            address=str(each["address"]),
            module=str(each.get("module_address") or ""),
            mode=str(each["mode"]),
            type=str(each["type"]),
            provider=str(each["provider_name"]),
            actions=tuple(map(str, change["actions"])),
            before=dict(change.get("before") or {}),
            after=dict(change.get("after") or {}),
            unknown=dict(change.get("after_unknown") or {}),
            importing=None if change.get("importing") is None else dict(change["importing"]),
            previous_address=str(each.get("previous_address") or ""),
            deposed=str(each.get("deposed") or ""),
            reason=str(each.get("action_reason") or ""),
            replace_paths=change.get("replace_paths"),
        )


def same(one: object, other: object) -> bool:
    """Equal as JSON: true is not 1, and an object's order does not count."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def has_true(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(has_true, value.values()))
    return any(map(has_true, value)) if isinstance(value, list) else value is True
