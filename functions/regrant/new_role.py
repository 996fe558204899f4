"""The role that a cure moves a service to: is it fit, before the switch is made?"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any

from regrant.permissions import RolePermissions
from regrant.policies import Policy, Statement
from regrant.resources import RoleState, name_of

ECS = "ecs-tasks.amazonaws.com"
# What a trust policy for ECS tasks may ask for without shutting them out (ECS developer guide, Task IAM role:
# confused deputy). Anything else may.
_HARMLESS = ("aws:sourceaccount", "aws:sourcearn")


def problems(role: RoleState, permissions: RolePermissions, policies: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the role (which exists), as sentences; none if tasks can live on it.

    policies: the ARNs that the catalogue declares for the service.
    """
    name = name_of(role.arn)
    if not _trusts_ecs(role.trust, role.arn.split(":")[4]):
        yield f"{name} does not let {ECS} assume it."
    for arn in permissions.nonexistent:
        yield f"{arn}, which the catalogue declares, does not exist."
    for arn in policies:
        if arn not in role.attached and arn not in permissions.nonexistent:
            yield f"{name} lacks {name_of(arn)}, which the catalogue declares."
    for policy in permissions.declared:
        yield from _blocked(policy, permissions, name)


def _trusts_ecs(trust: Any, account: str) -> bool:
    statements = trust.get("Statement", []) if isinstance(trust, Mapping) else []
    statements = statements if isinstance(statements, list) else [statements]
    trusting = [s for s in statements if isinstance(s, Mapping) and _names_ecs(s)]
    denied = any(s.get("Effect") == "Deny" for s in trusting)
    return not denied and any(s.get("Effect") == "Allow" and _is_open(s, account) for s in trusting)


def _names_ecs(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    services = principal.get("Service", []) if isinstance(principal, Mapping) else principal
    actions = statement.get("Action", [])
    return _has(services, (ECS, "*")) and _has(actions, ("sts:AssumeRole", "sts:*", "*"))


def _has(value: Any, wanted: tuple[str, ...]) -> bool:
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return any(str(each).lower() in {w.lower() for w in wanted} for each in values)


def _is_open(statement: Mapping[str, Any], account: str) -> bool:
    """Its conditions are none, or ask for this account only."""
    conditions = statement.get("Condition") or {}
    for keys in conditions.values():
        for key, values in keys.items():
            given = [values] if isinstance(values, str) else list(values)
            if key.lower() not in _HARMLESS or not any(account in str(each) for each in given):
                return False
    return True


def _blocked(policy: Policy, permissions: RolePermissions, name: str) -> Iterator[str]:
    """What the policy allows and the role's boundary, or a Deny of its own, takes away."""
    for statement in policy.statements:
        if statement.effect != "Allow" or statement.not_action or statement.not_resource:
            continue
        for action in statement.actions:
            for denying in permissions.identity:
                if sid := _denied(denying.statements, action, statement.resources):
                    allowed = f"which {name_of(policy.arn)} allows"
                    yield f"{sid} of {name_of(denying.arn)} denies {action}, {allowed}."
            boundary = permissions.boundary
            if boundary is None:
                continue
            if sid := _denied(boundary.statements, action, statement.resources):
                yield f"{sid} of the boundary {name_of(boundary.arn)} denies {action}."
            elif not _covers(boundary.statements, action, statement.resources):
                yield (
                    f"The boundary {name_of(boundary.arn)} of {name} does not allow {action},"
                    f" which {name_of(policy.arn)} allows."
                )


def _covers(statements: tuple[Statement, ...], action: str, resources: tuple[str, ...]) -> bool:
    """Whether one Allow without conditions has the action pattern, and each resource pattern, inside its
    own."""
    allows = [s for s in statements if s.effect == "Allow" and not s.conditions and s.unreadable is None]
    return all(
        any(_acts_on(s, action) and _reaches(s, resource) for s in allows) for resource in resources or ("*",)
    )


def _denied(statements: tuple[Statement, ...], action: str, resources: tuple[str, ...]) -> str | None:
    """The label of a Deny whose patterns meet these; a conditional one may never be met, so it counts as
    none."""
    for statement in statements:
        meets = any(_meet(action.lower(), each.lower()) for each in statement.actions)
        if statement.effect == "Deny" and not statement.conditions and not statement.not_action and meets:
            on = statement.resources or ("*",)
            if statement.not_resource or any(_meet(r, each) for r in resources or ("*",) for each in on):
                return statement.label
    return None


def _acts_on(statement: Statement, action: str) -> bool:
    inside = any(_inside(action.lower(), each.lower()) for each in statement.actions)
    return inside != statement.not_action


def _reaches(statement: Statement, resource: str) -> bool:
    if statement.not_resource:
        return not any(_meet(resource, each) for each in statement.resources)
    return any(_inside(resource, each) for each in statement.resources)


def _inside(pattern: str, outer: str) -> bool:
    """Every text of the pattern is one of the outer pattern. `*` of the one is a text for `*` of the
    other."""
    return fnmatch.fnmatchcase(pattern, outer.replace("[", "[[]"))


def _meet(one: str, other: str) -> bool:
    return _inside(one, other) or _inside(other, one)
