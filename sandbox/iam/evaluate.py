"""Policy evaluation: may this request go ahead?

An explicit deny wins, then the permissions boundary must allow, then an identity policy must allow
(IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators"). Pure:
policies and request in, decision out. Resource policies, session policies, SCPs and RCPs are not evaluated.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeAlias

Document: TypeAlias = Mapping[str, Any]


class Decision(Enum):
    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicit deny"
    EXPLICIT_DENY = "explicit deny"


class Layer(Enum):
    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    TRUST = "role trust policy"


@dataclass(frozen=True)
class Request:
    """`context` holds condition keys in lower case; a list is a multivalued key."""

    action: str
    resource: str = "*"
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    decision: Decision
    layer: Layer | None = None

    @property
    def allowed(self) -> bool:
        return self.decision is Decision.ALLOWED

    def reason(self, action: str) -> str:
        """The end of AWS's denial sentence."""
        layer = (self.layer or Layer.IDENTITY).value
        if self.decision is Decision.EXPLICIT_DENY:
            article = {Layer.BOUNDARY: "a", Layer.TRUST: "the"}.get(self.layer or Layer.IDENTITY, "an")
            return f"with an explicit deny in {article} {layer}"
        return f"because no {layer} allows the {action} action"


def evaluate(request: Request, policies: Sequence[Document], boundary: Document | None = None) -> Verdict:
    """Identity policies, capped by the boundary if there is one."""
    identity = _decide(request, policies)
    capped = Decision.ALLOWED if boundary is None else _decide(request, [boundary])
    for layer, decision in ((Layer.IDENTITY, identity), (Layer.BOUNDARY, capped)):
        if decision is Decision.EXPLICIT_DENY:
            return Verdict(decision, layer)
    if identity is not Decision.ALLOWED:
        return Verdict(identity, Layer.IDENTITY)
    if capped is not Decision.ALLOWED:
        return Verdict(capped, Layer.BOUNDARY)
    return Verdict(Decision.ALLOWED)


def lets_service(policy: Document, service: str, request: Request) -> bool:
    """Whether a resource's own policy, or a role's trust policy, lets an AWS service (its principal) in."""
    return says(policy, lambda each: names(each, "Service", {service}), request) is Decision.ALLOWED


def says(policy: Document, concerned: Callable[[Document], bool], request: Request) -> Decision:
    """What a resource's own policy decides by those of its statements that concern the caller."""
    statements = [each for each in _items(policy.get("Statement", [])) if concerned(each)]
    return _decide(request, [{"Statement": statements}])


def names(statement: Document, kind: str, principals: Set[str]) -> bool:
    """Whether the statement is about one of these principals of a kind: AWS or Service."""
    principal = statement.get("Principal", {})
    return principal == "*" or any(each in principals for each in _items(principal.get(kind, [])))


def _decide(request: Request, policies: Sequence[Document]) -> Decision:
    decision = Decision.IMPLICIT_DENY
    for policy in policies:
        for statement in _items(policy.get("Statement", [])):
            if _applies(statement, request):
                if statement["Effect"] == "Deny":
                    return Decision.EXPLICIT_DENY
                decision = Decision.ALLOWED
    return decision


def _applies(statement: Document, request: Request) -> bool:
    if "Action" in statement:
        acts = any(_like(pattern.lower(), request.action.lower()) for pattern in _items(statement["Action"]))
    else:
        patterns = _items(statement["NotAction"])
        acts = not any(_like(pattern.lower(), request.action.lower()) for pattern in patterns)
    return acts and _concerns(statement, request) and _holds(statement.get("Condition", {}), request)


def _concerns(statement: Document, request: Request) -> bool:
    if "NotResource" in statement:
        patterns = _items(statement["NotResource"])
        return not any(_like(_substitute(pattern, request), request.resource) for pattern in patterns)
    return any(
        _like(_substitute(pattern, request), request.resource)
        for pattern in _items(statement.get("Resource", "*"))
    )


def _holds(conditions: Document, request: Request) -> bool:
    """All operators and all keys must hold; of a key's values one is enough."""
    return all(
        _key_holds(operator, key.lower(), [_text(value) for value in _items(wanted)], request)
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _key_holds(operator: str, key: str, wanted: list[str], request: Request) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    present = key in request.context
    if name == "Null":
        return any((value.lower() == "true") != present for value in wanted)
    actual = [_text(value) for value in _items(request.context.get(key, []))]
    negated = name in _NEGATED
    test = _OPERATORS[_NEGATED.get(name, name)]
    wanted = [_substitute(value, request) for value in wanted]

    def matches(value: str) -> bool:
        # A negated operator holds if none of its values match.
        return any(_safely(test, value, pattern) for pattern in wanted) != negated

    if quantifier == "ForAllValues":
        return all(matches(value) for value in actual)
    if quantifier == "ForAnyValue":
        return any(matches(value) for value in actual)
    if not present:
        return if_exists or negated
    return all(matches(value) for value in actual)


def _safely(test: Callable[[str, str], bool], value: str, pattern: str) -> bool:
    try:
        return test(value, pattern)
    except ValueError:  # a value of the wrong kind does not match
        return False


def _moment(value: str) -> datetime:
    if value.isdigit():
        return datetime.fromtimestamp(int(value), UTC)
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _arn_like(value: str, pattern: str) -> bool:
    """Each of the six parts is matched on its own, so that a wildcard cannot cross a colon."""
    have, want = value.split(":", 5), pattern.split(":", 5)
    return len(have) == len(want) and all(_like(w, h) for w, h in zip(want, have, strict=True))


def _in_network(value: str, network: str) -> bool:
    return ipaddress.ip_address(value) in ipaddress.ip_network(network, strict=False)


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, pattern: value == pattern,
    "StringEqualsIgnoreCase": lambda value, pattern: value.lower() == pattern.lower(),
    "StringLike": lambda value, pattern: _like(pattern, value),
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda value, pattern: value.lower() == pattern.lower(),
    "BinaryEquals": lambda value, pattern: value == pattern,
    "IpAddress": _in_network,
    "NumericEquals": lambda value, pattern: float(value) == float(pattern),
    "NumericLessThan": lambda value, pattern: float(value) < float(pattern),
    "NumericLessThanEquals": lambda value, pattern: float(value) <= float(pattern),
    "NumericGreaterThan": lambda value, pattern: float(value) > float(pattern),
    "NumericGreaterThanEquals": lambda value, pattern: float(value) >= float(pattern),
    "DateEquals": lambda value, pattern: _moment(value) == _moment(pattern),
    "DateLessThan": lambda value, pattern: _moment(value) < _moment(pattern),
    "DateLessThanEquals": lambda value, pattern: _moment(value) <= _moment(pattern),
    "DateGreaterThan": lambda value, pattern: _moment(value) > _moment(pattern),
    "DateGreaterThanEquals": lambda value, pattern: _moment(value) >= _moment(pattern),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}


def _substitute(pattern: str, request: Request) -> str:
    """Policy variables: ${aws:PrincipalArn}; ${*}, ${?} and ${$} are the characters themselves."""

    def value(match: re.Match[str]) -> str:
        name, _, default = match.group(1).partition(",")
        found = request.context.get(name.strip().lower(), default.strip().strip("'") or match.group(0))
        return match.group(1) if name in ("*", "?", "$") else _text(_items(found)[0])

    return re.sub(r"\$\{([^}]*)\}", value, pattern) if "${" in pattern else pattern


def _like(pattern: str, value: str) -> bool:
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
