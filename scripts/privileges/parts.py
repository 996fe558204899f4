"""Who may use the stack's parts: whom the policies of its roles, functions, queue and topic let in, and which
of the stack's own roles may use them.

A service is let in for one thing of the stack only (`aws:SourceArn`, `aws:SourceAccount`), and nobody else.
The policies are read from the stack as the local account deployed it, and put to iam-simulate as those of the
roles are.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.iam.requests import ACCOUNT, arn
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise
from scripts.privileges.hostile import SERVICES, bend
from scripts.privileges.permissions import Role
from scripts.privileges.simulation import Document, Question, Request, answers

_ITEM = "dynamodb:LeadingKeys"
_OTHER = "210987654321"
_ANYBODY = "Anonymous"
_EVERYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
_NOTHING: Document = {"Version": "2012-10-17", "Statement": []}
_ROW, _WIDTH = "{:<32} {:>5}  {:<10}  {}", 80


@dataclass(frozen=True)
class Meant:
    """A service that the parts of such names are for, on behalf of such a source (ARN patterns)."""

    part: str
    service: str
    sources: tuple[str, ...]


def _rules(*names: str) -> tuple[str, ...]:
    return tuple(arn("events", f"rule/regrant-{name}") for name in names)


MEANT = (
    Meant("role *FunctionRole", "lambda.amazonaws.com", (arn("lambda", "function:regrant-*"),)),
    Meant("role RunbookRole", "states.amazonaws.com", (arn("states", "stateMachine:regrant-runbook"),)),
    Meant("role AlarmRuleRole", "events.amazonaws.com", _rules("alarm", "ended-run")),
    Meant(
        "role ScheduleRole", "scheduler.amazonaws.com", (arn("scheduler", "schedule-group/regrant-grants"),)
    ),
    Meant("function regrant-audit-grants", "events.amazonaws.com", _rules("audit")),
    Meant("queue", "events.amazonaws.com", _rules("alarm", "ended-run", "audit")),
    Meant("topic", "cloudwatch.amazonaws.com", (arn("cloudwatch", "alarm:regrant-*"),)),
)
"""Each because the service works for the stack there: template.yaml says so beside each policy."""

USED = {
    "function": "lambda:InvokeFunction",
    "URL": "lambda:InvokeFunctionUrl",
    "state machine": "states:StartExecution",
    "topic": "sns:Publish",
    "queue": "sqs:SendMessage",
    "journal": "dynamodb:PutItem",
    "role": "iam:PassRole",
}
"""What the stack's own roles use a part of that kind by."""


@dataclass(frozen=True)
class Part:
    """One part of the stack: its kind and name, what it is used by, and its own policy if it has one."""

    name: str
    action: str
    arn: str
    policy: Document | None = field(default=None, hash=False)

    @property
    def kind(self) -> str:
        return next(kind for kind in USED if self.name.startswith(kind))


@dataclass(frozen=True)
class Try:
    """`principal` wants to use the part, with what AWS says about the request."""

    part: Part
    principal: str
    source: str = ""
    account: str = ""

    @property
    def question(self) -> Question:
        """Of another account somebody who may do everything asks, of this one somebody who may do nothing."""
        given = {"aws:SourceArn": self.source, "aws:SourceAccount": self.account}
        context = {key: value for key, value in given.items() if value}
        stranger = f":{_OTHER}:" in self.principal
        request = Request(self.part.action, self.part.arn, context)
        policies = [_EVERYTHING] if stranger else []
        return Question(policies, [request], None, self.principal, self.part.policy or _NOTHING)

    @property
    def meant(self) -> Meant | None:
        """What lets this in on purpose."""
        if self.account != ACCOUNT:
            return None
        return next((each for each in MEANT if self._is_of(each)), None)

    def _is_of(self, meant: Meant) -> bool:
        named = fnmatchcase(self.part.name, meant.part) and self.principal == meant.service
        return named and any(fnmatchcase(self.source, source) for source in meant.sources)

    def __str__(self) -> str:
        given = f" for {self.source or 'nothing'} of {self.account or 'no account'}" if self.source else ""
        return f"{self.principal}{given}: {self.part.action} on {self.part.name}"


@dataclass
class Reached:
    """Of each part (its name): how many tries, which were let in, which were without being meant, which were
    not though meant; and the stack's own roles that may use it."""

    tried: dict[str, int]
    services: dict[str, set[str]]
    strangers: list[str]
    shut_out: list[str]
    roles: dict[str, list[str]]

    @property
    def figures(self) -> dict[str, int]:
        shut_out = {"services_shut_out": len(self.shut_out)}
        return {
            "strangers_let_in": len(self.strangers),
            "strangers_tried": sum(self.tried.values()),
        } | shut_out

    @property
    def wrong(self) -> list[str]:
        return [
            *(f"LETS IN A STRANGER  {each}" for each in self.strangers),
            *(f"SHUTS OUT ITS OWN SERVICE  {each}" for each in self.shut_out),
        ]


def parts() -> list[Part]:
    """Of the template, with the parameters of the seed's account, by name."""
    with LocalAccount() as account:
        outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS)
        return sorted(_parts(account, outputs), key=lambda part: part.name)


def reached(found: Sequence[Part], roles: Sequence[Role]) -> Reached:
    """Raises simulation.Unavailable; ValueError where the simulator does not understand a request."""
    tries = list(dict.fromkeys(each for part in found for each in _tries(part)))
    inside = [(part, role) for part in found for role in roles]
    asked = [
        *(each.question for each in tries),
        *(Question(role.documents, [_own_use(part)], None, None, None) for part, role in inside),
    ]
    given = [answer for (answer,) in answers(asked)]
    if strange := [a for a in given if a not in ("Allowed", "ImplicitlyDenied", "ExplicitlyDenied")]:
        raise ValueError(f"The simulator does not answer: {strange[0]}")
    seen = Reached({part.name: 0 for part in found}, {part.name: set() for part in found}, [], [], {})
    for each, answer in zip(tries, given, strict=False):
        seen.tried[each.part.name] += 1
        if answer == "Allowed" and each.meant:
            seen.services[each.part.name].add(each.principal.removesuffix(".amazonaws.com"))
        elif answer == "Allowed":
            seen.strangers.append(str(each))
        elif each.meant:
            seen.shut_out.append(str(each))
    for (part, role), answer in zip(inside, given[len(tries) :], strict=True):
        if answer == "Allowed":
            seen.roles.setdefault(part.name, []).append(role.title)
    return seen


def table(seen: Reached) -> str:
    """One entry for parts that are reached alike."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for name in seen.tried:
        services = ", ".join(sorted(seen.services[name])) or "-"
        key = (name.partition(" ")[0], services, ", ".join(seen.roles.get(name, [])) or "-")
        alike.setdefault(key, []).append(name)
    lines = [_ROW.format("PART", "TRIED", "SERVICES", "ROLES OF THE STACK")]
    for (kind, services, roles), names in alike.items():
        title = names[0] if len(names) == 1 else f"{len(names)} {kind}s"
        first, *rest = textwrap.wrap(roles, _WIDTH - len(_ROW.format("", "", "", "")))
        lines.append(_ROW.format(title, sum(seen.tried[name] for name in names), services, first))
        lines += [_ROW.format("", "", "", more) for more in rest]
    return "\n".join(line.rstrip() for line in lines)


def _tries(part: Part) -> Iterator[Try]:
    """Services for each thing of the stack, for nothing and for another account's; those that are let in, for
    what looks like that; people and roles of this account and another; and anybody."""
    sources = [source.replace("*", "diagnose") for meant in MEANT for source in meant.sources]
    own = {meant.service for meant in MEANT}
    for service in dict.fromkeys((*sorted(own), *SERVICES, "apigateway.amazonaws.com", "s3.amazonaws.com")):
        yield Try(part, service)
        for source in dict.fromkeys(sources):
            yield Try(part, service, source, ACCOUNT)
            if service in own:
                yield Try(part, service, source, _OTHER)
                yield Try(part, service, source)
    for meant in MEANT:
        if fnmatchcase(part.name, meant.part):
            for source in meant.sources:
                for other in bend(source.replace("*", "diagnose")):
                    yield Try(part, meant.service, other, ACCOUNT)
    developers = (arn("iam", f"{kind}/developer", "") for kind in ("role", "user"))
    everybody = [each.replace(ACCOUNT, account) for each in developers for account in (ACCOUNT, _OTHER)]
    for who in (*everybody, _ANYBODY):
        yield Try(part, who)
        for source in dict.fromkeys(sources):  # which AWS says of a service's request only
            yield Try(part, who, source, ACCOUNT)


def _own_use(part: Part) -> Request:
    """As a role of the stack makes it: a schedule's role, the record of a grant."""
    context = {"role": {"iam:PassedToService": "scheduler.amazonaws.com"}, "journal": {_ITEM: "role#any"}}
    return Request(USED[part.kind], part.arn, context.get(part.kind, {}))


def _parts(account: LocalAccount, outputs: Mapping[str, str]) -> Iterator[Part]:
    iam: Any = account.client("iam")
    for role in iam.list_roles(MaxItems=1000)["Roles"]:
        title = role["RoleName"].split("-")[1]
        yield Part(f"role {title}", "sts:AssumeRole", role["Arn"], role["AssumeRolePolicyDocument"])
    functions: Any = account.client("lambda")
    for function in functions.list_functions(MaxItems=1000)["Functions"]:
        policy = _function_policy(functions, function["FunctionName"])
        yield Part(f"function {function['FunctionName']}", USED["function"], function["FunctionArn"], policy)
        if _has_url(functions, function["FunctionName"]):
            yield Part(f"URL of {function['FunctionName']}", USED["URL"], function["FunctionArn"], policy)
    sqs: Any = account.client("sqs")
    for url in sqs.list_queues()["QueueUrls"]:
        shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        yield Part("queue", USED["queue"], shown["QueueArn"], json.loads(shown["Policy"]))
    sns: Any = account.client("sns")
    for topic in sns.list_topics()["Topics"]:
        policy = sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]["Policy"]
        yield Part("topic", USED["topic"], topic["TopicArn"], json.loads(policy))
    yield Part("state machine", USED["state machine"], outputs["RunbookArn"])
    tables: Any = account.client("dynamodb")
    for name in tables.list_tables()["TableNames"]:
        yield Part("journal", USED["journal"], tables.describe_table(TableName=name)["Table"]["TableArn"])


def _function_policy(functions: Any, name: str) -> Document | None:
    try:
        policy: Document = json.loads(functions.get_policy(FunctionName=name)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
    return policy


def _has_url(functions: Any, name: str) -> bool:
    try:
        functions.get_function_url_config(FunctionName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return False
    return True
