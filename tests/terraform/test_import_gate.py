"""What an import must not do: each such plan is refused, and for its own reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from regrant_terraform.gates import imports
from regrant_terraform.plans.plan import read
from tests.terraform import recorded as r
from tests.terraform.recorded import NAMED, OLD_ROLE, WORKER, WORKER_SERVICE, Bend, Raw

Ask = Callable[[dict[str, str]], object]
QUEUE = "aws_sqs_queue.predictions_queue"
PROVISIONER = [{"type": "remote-exec"}]


def objections(bend: Bend, ask: Ask = lambda wanted: None) -> list[str]:
    plan, wanted = r.importing()
    bend(plan)
    ask(wanted)
    return imports.objections(read(json.dumps(plan)), wanted)


def replaced(plan: Raw) -> None:
    """The HCL names the new role already: the plan imports the definition and replaces it."""
    role = r.at(r.recorded(), WORKER)
    change = copy.deepcopy(role["change"]) | {"importing": r.at(plan, WORKER)["change"]["importing"]}
    r.entry(WORKER, change=change, action_reason=role["action_reason"])(plan)


def updated(address: str, **values: object) -> Bend:
    return r.both(r.change(address, actions=["update"]), r.after(address, **values))


def new_revision(plan: Raw) -> None:
    r.unknown(WORKER_SERVICE, task_definition=True)(plan)


def not_imported(address: str, actions: list[str]) -> Bend:
    return r.change(address, importing=None, actions=actions)


HOSTILE: dict[str, tuple[Bend, str]] = {
    "another id": (
        r.change(QUEUE, importing={"id": "https://sqs/other"}),
        "imports https://sqs/other, asked for was",
    ),
    "an id that is not known yet": (
        r.change(QUEUE, importing={"unknown": True}),
        "imports None, asked for was",
    ),
    "a resource that nobody asked for": (
        r.another(OLD_ROLE, "aws_iam_role.evil", actions=["no-op"]),
        "aws_iam_role.evil: imports",
    ),
    "a resource created beside it": (not_imported(QUEUE, ["create"]), "predictions_queue: would create"),
    "a resource changed beside it": (
        r.both(not_imported(OLD_ROLE, ["update"]), r.after(OLD_ROLE, path="/x/")),
        "old_task_role: would update (path)",
    ),
    "a resource destroyed beside it": (not_imported(OLD_ROLE, ["delete"]), "old_task_role: would delete"),
    "one that is forgotten": (not_imported(OLD_ROLE, ["forget"]), "old_task_role: would forget"),
    "an import that changes a role": (
        updated(OLD_ROLE, assume_role_policy="{}"),
        "old_task_role: would change assume_role_policy",
    ),
    "an import that changes a queue": (
        updated(QUEUE, visibility_timeout_seconds=1),
        "queue: would change visibility_timeout_seconds",
    ),
    "an import that scales a service": (
        updated(WORKER_SERVICE, desired_count=0),
        "worker: would change desired_count",
    ),
    "an import that deploys": (
        r.after(WORKER_SERVICE, task_definition=f"{NAMED}retainwise-worker:2"),
        "would deploy arn:aws:ecs:us-east-1:123456789012:task-definition/retainwise-worker:2",
    ),
    "an import that deploys what is not known yet": (
        new_revision,
        "would deploy a new revision: import with the HCL as things run now",
    ),
    "the same revision of another account": (
        r.after(WORKER_SERVICE, task_definition=f"{NAMED}retainwise-worker:1".replace("1234", "9999")),
        "would deploy arn:aws:ecs:us-east-1:99995678",
    ),
    "a family without a revision": (
        r.both(
            r.before(WORKER_SERVICE, task_definition="retainwise-worker"),
            r.after(WORKER_SERVICE, task_definition="x/retainwise-worker"),
        ),
        "would deploy x/retainwise-worker",
    ),
    "a forced deployment": (
        r.after(WORKER_SERVICE, force_new_deployment=True),
        "would deploy, because of force_new_deployment",
    ),
    "the HCL with the new role": (
        replaced,
        "would delete/create (arn, arn_without_revision, container_definitions",
    ),
    "an import that replaces": (
        r.change(OLD_ROLE, actions=["delete", "create"]),
        "old_task_role: would delete/create",
    ),
    "an import that is called unchanged": (
        r.after(OLD_ROLE, path="/x/"),
        "is called unchanged, but path differs",
    ),
    "a move": (r.entry(OLD_ROLE, previous_address="aws_iam_role.x"), "old_task_role: would be moved"),
    "another provider": (
        r.entry(OLD_ROLE, provider_name="example.com/evil/aws"),
        "is imported by another provider",
    ),
    "a command beside it": (
        r.configured(QUEUE, provisioners=PROVISIONER),
        "would run a provisioner (remote-exec)",
    ),
    "data that is read late": (
        r.another(OLD_ROLE, "data.x.y", actions=["read"], mode="data"),
        "data.x.y: imports",
    ),
    "an output": (r.whole(output_changes={"x": {"actions": ["create"]}}), "output.x: would create"),
    "not complete": (r.whole(complete=False), "the plan is not complete"),
    "an action of a later Terraform": (r.whole(action_invocations=[]), "the plan has action_invocations"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_import_is_refused_for_its_own_reason(name: str) -> None:
    bend, reason = HOSTILE[name]
    said = objections(bend)
    assert any(reason in line for line in said), said


def test_an_import_with_the_new_role_in_the_hcl_says_what_to_do() -> None:
    (said,) = objections(replaced)
    assert said.endswith(f": {imports.WITH_BEFORE}")


def test_an_address_that_the_hcl_does_not_have_is_named() -> None:
    said = objections(lambda plan: None, lambda wanted: wanted.update({"aws_iam_role.typo": "x"}))
    assert said == ["aws_iam_role.typo: is not in the HCL"]


GOOD: dict[str, tuple[Bend, Ask]] = {
    "all of it": (lambda plan: None, lambda wanted: None),
    "a service named by family and revision": (
        r.before(WORKER_SERVICE, task_definition="retainwise-worker:1"),
        lambda wanted: None,
    ),
    "one that is in the state already": (
        not_imported(OLD_ROLE, ["no-op"]),
        lambda wanted: wanted.pop(OLD_ROLE),
    ),
    "force_delete, which only Terraform knows": (
        r.both(r.before(WORKER_SERVICE, force_delete=None), r.after(WORKER_SERVICE, force_delete=False)),
        lambda wanted: None,
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_import_is_accepted(name: str) -> None:
    assert objections(*GOOD[name]) == []


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    return [(*path, key) for key in value]


@pytest.mark.parametrize("address", [r["address"] for r in r.recorded()["resource_changes"]])
def test_any_one_argument_that_the_api_gives_back_is_refused(address: str) -> None:
    """Whatever differs after the import, except for what only Terraform knows, would change the account."""
    plan, _ = r.importing()
    resource = r.at(plan, address)
    free = imports.ONLY_TERRAFORM_KNOWS.get(resource["type"], frozenset())
    for name in resource["change"]["after"].keys() - free:
        said = objections(updated(address, **{name: "bent"}))
        assert said and all(line.startswith(f"{address}: would") for line in said), name
