"""Policies and calls by the thousand, from a seed, for two evaluators to be asked about."""

from __future__ import annotations

import itertools
import json
import re
from random import Random
from typing import Any

import msgspec

Document = dict[str, Any]
Context = dict[str, str]

TEAM, NAME, SECURE = "aws:PrincipalTag/team", "aws:PrincipalTag/name", "aws:SecureTransport"
CALLS = (
    ("sqs:ReceiveMessage", "arn:aws:sqs:us-east-1:123456789012:jobs"),
    ("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:orders"),
    ("sqs:DeleteMessage", "arn:aws:sqs:eu-west-1:123456789012:Jobs"),
    ("SQS:receivemessage", "arn:aws:sqs:us-east-1:123456789012:jobs"),
    ("sns:Publish", "arn:aws:sns:us-east-1:123456789012:orders"),
    ("s3:GetObject", "arn:aws:s3:::reports/jobs/a.csv"),
    ("s3:PutObject", "arn:aws:s3:::reports/price$list?x"),
    ("s3:ListBucket", "arn:aws:s3:::reports"),
    ("dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:123456789012:table/orders"),
    ("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:orders"),
    ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:jobs-AbCdEf"),
    ("ec2:DescribeInstances", "*"),
    ("s3:ListAllMyBuckets", "*"),
)
RESOURCES = tuple(resource for _, resource in CALLS if resource != "*")


class Question(msgspec.Struct, frozen=True):
    """May the role make this call? Asked in every context that could matter."""

    policies: tuple[Document, ...]
    boundary: Document | None
    action: str
    resource: str
    contexts: tuple[Context, ...]


def questions(seed: int, policies: int, calls: int) -> list[Question]:
    """`policies` sets of policies, each asked about `calls` calls."""
    random = Random(seed)
    return [question for _ in range(policies) for question in _questions(random, random.sample(CALLS, calls))]


def _questions(random: Random, calls: list[tuple[str, str]]) -> list[Question]:
    policies = tuple(_document(random, calls) for _ in range(random.choice((1, 1, 2, 3))))
    boundary = _document(random, calls) if random.random() < 0.3 else None
    text = json.dumps([policies, boundary])
    return [
        Question(policies, boundary, action, resource, _contexts(text, resource))
        for action, resource in calls
    ]


def _contexts(text: str, resource: str) -> tuple[Context, ...]:
    """Every combination of values for the keys in the text; None is a request without the key."""
    values: dict[str, tuple[str | None, ...]] = {
        TEAM: ("blue", "green", None),
        NAME: ("jobs", "orders", re.split("[:/]", resource.split(":", 5)[-1], maxsplit=1)[-1], None),
        SECURE: ("true", "false"),
    }
    keys = [key for key in values if key in text]
    worlds = itertools.product(*(dict.fromkeys(values[key]) for key in keys))
    return tuple({k: v for k, v in zip(keys, world, strict=True) if v is not None} for world in worlds)


def _document(random: Random, calls: list[tuple[str, str]]) -> Document:
    statements = [_statement(random, calls) for _ in range(random.choice((1, 1, 2, 3, 4)))]
    # IAM takes a single statement without its list.
    listed = statements[0] if len(statements) == 1 and random.random() < 0.5 else statements
    return {"Version": "2012-10-17" if random.random() < 0.85 else "2008-10-17", "Statement": listed}


def _statement(random: Random, calls: list[tuple[str, str]]) -> Document:
    # Aimed at one of the calls, or most would match nothing.
    action, resource = random.choice(calls)
    statement: Document = {"Effect": "Deny" if random.random() < 0.25 else "Allow"}
    elements = (("Action", action, _action), ("Resource", resource, _resource))
    for element, aim, pattern in elements:
        name = f"Not{element}" if random.random() < 0.12 else element
        texts = [pattern(random, aim) for _ in range(random.choice((1, 1, 2, 3)))]
        statement[name] = texts[0] if len(texts) == 1 and random.random() < 0.7 else texts
    if random.random() < 0.2:
        statement["Condition"] = _condition(random)
    return statement


def _condition(random: Random) -> Document:
    team = random.choice(("blue", "green"))
    return random.choice(
        (
            {"StringEquals": {TEAM: team}},
            {"StringNotEquals": {TEAM: team}},
            {"StringLike": {TEAM: ["bl*", "x"]}},
            {"Bool": {SECURE: random.choice(("true", "false"))}},
            {"StringEquals": {TEAM: team}, "Bool": {SECURE: "true"}},
        )
    )


def _action(random: Random, aim: str) -> str:
    service, name = (aim if random.random() < 0.8 else random.choice(CALLS)[0]).split(":")
    cut = random.randrange(len(name))
    return random.choice(
        (
            f"{service}:{name}",
            f"{service}:{name}",
            f"{service.upper()}:{name.swapcase()}",
            f"{service}:*",
            f"{service}:{name[:cut]}*",
            f"{service}:*{name[cut:]}",
            f"{service}:{name[:cut]}?{name[cut + 1 :]}",
            f"{service}:{name[:3]}*{name[-3:]}",
            f"{service}:{name}?",
            "*",
        )
    )


def _resource(random: Random, aim: str) -> str:
    arn = aim if aim != "*" and random.random() < 0.8 else random.choice(RESOURCES)
    fields = arn.split(":", 5)
    resource = fields[5]
    cut = random.randrange(len(resource))
    wild = random.randrange(3, 5)
    return random.choice(
        (
            arn,
            "*",
            "**",
            _with(fields, 5, "*"),
            _with(fields, 5, f"{resource[:cut]}*"),
            _with(fields, 5, f"*{resource[cut:]}"),
            _with(fields, 5, f"{resource[:cut]}?{resource[cut + 1 :]}"),
            _with(fields, 5, f"{resource[:2]}*{resource[-2:]}"),
            _with(fields, 5, resource.swapcase()),
            _with(fields, 5, _variable(resource, f"${{{NAME}}}")),
            _with(fields, 5, _variable(resource, f"${{{NAME}, 'orders'}}")),
            _with(fields, 5, resource.replace("$", "${$}").replace("?", "${?}")),
            _with(fields, 5, f"{resource[:cut]}${{*}}"),
            _with(fields, wild, "*"),
            _with(fields, wild, f"{fields[wild][:4]}*"),
            _with(fields, wild, fields[wild][:-1] + "?"),
            ":".join([*fields[:wild], "*"]),
            ":".join(fields[:wild]),
            ":".join([*fields[:3], "*", resource]),
            ":".join([*fields[:3], fields[3].upper(), *fields[4:]]),
        )
    )


def _with(fields: list[str], index: int, value: str) -> str:
    return ":".join([*fields[:index], value, *fields[index + 1 :]])


def _variable(resource: str, variable: str) -> str:
    """The resource with a variable after its type or its bucket.

    Not for the whole resource: iam-simulate takes a colon in the variable's name for the end of the type.
    """
    for separator in ("/", ":"):
        kind, found, _ = resource.partition(separator)
        if found:
            return f"{kind}{found}{variable}"
    return f"{resource[:-1]}?"
