"""Where the local account, or the template, differs from AWS's own reference (reference.yaml).

All else here is proved with what the local account asks IAM about a call, so that must not be right by its
own word alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from sandbox.engine.recording import Asked, Recorded
from scripts.privileges.hostile import concrete
from scripts.privileges.permissions import Permission, Role

FILE = Path(__file__).with_name("reference.yaml")


@dataclass(frozen=True)
class Question:
    """What an operation asks IAM about one action. resources: patterns of ARNs."""

    resources: tuple[re.Pattern[str], ...] = ()
    any_resource: bool = False
    """Whether * is asked about although there are resources."""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Condition keys in lower case, with their values where the reference gives them."""
    given: tuple[str, ...] = ()
    always: bool = True
    never: str | None = None
    most: int = 1

    def fits(self, resource: str) -> bool:
        if resource == "*":
            return not self.resources or self.any_resource
        return any(pattern.fullmatch(resource) for pattern in self.resources)


@dataclass(frozen=True)
class Reference:
    """Operations (`ecs:UpdateService`) with the questions they ask, by action."""

    operations: Mapping[str, Mapping[str, Question]]

    @cached_property
    def actions(self) -> Mapping[str, tuple[Question, ...]]:
        """Of all operations together."""
        found: dict[str, tuple[Question, ...]] = defaultdict(tuple)
        for asked in self.operations.values():
            for action, question in asked.items():
                found[action] += (question,)
        return found

    def differences(self, calls: Iterable[Recorded]) -> list[str]:
        """What the local account asked about a call and AWS does not, or the other way round."""
        found: dict[str, None] = {}
        for call in sorted(calls, key=repr):
            asked = self.operations.get(call.operation)
            if asked is None:
                found[f"{call.operation} is not in the reference"] = None
                continue
            found |= dict.fromkeys(f"{call.operation}: {each}" for each in _wrong(asked, call.asked))
        return list(found)

    def untried(self, calls: Iterable[Recorded]) -> list[str]:
        """What the reference says of our calls and no call shows, for calls that are all there are."""
        most: dict[tuple[str, str], int] = defaultdict(int)
        for call in calls:
            for action in {asked.action for asked in call.asked}:
                count = len({(a.resource, a.context) for a in call.asked if a.action == action})
                most[call.operation, action] = max(most[call.operation, action], count)
        return [
            f"{operation}: asks {action} up to {question.most} times, here {most[operation, action]}"
            for operation, asked in self.operations.items()
            for action, question in asked.items()
            if question.never is None and most[operation, action] < question.most
        ]

    def misnamed(self, roles: Iterable[Role]) -> list[str]:
        """Resources and condition keys of the template that the action does not have: IAM ignores such a
        statement."""
        return [
            f"{role.title}: {permission} {why}"
            for role in roles
            for permission in role.permissions
            if permission.action in self.actions
            for why in _misnames(permission, self.actions[permission.action])
        ]


def load(path: Path = FILE) -> Reference:
    """Raises OSError, KeyError."""
    services: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return Reference(
        {
            f"{service}:{operation}": {
                action: _question(service, of, services) for action, of in asked.items()
            }
            for service, page in services.items()
            for operation, asked in page["operations"].items()
        }
    )


def _question(service: str, of: Mapping[str, Any], services: Mapping[str, Any]) -> Question:
    listed = [key if isinstance(key, list) else [key] for key in of.get("keys", [])]
    return Question(
        tuple(_pattern(service, kind, services) for kind in of.get("types", [])),
        "or_any" in of,
        {name.lower(): tuple(values) for name, *values in listed},
        tuple(key.lower() for key in of.get("given", [])),
        always="when" not in of,
        never=of.get("never"),
        most=of.get("most", 1),
    )


def _pattern(service: str, kind: str, services: Mapping[str, Any]) -> re.Pattern[str]:
    """The ARNs of a type, which another service's is as iam:role."""
    owner, _, name = kind.rpartition(":")
    owner = owner or service
    rest = re.escape(services[owner]["resources"][name]).replace("NAME", "[^/:]+").replace("PATH", ".+")
    region = "" if owner in ("iam", "s3") else "[a-z0-9-]+"
    account = "" if owner == "s3" else "([0-9]{12}|aws)"
    return re.compile(f"arn:aws:{owner}:{region}:{account}:{rest}")


def _wrong(expected: Mapping[str, Question], asked: Sequence[Asked]) -> Iterator[str]:
    for action, question in expected.items():
        if question.always and question.never is None and action not in {each.action for each in asked}:
            yield f"does not ask {action}"
    for each in asked:
        known = expected.get(each.action)
        if known is None:
            yield f"asks {each.action}"
        elif known.never is not None:
            yield f"asks {each.action}, which our calls do not: {known.never}"
        else:
            yield from _wrongly(each, known)


def _wrongly(asked: Asked, known: Question) -> Iterator[str]:
    if not known.fits(asked.resource):
        yield f"asks {asked.action} on {asked.resource}"
    context = dict(asked.context)
    for key, values in context.items():
        if key not in known.keys:
            yield f"asks {asked.action} with {key}"
        elif (may := known.keys[key]) and not set(values) <= set(may):
            yield f"asks {asked.action} with {key} {', '.join(values)}"
    for key in known.given:
        if key not in context:
            yield f"asks {asked.action} without {key}"


def _misnames(permission: Permission, questions: Sequence[Question]) -> Iterator[str]:
    for resource in permission.resources:
        if not any(question.fits(concrete(resource, permission.action)) for question in questions):
            yield f"names {resource}, no resource of the action"
    for key in sorted({key for keys in permission.condition.values() for key in keys}):
        if not any(key.lower() in question.keys for question in questions):
            yield f"has the condition key {key}, which the action has not"
