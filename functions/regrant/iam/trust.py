"""Trust policies: which AWS services may assume a role (IAM user guide, "Roles terms and concepts")."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from regrant.iam.patterns import match_action

ECS = "ecs-tasks.amazonaws.com"
_ECS = (ECS,)
# What a trust policy for ECS tasks may ask for without shutting them out (ECS developer guide, Task IAM role:
# confused deputy). Anything else may.
_HARMLESS = ("aws:sourceaccount", "aws:sourcearn")


def trusts_ecs(trust: Any, account: str) -> bool:
    """Whether ECS may assume the role for the account's tasks, for certain."""
    about = _about_assuming(trust)
    allowed = any(s.get("Effect") == "Allow" and _lets_in(s, account) for s in about)
    return allowed and not any(s.get("Effect") == "Deny" and _shuts_out(s, account) for s in about)


def names(trust: Any, services: Collection[str]) -> bool:
    """Whether the role is for one of these services: an Allow names it, on whatever conditions."""
    return any(
        s.get("Effect") == "Allow" and _names(s.get("Principal"), services) for s in _about_assuming(trust)
    )


def _about_assuming(trust: Any) -> list[Mapping[str, Any]]:
    statements = trust.get("Statement", []) if isinstance(trust, Mapping) else []
    statements = statements if isinstance(statements, list) else [statements]
    return [s for s in statements if isinstance(s, Mapping) and _acts(s)]


def _acts(statement: Mapping[str, Any]) -> bool:
    """On sts:AssumeRole, which is how ECS gets a task's credentials."""
    inside = any(match_action(each, "sts:AssumeRole").possible for each in _texts(statement.get("Action")))
    outside = "NotAction" in statement and not any(
        match_action(each, "sts:AssumeRole").possible for each in _texts(statement["NotAction"])
    )
    return inside or outside


def _lets_in(statement: Mapping[str, Any], account: str) -> bool:
    return _names(statement.get("Principal"), _ECS) and all(
        key.lower() in _HARMLESS and not negated and any(_is_ours(key, value, account) for value in values)
        for key, negated, values in _conditions(statement)
    )


def _shuts_out(statement: Mapping[str, Any], account: str) -> bool:
    """Unless it is for everybody but this account's own services, as a guard against confused deputies is."""
    principal = statement.get("Principal")
    everybody = isinstance(principal, Mapping) and "*" in _texts(principal.get("AWS"))
    excepted = _names(statement.get("NotPrincipal"), _ECS) if "NotPrincipal" in statement else True
    if not (_names(principal, _ECS) or everybody or not excepted):
        return False
    return not any(
        key.lower() in _HARMLESS and negated and any(_is_ours(key, value, account) for value in values)
        for key, negated, values in _conditions(statement)
    )


def _names(principal: Any, services: Collection[str]) -> bool:
    if principal == "*":
        return True
    named = _texts(principal.get("Service")) if isinstance(principal, Mapping) else ()
    return any(service.lower() in (*services, "*") for service in named)


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, bool, tuple[str, ...]]]:
    """Each key, whether its operator negates, and its values. What cannot be read is a key of no name."""
    conditions = statement.get("Condition") or {}
    if not isinstance(conditions, Mapping) or not all(isinstance(k, Mapping) for k in conditions.values()):
        yield "", False, ()
        return
    for operator, keys in conditions.items():
        for key, values in keys.items():
            yield str(key), "not" in str(operator).lower(), _texts(values)


def _is_ours(key: str, value: str, account: str) -> bool:
    """All of this account's tasks: ECS knows no narrower source (developer guide, Task IAM role)."""
    if key.lower() == "aws:sourceaccount":
        return value == account
    _, _, service, _, owner, resource = (*value.split(":", 5), *[""] * 5)[:6]
    return value == "*" or (service in ("ecs", "*") and owner in (account, "*") and resource == "*")


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(each for each in values if isinstance(each, str))
