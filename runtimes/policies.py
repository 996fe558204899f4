"""What each function's role may do, as an account made it of template.yaml.

The template puts ARNs together from its parameters. Two implementations of CloudFormation that agree on every
statement are better evidence of what it says than one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from runtimes.steps import STACK
from sandbox.account import LocalAccount
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise

Policies = dict[str, list[Any]]
"""Statements of the roles' policies, by the function's name: their own, then the stack's managed ones."""

_MADE_UP = re.compile(rf"{STACK}-([A-Za-z]+)-[0-9A-F]{{12,13}}")
"""A name that CloudFormation makes up ends in what is different in each account."""


def policies(client: Callable[[str], Any], functions: Iterable[str]) -> Policies:
    """Of the functions' roles in that account."""
    return {name: _statements(client, name) for name in functions}


def of_local_account(functions: Iterable[str], changed: Mapping[str, str] | None = None) -> Policies:
    """Of the same roles in the local account, with those parameters instead of the seed's."""
    with LocalAccount() as account:
        account.deploy(TEMPLATE, retainwise.PARAMETERS | dict(changed or {}), STACK)
        return policies(account.client, functions)


def _statements(client: Callable[[str], Any], function: str) -> list[Any]:
    iam = client("iam")
    role = client("lambda").get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]
    names = sorted(iam.list_role_policies(RoleName=role)["PolicyNames"])
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    documents += sorted(_managed(iam, role), key=json.dumps)
    text = json.dumps([statement for document in documents for statement in document["Statement"]])
    statements: list[Any] = json.loads(_MADE_UP.sub(r"\1", text))
    return statements


def _managed(iam: Any, role: str) -> Iterator[Any]:
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        if not arn.startswith("arn:aws:iam::aws:"):
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            yield iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
