"""The role that a cure moves a service to: is it fit, before the switch is made?"""

from __future__ import annotations

from collections.abc import Iterator

from regrant.iam.patterns import encode_action, encode_resource, within
from regrant.iam.permissions import RolePermissions
from regrant.iam.policy import Policy, Statement
from regrant.iam.trust import ECS, trusts_ecs
from regrant.model.aws import RoleState, name_of


def problems(role: RoleState, permissions: RolePermissions, policies: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the role (which exists), as sentences; none if it is fit for the tasks.

    policies: the ARNs that the catalogue declares for the service.
    """
    name = name_of(role.arn)
    if not trusts_ecs(role.trust, role.arn.split(":")[4]):
        yield f"{name} does not let {ECS} assume it."
    for arn in permissions.nonexistent:
        yield f"{arn}, which the catalogue declares, does not exist."
    for arn in policies:
        if arn not in role.attached and arn not in permissions.nonexistent:
            yield f"{name} lacks {name_of(arn)}, which the catalogue declares."
    for policy in permissions.declared:
        yield from _blocked(policy, permissions, name)


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
        if statement.effect != "Deny" or statement.conditions or statement.unreadable:
            continue
        if _meets_action(statement, action) and any(_meets(statement, r) for r in resources or ("*",)):
            return statement.label
    return None


def _acts_on(statement: Statement, action: str) -> bool:
    if statement.not_action:
        return not any(_meet(encode_action(action), encode_action(each)) for each in statement.actions)
    return any(within(encode_action(action), encode_action(each)) for each in statement.actions)


def _reaches(statement: Statement, resource: str) -> bool:
    narrow, wide = _resource(statement, resource), _resources(statement)
    if statement.not_resource:
        return not any(_meet(narrow, each) for each in wide)
    return any(within(narrow, each) for each in wide)


def _meets_action(statement: Statement, action: str) -> bool:
    if statement.not_action:
        return not any(within(encode_action(action), encode_action(each)) for each in statement.actions)
    return any(_meet(encode_action(action), encode_action(each)) for each in statement.actions)


def _meets(statement: Statement, resource: str) -> bool:
    one, others = _resource(statement, resource), _resources(statement)
    if statement.not_resource:
        return not any(within(one, each) for each in others)
    return any(_meet(one, each) for each in others)


def _resource(statement: Statement, resource: str) -> str:
    return encode_resource(resource, statement.variables)


def _resources(statement: Statement) -> tuple[str, ...]:
    return tuple(encode_resource(each, statement.variables) for each in statement.resources)


def _meet(one: str, other: str) -> bool:
    return within(one, other) or within(other, one)
