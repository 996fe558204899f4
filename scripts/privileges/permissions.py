"""What the template lets each of its roles do, read from the stack as the local account deployed it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.account import LocalAccount
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise
from scripts.privileges.simulation import Document

GIVEN = {
    value: name
    for name, values in retainwise.PARAMETERS.items()
    for value in values.split(",")
    if value.startswith("arn:")
}
"""The ARNs that the stack's owner listed, with the parameter's name."""

Condition = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Permission:
    """One action on what the template names in one place: an ARN, a pattern, or all ARNs of a list that the
    stack's owner gave."""

    action: str
    resources: tuple[str, ...]
    condition: Condition = field(default_factory=dict, hash=False)

    @property
    def statement(self) -> dict[str, Any]:
        allow = {"Effect": "Allow", "Action": self.action, "Resource": list(self.resources)}
        return allow | ({"Condition": self.condition} if self.condition else {})

    @property
    def fitting(self) -> dict[str, str]:
        """Condition keys, in lower case, with a value each that the condition lets in."""
        return {
            key.lower(): "any" if "Not" in operator else values[0]
            for operator, keys in self.condition.items()
            if operator != "Null"
            for key, values in keys.items()
        }

    def __str__(self) -> str:
        more = f" and {len(self.resources) - 1} more" if len(self.resources) > 1 else ""
        return f"{self.action} on {self.resources[0]}{more}"


@dataclass(frozen=True)
class Role:
    """A role of the stack; `documents` are its policies, AWS's own among them."""

    name: str
    documents: tuple[Document, ...]
    permissions: tuple[Permission, ...]

    @property
    def title(self) -> str:
        """As the template calls it, or the step that works in it."""
        logical = re.sub(r"^[a-z]+-|-[0-9A-F]{12}$", "", self.name)
        return logical.removesuffix("FunctionRole")


def deployed() -> list[Role]:
    """The roles of template.yaml with the parameters of the seed's account, by title."""
    with LocalAccount() as account:
        account.deploy(TEMPLATE, retainwise.PARAMETERS)
        iam: Any = account.client("iam")
        names = [each["RoleName"] for each in iam.list_roles(MaxItems=1000)["Roles"]]
        roles = [role_of(name, tuple(_documents(iam, name))) for name in names]
    return sorted(roles, key=lambda role: role.title)


def role_of(name: str, documents: tuple[Document, ...]) -> Role:
    """Raises ValueError where a policy holds what is not looked at here."""
    permissions = [permission for document in documents for permission in _permissions(document)]
    return Role(name, documents, tuple(permissions))


def _documents(iam: Any, role: str) -> Iterator[Document]:
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        yield iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def _permissions(document: Document) -> Iterator[Permission]:
    for statement in listed(document["Statement"]):
        if statement["Effect"] != "Allow" or not {"Action", "Resource"} <= statement.keys():
            raise ValueError(f"Only Allow, Action and Resource are read here, not {json.dumps(statement)}")
        condition = {
            operator: {key: listed(value) for key, value in keys.items()}
            for operator, keys in statement.get("Condition", {}).items()
        }
        for action in listed(statement["Action"]):
            for resources in _places(listed(statement["Resource"])):
                yield Permission(action, resources, condition)


def _places(resources: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """One for each ARN, but one for all that come from one list: which of them a run needs is its owner's
    matter."""
    places: dict[str, list[str]] = {}
    for resource in resources:
        places.setdefault(GIVEN.get(resource, resource), []).append(resource)
    yield from map(tuple, places.values())


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
