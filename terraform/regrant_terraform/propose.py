"""A configuration proposed from what the HCL names and what is enrolled. What cannot be matched is listed.

The HCL's addresses and arguments are had from a plan: what is in no state is a `create` in it, with every
argument that the HCL itself says. Import ids: the provider's pages, section "Import" of each resource.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from regrant_terraform.config import EnrolledService, Facts
from regrant_terraform.gates.common import configured
from regrant_terraform.plans.plan import Change, Plan


@dataclass
class Proposal:
    imports: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)


class Unmatched(Exception):
    """Why there is no id. The text goes on after the address."""


def propose(plan: Plan, facts: Facts) -> Proposal:
    proposal = Proposal()
    names = _Names(plan, facts)
    for change in plan.changes:
        if change.mode != "managed" or change.deposed or change.actions != ("create",):
            continue
        try:
            proposal.imports[change.address] = names.identity(change)
        except Unmatched as why:
            proposal.unmatched.append(change.says(str(why)))
    for enrolled in facts.services:
        proposal.unmatched += _declare(proposal, names, enrolled)
    return proposal


def _declare(proposal: Proposal, names: _Names, enrolled: EnrolledService) -> Iterator[str]:
    name = f"{enrolled.cluster}/{enrolled.service}"
    services = [change for change in names.of("aws_ecs_service") if names.is_called(change, name)]
    if len(services) != 1:
        yield f"{name}: {len(services) or 'no'} aws_ecs_service in the HCL has this name"
        return
    definition = names.referred(services[0], "task_definition", "aws_ecs_task_definition")
    if definition is None:
        yield services[0].says("its task_definition names no aws_ecs_task_definition of the HCL")
        return
    proposal.services[services[0].address] = definition.address
    known = proposal.roles.setdefault(definition.address, enrolled.role)
    if known != enrolled.role:
        yield definition.says(
            f"two services run it, one is declared with {known} and one with {enrolled.role}"
        )


class _Names:
    """What each resource is called at AWS, as far as the HCL says."""

    def __init__(self, plan: Plan, facts: Facts) -> None:
        self._plan, self._facts = plan, facts
        self._kinds: Mapping[str, Callable[[Change], str]] = {
            "aws_iam_role": self._name,
            "aws_iam_policy": self._policy,
            "aws_iam_role_policy": lambda c: f"{self._role(c)}:{self._name(c)}",
            "aws_iam_role_policy_attachment": lambda c: f"{self._role(c)}/{self._attached(c)}",
            "aws_sqs_queue": self._queue,
            "aws_ecs_cluster": self._name,
            "aws_ecs_service": self.service,
            "aws_ecs_task_definition": self._revision,
        }

    def of(self, kind: str) -> list[Change]:
        return [c for c in self._plan.changes if c.mode == "managed" and c.type == kind and not c.deposed]

    def identity(self, change: Change) -> str:
        if (named := self._kinds.get(change.type)) is None:
            raise Unmatched(f"what imports an {change.type} is not known here: give its id yourself")
        return named(change)

    def referred(self, change: Change, argument: str, kind: str) -> Change | None:
        """The one resource of that kind that the argument refers to."""
        expression = (configured(self._plan, change).get("expressions") or {}).get(argument) or {}
        said = [str(each) for each in expression.get("references") or []]
        inside = [c for c in self.of(kind) if c.module == change.module]
        found = [c for c in inside if any(each in (_local(c), _block(c)) for each in said)]
        if len(found) > 1:
            exact = [c for c in found if _local(c) in said]
            found = exact or [c for c in found if _index(c) == _index(change)]
        return found[0] if len(found) == 1 else None

    def is_called(self, service: Change, name: str) -> bool:
        try:
            return self.service(service) == name
        except Unmatched:
            return False

    def service(self, change: Change) -> str:
        cluster = str(_value(change, "cluster") or "").rpartition("/")[2]
        if not cluster and (there := self.referred(change, "cluster", "aws_ecs_cluster")):
            cluster = self._name(there)
        return f"{cluster or 'default'}/{self._name(change)}"

    def _name(self, change: Change) -> str:
        if not (name := _value(change, "name")):
            raise Unmatched("its name is not said in the HCL: give its id yourself")
        return str(name)

    def _role(self, change: Change) -> str:
        if said := _value(change, "role"):
            return str(said)
        if there := self.referred(change, "role", "aws_iam_role"):
            return self._name(there)
        raise Unmatched("its role is not known before the import: name the role's name")

    def _policy(self, change: Change) -> str:
        path = _value(change, "path") or "/"
        return f"arn:{self._facts.partition}:iam::{self._facts.account}:policy{path}{self._name(change)}"

    def _attached(self, change: Change) -> str:
        if said := _value(change, "policy_arn"):
            return str(said)
        if there := self.referred(change, "policy_arn", "aws_iam_policy"):
            return self._policy(there)
        raise Unmatched("its policy_arn names no aws_iam_policy of the HCL")

    def _queue(self, change: Change) -> str:
        end = "amazonaws.com.cn" if self._facts.partition == "aws-cn" else "amazonaws.com"
        return f"https://sqs.{self._facts.region}.{end}/{self._facts.account}/{self._name(change)}"

    def _revision(self, change: Change) -> str:
        family = str(_value(change, "family") or "")
        named = {s.task_definition for s in self._facts.services if _family(s.task_definition) == family}
        if len(named) != 1:
            raise Unmatched(
                f"{'several revisions' if named else 'no revision'} of {family} in use at enrolled services"
            )
        return named.pop()


def _value(change: Change, name: str) -> Any:
    """As the HCL says it, or as the state has it."""
    return change.after.get(name, None if change.unknown.get(name) else change.before.get(name))


def _local(change: Change) -> str:
    return change.address.removeprefix(f"{change.module}." if change.module else "")


def _block(change: Change) -> str:
    return _local(change).split("[")[0]


def _index(change: Change) -> str:
    return _local(change).removeprefix(_block(change))


def _family(arn: str) -> str:
    return arn.rpartition("/")[2].rpartition(":")[0]
