"""What a role's policies say about a call: allowed, denied, or how far that can be known.

Conditions need the request's context and variables its values, and neither is in a policy, so an answer
has three values: what depends on them is UNKNOWN, and says on what. ALLOWED and the denials are certain.

IAM user guide, "Policy evaluation logic", "Permissions boundaries for IAM entities", "IAM JSON policy
elements reference". Resource policies, SCPs, RCPs and session policies are not looked at here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

from regrant.iam.patterns import Match, all_of, any_of, match_action, match_resource, maybe, opposite
from regrant.model.aws import PolicyMark

Answer = Literal["ALLOWED", "IMPLICIT_DENY", "EXPLICIT_DENY", "UNKNOWN"]
Layer = Literal["identity", "boundary"]
_DOCUMENT = {"Version", "Id", "Statement"}
_STATEMENT = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_WITH_VARIABLES = "2012-10-17"


class Policy(msgspec.Struct, frozen=True, dict=True):
    """A policy's ARN (an inline policy's name), its document as IAM returns it, and which version that is.

    id: its PolicyId. A policy that is deleted and made again has the same ARN and the same version v1, and
    another id (IAM user guide, "IAM identifiers").
    """

    arn: str
    document: Mapping[str, Any]
    version: str = ""
    id: str = ""

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The document, read once for however many calls."""
        return read(self)

    @property
    def mark(self) -> PolicyMark:
        """Which text it is. Canonical: keys in order, no blanks, ASCII; the same as `jq -cjaS .` writes."""
        canonical = json.dumps(self.document, sort_keys=True, separators=(",", ":"))
        return PolicyMark(self.id, self.version, hashlib.sha256(canonical.encode()).hexdigest())


class Statement(msgspec.Struct, frozen=True):
    """One statement, read. `label` is its Sid, or #1 for the first; `unreadable` says what is wrong."""

    label: str
    effect: Literal["Allow", "Deny"] | None = None
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_action: bool = False
    not_resource: bool = False
    conditions: tuple[str, ...] = ()
    variables: bool = False
    unreadable: str | None = None

    def match(self, action: str, resource: str | None) -> Match:
        """Whether the statement applies to the call."""
        if self.unreadable:
            return maybe(f"unreadable: {self.unreadable}")
        actions = self.match_actions(action)
        if not actions.possible:
            return actions
        resources = any_of(match_resource(pattern, resource, self.variables) for pattern in self.resources)
        return all_of(
            actions,
            opposite(resources) if self.not_resource else resources,
            maybe(*(f"condition {key}" for key in self.conditions)),
        )

    def match_actions(self, action: str) -> Match:
        """Whether its Action or NotAction has the action."""
        actions = any_of(match_action(pattern, action) for pattern in self.actions)
        return opposite(actions) if self.not_action else actions


class Basis(msgspec.Struct, frozen=True):
    """The statement that an answer rests on; `unknown` is what must hold for it to apply."""

    policy: str
    statement: str
    unknown: tuple[str, ...] = ()


class Evaluation(msgspec.Struct, frozen=True):
    """What allows the call and what denies it; of several statements the first that is certain."""

    allow: Basis | None = None
    deny: Basis | None = None

    @property
    def answer(self) -> Answer:
        return _answer([self.allow], [self.deny])

    @property
    def basis(self) -> Basis | None:
        """What decided; None for an implicit deny."""
        return self.deny or self.allow


class RoleEvaluation(msgspec.Struct, frozen=True):
    """A role's identity policies, and its permissions boundary if it has one: both must allow."""

    identity: Evaluation
    boundary: Evaluation | None = None

    @property
    def answer(self) -> Answer:
        layers = [self.identity, *([self.boundary] if self.boundary else [])]
        return _answer([layer.allow for layer in layers], [layer.deny for layer in layers])

    @property
    def in_the_way(self) -> tuple[Layer, ...]:
        """The layers that do not allow the call, or not for certain."""
        identity: tuple[Layer, ...] = () if self.identity.answer == "ALLOWED" else ("identity",)
        boundary: tuple[Layer, ...] = (
            () if not self.boundary or self.boundary.answer == "ALLOWED" else ("boundary",)
        )
        return identity + boundary


def evaluate(policies: tuple[Policy, ...], action: str, resource: str | None) -> Evaluation:
    """What policies of one kind say together. `resource` is an ARN, "*", or None if it is not known.

    An unreadable statement might do either, so it makes a certain answer UNKNOWN, except an explicit deny.
    """
    allow: Basis | None = None
    deny: Basis | None = None
    for policy in policies:
        for statement in policy.statements:
            match = statement.match(action, resource)
            if not match.possible:
                continue
            basis = Basis(policy.arn, statement.label, match.unknown)
            if statement.effect != "Deny":
                allow = _surer(allow, basis)
            if statement.effect != "Allow":
                deny = _surer(deny, basis)
    return Evaluation(allow, deny)


def evaluate_role(
    identity: tuple[Policy, ...], boundary: Policy | None, action: str, resource: str | None
) -> RoleEvaluation:
    """What the role may do by its own policies; `boundary` is the policy set as permissions boundary."""
    return RoleEvaluation(
        evaluate(identity, action, resource),
        evaluate((boundary,), action, resource) if boundary else None,
    )


def covers(policy: Policy, action: str, resource: str | None) -> bool:
    """Whether the policy alone would allow the call for certain."""
    return evaluate((policy,), action, resource).answer == "ALLOWED"


def read(policy: Policy) -> tuple[Statement, ...]:
    """The statements of a document. What IAM would not have stored becomes an unreadable statement."""
    document: Any = policy.document
    if not isinstance(document, Mapping):
        return (_unreadable("#1", "the document is no object"),)
    version = document.get("Version", "2008-10-17")
    if version not in ("2008-10-17", _WITH_VARIABLES) or set(document) - _DOCUMENT:
        return (_unreadable("#1", "the document has an element or a Version that IAM does not know"),)
    listed = document.get("Statement")
    statements = listed if isinstance(listed, list | tuple) else [listed]
    return tuple(_read(item, f"#{n}", version == _WITH_VARIABLES) for n, item in enumerate(statements, 1))


def _read(item: Any, place: str, variables: bool) -> Statement:
    if not isinstance(item, Mapping):
        return _unreadable(place, "it is no object")
    label = item["Sid"] if isinstance(item.get("Sid"), str) and item["Sid"] else place
    effect = item.get("Effect")
    if effect not in ("Allow", "Deny"):
        return _unreadable(label, "Effect is neither Allow nor Deny")
    actions, resources = _texts(item, "Action"), _texts(item, "Resource")
    conditions = _condition_keys(item.get("Condition", {}))
    wrong = None
    # A statement with Principal belongs to a resource policy and grants the role nothing.
    if set(item) - _STATEMENT:
        wrong = f"{', '.join(sorted(map(str, set(item) - _STATEMENT)))} is no element of an identity policy"
    elif actions is None:
        wrong = "it needs either Action or NotAction, one text or a list"
    elif resources is None:
        wrong = "it needs either Resource or NotResource, one text or a list"
    elif conditions is None:
        wrong = "Condition is not operators with keys"
    if wrong or actions is None or resources is None or conditions is None:
        return _unreadable(label, wrong or "", effect)
    return Statement(
        label=label,
        effect=effect,
        actions=actions,
        resources=resources,
        not_action="NotAction" in item,
        not_resource="NotResource" in item,
        conditions=conditions,
        variables=variables,
    )


def _texts(item: Mapping[str, Any], element: str) -> tuple[str, ...] | None:
    """The texts of an element or its opposite, whichever there is; None if that cannot be said."""
    present = [name for name in (element, f"Not{element}") if name in item]
    if len(present) != 1:
        return None
    value = item[present[0]]
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(t, str) and t for t in texts):
        return None
    return tuple(texts)


def _condition_keys(condition: Any) -> tuple[str, ...] | None:
    if not isinstance(condition, Mapping) or not all(isinstance(c, Mapping) for c in condition.values()):
        return None
    return tuple(dict.fromkeys(str(key) for keys in condition.values() for key in keys))


def _unreadable(label: str, why: str, effect: Literal["Allow", "Deny"] | None = None) -> Statement:
    return Statement(label=label, effect=effect, unreadable=why)


def _surer(one: Basis | None, other: Basis) -> Basis:
    return other if one is None or (one.unknown and not other.unknown) else one


def _answer(allows: list[Basis | None], denies: list[Basis | None]) -> Answer:
    """An explicit deny anywhere wins; else every layer must allow."""
    if any(deny and not deny.unknown for deny in denies):
        return "EXPLICIT_DENY"
    if any(denies):
        return "UNKNOWN"
    if not all(allows):
        return "IMPLICIT_DENY"
    return "UNKNOWN" if any(allow and allow.unknown for allow in allows) else "ALLOWED"
