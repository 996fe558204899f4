"""Revisions of ECS task definitions: a copy with another task role, and whether it is one.

A revision cannot be changed (RegisterTaskDefinition makes a new one each time), so a service gets another
task role by a revision that differs from its own in `taskRoleArn` and in nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from itertools import islice, zip_longest
from operator import itemgetter
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.clock import iso
from regrant.errors import AwsRefused

# Revisions of a family that are read for one with a certain role.
_LOOKED_AT = 20

# The client is shared with those who only look at a task definition, for whom an unknown member is no harm.
_copying: ContextVar[bool] = ContextVar("_copying", default=False)


class EcsRevisions:
    """Implements ports.Revisions. `ecs` retries; what `ecs_once` makes does not, for the call that must be
    sent once."""

    def __init__(self, ecs: Any, ecs_once: Callable[[], Any] | None = None) -> None:
        self._ecs = ecs
        self._once = ecs_once
        model = ecs.meta.service_model
        self._input = model.operation_model("RegisterTaskDefinition").input_shape
        ecs.meta.events.register(
            "before-parse.ecs.DescribeTaskDefinition", _refuse_unknown, unique_id="regrant-unknown-members"
        )

    def latest(self, arn: str) -> str:
        """ListTaskDefinitions: the family's latest ACTIVE revision.

        Raises AwsUnavailable, AwsRefused (also where no revision of the family is ACTIVE).
        """
        for active in self._active(arn):
            return active
        raise AwsRefused(f"{_family(arn)} has no ACTIVE revision.")

    def register(self, arn: str, role: str) -> str:
        """RegisterTaskDefinition: the ARN of a copy with `role` (ARN) as its task role.

        Tags that AWS itself made (`aws:`) stay behind, because nobody else may set them.

        Raises AwsRefused, and AwsUnavailable, after which it may have been registered all the same (`copies`
        finds it then).
        """
        assert self._once is not None
        request = self._registrable(arn) | {"taskRoleArn": role}
        with aws_errors():
            answer = self._once().register_task_definition(**request)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def copies(self, arn: str, role: str, after: str) -> tuple[str, ...]:
        """ListTaskDefinitions, DescribeTaskDefinition: the ACTIVE copies with `role`, oldest first.

        Only those with a number above that of `after` are looked at. Raises AwsUnavailable, AwsRefused.
        """
        wanted = self._registrable(arn) | {"taskRoleArn": role}
        found = []
        for active in self._active(arn):
            if _number(active) <= _number(after):
                break
            if not different(wanted, self._registrable(active)):
                found.append(active)
        return tuple(reversed(found))

    def differences(self, arn: str, copy: str) -> tuple[str, ...]:
        """DescribeTaskDefinition: one line for each field that differs, `path: "old" -> "new"`.

        Raises AwsUnavailable, AwsRefused.
        """
        return different(self._registrable(arn), self._registrable(copy))

    def newest(self, arn: str, role: str, but: tuple[str, ...]) -> str | None:
        """ListTaskDefinitions, DescribeTaskDefinition: the newest ACTIVE one with the task role (ARN), or
        None. Raises AwsUnavailable, AwsRefused.
        """
        for active in islice(self._active(arn), _LOOKED_AT):
            if active not in but and self._describe(active)["taskDefinition"].get("taskRoleArn") == role:
                return active
        return None

    def status(self, arn: str) -> str:
        """DescribeTaskDefinition: ACTIVE, INACTIVE, DELETE_IN_PROGRESS, or DELETED for one that is not known.

        Raises AwsUnavailable, AwsRefused (denied).
        """
        try:
            return str(self._describe(arn)["taskDefinition"]["status"])
        except AwsRefused as refused:
            # "Unable to describe task definition." (API reference, DescribeTaskDefinition, Errors)
            if refused.code == "ClientException":
                return "DELETED"
            raise

    def registered_at(self, arn: str) -> str:
        """DescribeTaskDefinition: registeredAt, in UTC. Raises AwsUnavailable, AwsRefused."""
        at = self._describe(arn)["taskDefinition"].get("registeredAt")
        return iso(at) if at else ""

    def deregister(self, arn: str) -> None:
        """DeregisterTaskDefinition: one that is INACTIVE or being deleted counts as done.

        Raises AwsUnavailable, AwsRefused.
        """
        try:
            with aws_errors():
                self._ecs.deregister_task_definition(taskDefinition=arn)
        except AwsRefused:
            # The reference does not say what a second time answers.
            if self.status(arn) == "ACTIVE":
                raise

    def execution_role(self, arn: str) -> str | None:
        """DescribeTaskDefinition: the role (ARN) that pulls images and writes logs.

        Raises AwsUnavailable, AwsRefused.
        """
        return self._describe(arn)["taskDefinition"].get("executionRoleArn") or None

    def _active(self, arn: str) -> Iterator[str]:
        """The family's ACTIVE revisions, newest first."""
        family = _family(arn)
        with aws_errors():
            # Despite its name it is the whole family (API reference, ListTaskDefinitions).
            pages = self._ecs.get_paginator("list_task_definitions").paginate(
                familyPrefix=family, status="ACTIVE", sort="DESC"
            )
            for page in pages:
                yield from (each for each in page["taskDefinitionArns"] if _family(each) == family)

    def _registrable(self, arn: str) -> dict[str, Any]:
        """The input of RegisterTaskDefinition that would make this revision once more."""
        answer = self._describe(arn)
        request: dict[str, Any] = restricted(answer["taskDefinition"], self._input)
        # An empty list is refused: "Tags can not be empty."
        tags = [tag for tag in answer.get("tags", []) if not tag["key"].lower().startswith("aws:")]
        return request | ({"tags": tags} if tags else {})

    def _describe(self, arn: str) -> Any:
        copying = _copying.set(True)
        try:
            with aws_errors():
                return self._ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        finally:
            _copying.reset(copying)


def restricted(value: Any, shape: Any) -> Any:
    """What of a value fits into botocore's shape, at every depth."""
    if shape.type_name == "structure":
        return {
            name: restricted(each, shape.members[name])
            for name, each in value.items()
            if name in shape.members
        }
    if shape.type_name == "list":
        return [restricted(each, shape.member) for each in value]
    return value


def different(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, ...]:
    """`path: old -> new` for each field of two registrable definitions that differs, sorted."""
    return tuple(sorted(_different("", _said(old), _said(new))))


def _different(path: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    present = [value for value in (old, new) if value is not None]
    if any(present) and all(isinstance(value, dict) for value in present):
        for name in {**(old or {}), **(new or {})}:
            inner = f"{path}.{name}" if path else name
            yield from _different(inner, (old or {}).get(name), (new or {}).get(name))
    elif any(present) and all(isinstance(value, list) for value in present):
        for place, (before, after) in enumerate(_aligned(old or [], new or [])):
            yield from _different(f"{path}.{place}", before, after)
    elif ".environment." in path and path.endswith(".value"):
        # Reports go to more people than may read a task definition, and this is where secrets are found.
        yield f"{path}: differs"
    else:
        absent = "false" if old is True or new is True else "absent"
        yield " ".join((f"{path}:", _shown(old, absent), "->", _shown(new, absent)))


def _aligned(old: list[Any], new: list[Any]) -> list[tuple[Any, Any]]:
    """Pairs of elements that belong together: by name where all have one, else by position.

    ECS does not keep the order of an environment (aws/aws-sdk-java#3043), and no list of named things means
    anything by its order.
    """
    for member in ("name", "key"):
        if all(isinstance(each, dict) and member in each for each in (*old, *new)):
            named, renamed = ({each[member]: each for each in side} for side in (old, new))
            if (len(named), len(renamed)) == (len(old), len(new)):
                return [(named.get(name), renamed.get(name)) for name in {**named, **renamed}]
            old, new = sorted(old, key=itemgetter(member)), sorted(new, key=itemgetter(member))
    return list(zip_longest(old, new))


def _said(value: Any) -> Any:
    """Without the members that carry no value: null, false, empty.

    ECS shows some of them for newer revisions only (`systemControls: []`, `enableFaultInjection: false`), so
    that a copy of an old revision has them and the old one has not. `essential`, whose default is true, is
    always shown.
    """
    if isinstance(value, dict):
        said = {name: _said(each) for name, each in value.items()}
        return {name: each for name, each in said.items() if not _nothing(each)}
    return [_said(each) for each in value] if isinstance(value, list) else value


def _nothing(value: Any) -> bool:
    # Zero says something: `swappiness: 0` is no default.
    return value is None or value is False or value == [] or value == {}


def _shown(value: Any, absent: str) -> str:
    return absent if value is None else json.dumps(value, sort_keys=True)


def _refuse_unknown(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """A copy would silently lose a member that ECS knows and the SDK (Lambda brings its own) does not yet.

    botocore drops such members when it parses, so the answer is looked at before that.
    """
    if not _copying.get() or response_dict["status_code"] >= 300:
        return
    model = operation_model.service_model
    # botocore has resolved_protocol since 1.37.39, and a description of one protocol said it in its metadata.
    protocol = getattr(model, "resolved_protocol", None) or model.metadata["protocol"]
    if protocol != "json":
        return
    unknown = sorted(_unknown("", json.loads(response_dict["body"]), operation_model.output_shape))
    if unknown:
        raise AwsRefused(f"This SDK is too old to copy the task definition whole: {', '.join(unknown)}.")


def _unknown(path: str, value: Any, shape: Any) -> Iterator[str]:
    if shape.type_name == "structure" and value:
        for name, each in value.items():
            inner = f"{path}.{name}" if path else name
            if name in shape.members:
                yield from _unknown(inner, each, shape.members[name])
            elif not _nothing(_said(each)):
                yield inner
    elif shape.type_name == "list":
        for place, each in enumerate(value or []):
            yield from _unknown(f"{path}.{place}", each, shape.member)


def _family(arn: str) -> str:
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[0]


def _number(arn: str) -> int:
    return int(arn.rsplit(":", 1)[-1])
