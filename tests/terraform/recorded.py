"""One recorded plan, and what tests change in it.

`plans/role.json` is what Terraform 1.11.4 with provider aws 5.100.0 printed for the seed's change of roles
(prior_state and planned_values left out); `plans/import.json` is that of the import before it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

PLANS = Path(__file__).parent / "plans"
Raw = dict[str, Any]
Bend = Callable[[Raw], object]

ROLE = "arn:aws:iam::123456789012:role/"
BACKEND, WORKER = "aws_ecs_task_definition.backend", "aws_ecs_task_definition.worker"
BACKEND_SERVICE, WORKER_SERVICE = "aws_ecs_service.backend", "aws_ecs_service.worker"
OLD_ROLE = "aws_iam_role.old_task_role"
ROLES = {
    BACKEND: f"{ROLE}prod-retainwise-backend-task-role",
    WORKER: f"{ROLE}prod-retainwise-worker-task-role",
}
SERVICES = {BACKEND_SERVICE: BACKEND, WORKER_SERVICE: WORKER}
NAMED = "arn:aws:ecs:us-east-1:123456789012:task-definition/"


def recorded() -> Raw:
    plan: Raw = json.loads((PLANS / "role.json").read_text("utf-8"))
    return plan


def at(plan: Raw, address: str) -> Raw:
    (found,) = [r for r in plan["resource_changes"] if r["address"] == address and "deposed" not in r]
    resource: Raw = found
    return resource


def after(address: str, /, **values: object) -> Bend:
    """Attributes set to known values."""

    def bend(plan: Raw) -> None:
        change = at(plan, address)["change"]
        change["after"].update(values)
        for name in values:
            change["after_unknown"].pop(name, None)

    return bend


def before(address: str, /, **values: object) -> Bend:
    return lambda plan: at(plan, address)["change"]["before"].update(values)


def unknown(address: str, **values: object) -> Bend:
    """Attributes that are known after the apply only."""

    def bend(plan: Raw) -> None:
        change = at(plan, address)["change"]
        for name in values:
            change["after"].pop(name, None)
        change["after_unknown"].update(values)

    return bend


def container(address: str, side: str = "after", **values: object) -> Bend:
    def bend(plan: Raw) -> None:
        attributes = at(plan, address)["change"][side]
        containers = json.loads(attributes["container_definitions"])
        containers[0].update(values)
        attributes["container_definitions"] = json.dumps(containers)

    return bend


def change(address: str, /, **values: object) -> Bend:
    return lambda plan: at(plan, address)["change"].update(values)


def entry(address: str, /, **values: object) -> Bend:
    return lambda plan: at(plan, address).update(values)


def whole(**values: object) -> Bend:
    return lambda plan: plan.update(values)


def another(like: str, address: str, *, actions: list[str], **values: object) -> Bend:
    def bend(plan: Raw) -> None:
        resource = {**copy.deepcopy(at(plan, like)), "address": address, **values}
        resource["change"]["actions"] = actions
        plan["resource_changes"].append(resource)

    return bend


def configured(address: str, /, **values: object) -> Bend:
    def bend(plan: Raw) -> None:
        (found,) = [r for r in plan["configuration"]["root_module"]["resources"] if r["address"] == address]
        found.update(values)

    return bend


def refers(address: str, *references: str) -> Bend:
    def bend(plan: Raw) -> None:
        (found,) = [r for r in plan["configuration"]["root_module"]["resources"] if r["address"] == address]
        found["expressions"]["task_definition"] = {"references": list(references)}

    return bend


def both(*bends: Bend) -> Bend:
    return lambda plan: [bend(plan) for bend in bends]


def as_it_runs(plan: Raw, address: str) -> None:
    """The resource is as it is, and stays so."""
    change = at(plan, address)["change"]
    change.update(actions=["no-op"], after=copy.deepcopy(change["before"]), after_unknown={})
    change.pop("replace_paths", None)
    at(plan, address).pop("action_reason", None)


def settled(plan: Raw, *addresses: str) -> None:
    """The task definition has its declared role already, and its service runs it."""
    for address in addresses:
        change = at(plan, address)["change"]
        change["before"].update(
            arn=change["before"]["arn"].replace(":1", ":2"), revision=2, task_role_arn=ROLES[address]
        )
        as_it_runs(plan, address)
        (service,) = [name for name, definition in SERVICES.items() if definition == address]
        at(plan, service)["change"]["before"]["task_definition"] = change["before"]["arn"]
        as_it_runs(plan, service)


def rolled_back(plan: Raw) -> None:
    """ECS went back to the worker's old revision, and the state has the new one."""
    settled(plan, BACKEND, WORKER)
    change = at(plan, WORKER_SERVICE)["change"]
    change["before"]["task_definition"] = f"{NAMED}retainwise-worker:1"
    change["actions"] = ["update"]
    del plan["configuration"]


def importing() -> tuple[Raw, dict[str, str]]:
    """The plan of an import of all of it, and what was asked for."""
    plan: Raw = json.loads((PLANS / "import.json").read_text("utf-8"))
    return plan, {each["address"]: each["change"]["importing"]["id"] for each in plan["resource_changes"]}
