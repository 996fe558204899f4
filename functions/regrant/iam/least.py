"""The least policy that allows some calls: each action on exactly the resources that it was denied on.

Actions and resources come from logs, so they are data. Only texts that are whole in these patterns get into
a policy: none has a quote, a backslash, a line break, a wildcard, or what IAM, Terraform, TypeScript or a
shell would put a value in place of (`${`, `%{`, `$(`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

ACTION = re.compile(r"[a-z0-9-]{1,64}:[A-Za-z0-9]{1,128}")
# Longer names would not survive a mail, whose lines have 998 characters (RFC 5322).
RESOURCE = re.compile(
    r"(?=.{1,900}\Z)arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(?:[0-9]{12}|aws)?:"
    # $LATEST of a function, $default of an API.
    r"(?:[A-Za-z0-9_.:/=+,@#~() -]|\$(?=[A-Za-z])|%(?!\{))+"
)
_LONGEST_LINE = 900

Call = tuple[str, str]
"""An action, and an ARN or `*`."""


def least_policy(calls: Iterable[Call]) -> dict[str, Any]:
    """The policy's document: actions with the same resources share a statement, and no other does.

    Raises ValueError for a text that is no whole action or resource.
    """
    resources: dict[str, set[str]] = {}
    for action, resource in calls:
        if not ACTION.fullmatch(action) or not (resource == "*" or RESOURCE.fullmatch(resource)):
            raise ValueError("no whole action and resource")
        resources.setdefault(action, set()).add(resource)
    actions: dict[tuple[str, ...], list[str]] = {}
    for action in sorted(resources):
        actions.setdefault(tuple(sorted(resources[action])), []).append(action)
    statements = [{"Effect": "Allow", "Action": names, "Resource": list(on)} for on, names in actions.items()]
    return {"Version": "2012-10-17", "Statement": statements}


def calls_of(document: Mapping[str, Any]) -> tuple[Call, ...]:
    """The calls that a document of least_policy allows."""
    return tuple(
        (action, resource)
        for statement in document["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    )


def as_blocks(document: Mapping[str, Any]) -> str:
    """The document as IAM JSON, Terraform and CDK: lines to copy, each begins with two blanks."""
    again = least_policy(calls_of(document))  # what is written here is checked here
    statements: Sequence[Mapping[str, list[str]]] = again["Statement"]
    blocks = (
        ("As JSON for IAM:", json.dumps(again, indent=2).splitlines()),
        ("In Terraform:", list(_terraform(statements))),
        ("In the AWS CDK (TypeScript):", [line for each in statements for line in _cdk(each)]),
    )
    return "\n".join(line for title, lines in blocks for line in (title, *(f"  {line}" for line in lines)))


def _terraform(statements: Sequence[Mapping[str, list[str]]]) -> Iterator[str]:
    yield 'data "aws_iam_policy_document" "missing" {'
    for statement in statements:
        yield "  statement {"
        yield from _listed("    actions   = [", statement["Action"], "]")
        yield from _listed("    resources = [", statement["Resource"], "]")
        yield "  }"
    yield "}"


def _cdk(statement: Mapping[str, list[str]]) -> Iterator[str]:
    actions = f"actions: {json.dumps(statement['Action'])}"
    begin = f"role.addToPolicy(new iam.PolicyStatement({{ {actions}, resources: ["
    yield from _listed(begin, statement["Resource"], "] }));")


def _listed(begin: str, texts: Sequence[str], end: str) -> Iterator[str]:
    """On one line, if a mail takes it; else each on its own."""
    quoted = [json.dumps(text) for text in texts]
    line = f"{begin}{', '.join(quoted)}{end}"
    if len(line) <= _LONGEST_LINE:
        yield line
        return
    indent = " " * (len(begin) - len(begin.lstrip()))
    yield begin
    yield from (f"{indent}  {text}," for text in quoted)
    yield f"{indent}{end}"
