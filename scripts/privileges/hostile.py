"""What somebody would try who has got hold of one of the roles: requests that must all be denied.

Three kinds: what the role does, on anything or under anything else; what another role of the stack does; and
what no role of the stack does (dangerous.py). They are made from the calls that were recorded, not from the
policies: a policy that is too wide must not narrow the search.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sandbox.engine.recording import Asked
from sandbox.iam.requests import ACCOUNT, arn
from sandbox.scenarios.seeds import retainwise
from scripts.privileges.dangerous import DANGEROUS
from scripts.privileges.permissions import GIVEN, Permission, Role
from scripts.privileges.simulation import Request

ADMINISTRATION = ("AdministratorAccess", "IAMFullAccess", "PowerUserAccess", "AmazonSQSFullAccess")
SERVICES = tuple(
    f"{name}.amazonaws.com"
    for name in (
        *("cloudformation", "codebuild", "ec2", "ecs", "ecs-tasks", "events", "glue", "lambda"),
        *("sagemaker", "scheduler", "ssm", "states", "ecs-tasks.amazonaws.com"),
    )
)
# Where a policy says *, although the action has resources: one of them.
SOMETHING = {
    "logs:CreateLogGroup": "log-group:/aws/lambda/another",
    "logs:CreateLogStream": "log-group:/aws/lambda/another:log-stream:a",
    "logs:PutLogEvents": "log-group:/aws/lambda/another:log-stream:a",
}
ITEM = "dynamodb:leadingkeys"
"""The condition key that names an item's partition."""
FACTS = frozenset({"iam:permissionsboundary"})
"""Condition keys whose values the resource has, whoever asks: GetRole on a role is asked about with the
boundary of that role. Nobody can send another, so none is tried. To set one is an action of its own."""
_OWN = {"table": ":table/", "topic": ":sns:", "queue": ":sqs:"}
# Resources whose names have parts that others may put something between.
_PATHS = ("iam", "logs", "ssm")


@dataclass(frozen=True)
class Attempt:
    """`role` is the role's title."""

    role: str
    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()

    @property
    def request(self) -> Request:
        return Request(self.action, self.resource, dict(self.context))

    @property
    def what(self) -> str:
        given = f" with {dict(self.context)}" if self.context else ""
        return f"{self.action} on {self.resource}{given}"


def attempts(roles: Sequence[Role], calls: Iterable[Asked]) -> list[Attempt]:
    """All that is tried, each once, in the order of `roles`."""
    names = {role.name: role for role in roles}
    made: dict[str, list[Attempt]] = {role.title: [] for role in roles}
    for call in sorted(calls, key=repr):
        if call.role in names:
            title = names[call.role].title
            made[title].append(made_by(title, call))
    made = {title: _alike(requests) for title, requests in made.items()}
    uncalled = {role.title: list(_uncalled(role, made[role.title])) for role in roles}
    everything = [each for title in made for each in (*made[title], *uncalled[title])]
    stack = {name: _first(kind, roles) for name, kind in _OWN.items()}
    found: dict[Attempt, None] = {}
    for role in roles:
        own = made[role.title]
        for base in (*own, *uncalled[role.title]):
            found |= dict.fromkeys(_bent(base, own, roles))
        found |= dict.fromkeys(_of_others(role, own, everything))
        for action, resource in DANGEROUS:
            on = resource.format(self=_arn(role), **stack)
            found[Attempt(role.title, action, on)] = None
    return list(found)


def made_by(title: str, call: Asked) -> Attempt:
    """The request as it is sent. A wildcard in it is no pattern: a family is asked about as family:*."""
    context = tuple((key, values[0]) for key, values in call.context if key not in FACTS)
    return Attempt(title, call.action, concrete(call.resource), context)


def concrete(pattern: str, action: str = "") -> str:
    """A resource that the pattern matches."""
    if pattern == "*":
        return arn("logs", SOMETHING[action]) if action in SOMETHING else "*"
    return pattern.replace("task-definition/*", "task-definition/any:1").replace("*", "any")


def bend(resource: str) -> Iterator[str]:
    """Others that look like it: another account, Region or partition, and each part of its name longer,
    shorter, in other letters, replaced, and where names have paths with something in between."""
    head, rest = (fields := resource.split(":", 5))[:5], fields[5]
    _, partition, service, region, account = head
    elsewhere = ((1, partition, "aws-cn"), (3, region, "eu-west-1"), (4, account, "210987654321"))
    for index, value, other in elsewhere:
        if value:
            yield ":".join([*head[:index], other, *head[index + 1 :], rest])
    parts = re.split("([:/])", rest)
    # The first part is the kind of resource, where there is one.
    for index in range(0 if len(parts) == 1 else 2, len(parts), 2):
        part = parts[index]
        if part == "log-stream":  # a kind, too
            continue
        others = [f"{part}x", f"x{part}", part[:-1], part.swapcase(), "another"] if part else ["x"]
        if service in _PATHS and index > 0 and parts[index - 1] == "/":
            others.append(f"x/{part}")
        for other in dict.fromkeys(others):
            if other and other != part:
                yield ":".join([*head, "".join([*parts[:index], other, *parts[index + 1 :]])])


def _uncalled(role: Role, own: Sequence[Attempt]) -> Iterator[Attempt]:
    """What the role may do and was never seen to do."""
    called = {each.action for each in own}
    return (_instance(role, each) for each in role.permissions if each.action not in called)


def _instance(role: Role, permission: Permission) -> Attempt:
    """A request that the permission allows."""
    resource = concrete(permission.resources[0], permission.action)
    return Attempt(role.title, permission.action, resource, _sorted(permission.fitting))


def _alike(requests: Iterable[Attempt]) -> list[Attempt]:
    """One of those that differ only in an id."""
    found: dict[tuple[str, str, str, object], Attempt] = {}
    for each in requests:
        head, _, name = each.resource.rpartition(":")
        shape = head + re.sub("[0-9a-f-]{12,}", "", name)
        context = tuple((key, _kind(value) if key == ITEM else value) for key, value in each.context)
        found.setdefault((each.role, each.action, shape, context), each)
    return list(found.values())


def _kind(key: str) -> str:
    """What sort of item has that key: all of it up to its last part, so nothing for an incident's id."""
    return key[: max(key.rfind("#"), key.rfind("/")) + 1]


def _bent(base: Attempt, own: Sequence[Attempt], roles: Sequence[Role]) -> Iterator[Attempt]:
    if base.action in SOMETHING or (base.resource == "*" and not base.context):
        yield base  # on anything already
        return
    for resource in _other_resources(base, own, roles):
        yield Attempt(base.role, base.action, resource, base.context)
    for key, allowed in base.context:
        left = {name: value for name, value in base.context if name != key}
        yield Attempt(base.role, base.action, base.resource, _sorted(left))
        for value in _other_values(allowed):
            yield Attempt(base.role, base.action, base.resource, _sorted(left | {key: value}))


def _of_others(role: Role, own: Sequence[Attempt], everything: Sequence[Attempt]) -> Iterator[Attempt]:
    """What others do and this one does not, but for another ARN of a list that the owner gave."""
    known = {_limit(each) for each in own}
    for each in everything:
        if each.role != role.title and _limit(each) not in known:
            yield Attempt(role.title, each.action, each.resource, each.context)


def _limit(request: Attempt) -> tuple[object, ...]:
    context = tuple((key, GIVEN.get(value, value)) for key, value in request.context)
    return request.action, GIVEN.get(request.resource, request.resource), context


def _other_resources(base: Attempt, own: Sequence[Attempt], roles: Sequence[Role]) -> Iterator[str]:
    if base.resource == "*":
        return
    yield from (each for each in bend(base.resource) if each not in GIVEN)
    if ":role/" in base.resource:
        mine = {each.resource for each in own if each.action == base.action}
        names = (retainwise.EXECUTION_ROLE, retainwise.QUEUE_READER_ROLE, "administrator")
        every = [*map(_arn, roles), *(arn("iam", f"role/{name}", "") for name in names)]
        yield from (each for each in every if each not in mine)


def _other_values(value: str) -> Iterator[str]:
    if not value.startswith("arn:"):
        yield f"{value}x"
        yield from (service for service in SERVICES if service != value)
        return
    yield from (each for each in bend(value) if each not in GIVEN)
    if ":policy/" in value:
        yield from (f"arn:aws:iam::aws:policy/{name}" for name in ADMINISTRATION)


def _first(kind: str, roles: Sequence[Role]) -> str:
    """What of that kind the template's policies name. Raises StopIteration if nothing."""
    places = (place for role in roles for permission in role.permissions for place in permission.resources)
    return next(place for place in places if kind in place and "*" not in place)


def _arn(role: Role) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{role.name}"


def _sorted(context: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(context.items()))
