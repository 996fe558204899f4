"""Plans that a change of roles must not be: each is refused, and for its own reason."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrant_terraform.gates import roles
from regrant_terraform.plans.plan import read
from tests.terraform import recorded as r
from tests.terraform.hostile_definitions import DEFINITIONS, PROVISIONER
from tests.terraform.hostile_others import OTHERS
from tests.terraform.recorded import BACKEND, BACKEND_SERVICE, OLD_ROLE, WORKER, WORKER_SERVICE, Bend, Raw


def objections(plan: Raw) -> list[str]:
    return roles.objections(read(json.dumps(plan)), r.ROLES, r.SERVICES)


def bent(bend: Bend) -> Raw:
    plan = r.recorded()
    bend(plan)
    return plan


HOSTILE = DEFINITIONS | OTHERS


def one_service(plan: Raw) -> None:
    r.settled(plan, BACKEND)


def all_there(plan: Raw) -> None:
    r.settled(plan, BACKEND, WORKER)


def ports(plan: Raw) -> None:
    """What ECS fills in of a port, and the HCL does not say."""
    r.container(WORKER, "before", portMappings=[{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}])(
        plan
    )
    r.container(WORKER, portMappings=[{"containerPort": 80}])(plan)


def ordered(plan: Raw) -> None:
    values = r.at(plan, WORKER)["change"]["after"]
    containers = json.loads(values["container_definitions"])
    containers[0]["environment"].reverse()
    containers[0] |= {"cpu": 0, "dnsServers": [], "healthCheck": {"command": ["true"]}}
    values["container_definitions"] = json.dumps(containers)
    seen = {"command": ["true"], "interval": 30, "retries": 3, "timeout": 5}
    r.container(WORKER, "before", healthCheck=seen)(plan)


GOOD: dict[str, Bend] = {
    "as recorded": lambda plan: None,
    "the new revision first": r.change(WORKER, actions=["create", "delete"]),
    "one service only": one_service,
    "everything as declared": all_there,
    "the rest of an apply that was rolled back": r.rolled_back,
    "ports as ECS shows them": ports,
    "another order, and empty members": ordered,
    "a check that is made after the apply": r.whole(
        checks=[{"address": {"to_display": "x"}, "status": "unknown"}]
    ),
    "empty where the state has nothing": r.after(WORKER, tags={}, ipc_mode="", volume=None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_plan_is_refused_for_its_own_reason(name: str) -> None:
    bend, reason = HOSTILE[name]
    said = objections(bent(bend))
    assert any(reason in line for line in said), said


@pytest.mark.parametrize("name", GOOD)
def test_a_good_plan_is_accepted(name: str) -> None:
    assert objections(bent(GOOD[name])) == []


def test_a_refusal_names_nothing_that_is_as_it_should_be() -> None:
    """One thing is wrong, so one line says so."""
    several = {name: said for name, (bend, _) in HOSTILE.items() if len(said := objections(bent(bend))) > 1}
    assert sorted(several) == []


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for key, each in value.items() for leaf in leaves(each, (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for key, each in enumerate(value) for leaf in leaves(each, (*path, key))]
    return [path]


def other(value: object) -> object:
    """A value that says something else, of the same kind where that is possible."""
    if isinstance(value, bool):
        return not value
    return (
        value + 1 if isinstance(value, int) else [{"bent": "yes"}] if value in ([], {}) else f"{value}-bent"
    )


PLAN = r.recorded()
PLACES = [
    (number, path)
    for number, resource in enumerate(PLAN["resource_changes"])
    for path in leaves(resource["change"]["after"])
]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(PLACES))
def test_any_one_attribute_changed_is_refused(place: tuple[int, tuple[Any, ...]]) -> None:
    number, path = place
    plan = copy.deepcopy(PLAN)
    inside = plan["resource_changes"][number]["change"]["after"]
    for key in path[:-1]:
        inside = inside[key]
    if path == ("container_definitions",):
        containers = json.loads(inside[path[-1]])
        containers[0]["image"] += "-bent"
        inside[path[-1]] = json.dumps(containers)
    else:
        inside[path[-1]] = other(inside[path[-1]])
    address = plan["resource_changes"][number]["address"]
    assert [line for line in objections(plan) if line.startswith(f"{address}: ")] != []


CONTAINERS = json.loads(r.at(PLAN, WORKER)["change"]["after"]["container_definitions"])


@pytest.mark.parametrize("path", leaves(CONTAINERS), ids=str)
def test_any_one_word_of_a_container_changed_is_refused(path: tuple[Any, ...]) -> None:
    containers = copy.deepcopy(CONTAINERS)
    inside = containers
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = other(inside[path[-1]])
    plan = bent(r.after(WORKER, container_definitions=json.dumps(containers)))
    assert objections(plan) == [f"{WORKER}: would change container_definitions"]


@pytest.mark.parametrize(
    ("definition", "service", "references", "fine"),
    [
        (
            'aws_ecs_task_definition.x["worker"]',
            'aws_ecs_service.x["worker"]',
            ["aws_ecs_task_definition.x", "each.key"],
            True,
        ),
        (
            'aws_ecs_task_definition.x["worker"]',
            'aws_ecs_service.x["backend"]',
            ["aws_ecs_task_definition.x", "each.key"],
            False,
        ),
        (
            'aws_ecs_task_definition.x["worker"]',
            "aws_ecs_service.x",
            [
                'aws_ecs_task_definition.x["worker"].arn',
                'aws_ecs_task_definition.x["worker"]',
                "aws_ecs_task_definition.x",
            ],
            True,
        ),
        (
            'aws_ecs_task_definition.x["worker"]',
            "aws_ecs_service.x",
            ['aws_ecs_task_definition.x["backend"].arn', "aws_ecs_task_definition.x"],
            False,
        ),
        (
            'aws_ecs_task_definition.x["worker"]',
            "aws_ecs_service.x",
            ["aws_ecs_task_definition.x", "var.which"],
            False,
        ),
        (
            "aws_ecs_task_definition.x",
            "aws_ecs_service.x",
            [
                "aws_ecs_task_definition.x.family",
                "aws_ecs_task_definition.x",
                "aws_ecs_task_definition.x.revision",
            ],
            True,
        ),
    ],
)
def test_a_service_of_a_for_each_takes_the_definition_of_its_own_key(
    definition: str, service: str, references: list[str], fine: bool
) -> None:
    plan = r.recorded()
    r.refers(WORKER_SERVICE, *references)(plan)
    for block, address in ((WORKER, definition), (WORKER_SERVICE, service)):
        r.configured(block, address=address.split("[")[0])(plan)
        r.entry(block, address=address)(plan)
    declared = {BACKEND: r.ROLES[BACKEND], definition: r.ROLES[WORKER]}
    followed = {BACKEND_SERVICE: BACKEND, service: definition}
    assert (roles.objections(read(json.dumps(plan)), declared, followed) == []) is fine


def test_a_definition_and_its_service_may_be_in_a_module() -> None:
    plan = r.recorded()
    resources = [
        x
        for x in plan["configuration"]["root_module"]["resources"]
        if x["address"] in (WORKER, WORKER_SERVICE)
    ]
    plan["configuration"]["root_module"]["module_calls"] = {"app": {"module": {"resources": resources}}}
    plan["configuration"]["root_module"]["resources"] = []
    inside = 'module.app["eu.1"].'
    for address in (WORKER, WORKER_SERVICE):
        r.entry(address, address=inside + address, module_address=inside[:-1])(plan)
    r.settled(plan, BACKEND)
    declared = {BACKEND: r.ROLES[BACKEND], inside + WORKER: r.ROLES[WORKER]}
    followed = {BACKEND_SERVICE: BACKEND, inside + WORKER_SERVICE: inside + WORKER}
    assert roles.objections(read(json.dumps(plan)), declared, followed) == []
    resources[1 if resources[1]["address"] == WORKER else 0]["provisioners"] = PROVISIONER
    (said,) = roles.objections(read(json.dumps(plan)), declared, followed)
    assert said == f"{inside}{WORKER}: would run a provisioner (local-exec)"


def test_what_makes_an_undo_harder_is_said_but_not_refused() -> None:
    plan = r.recorded()
    r.before(WORKER_SERVICE, wait_for_steady_state=None)(plan)
    r.after(WORKER_SERVICE, wait_for_steady_state=None)(plan)
    r.change(BACKEND, actions=["create", "delete"])(plan)
    assert objections(plan) == []
    said = roles.warnings(read(json.dumps(plan)), r.ROLES, r.SERVICES)
    assert [line.split(",")[0] for line in said] == [
        f"{WORKER}: no create_before_destroy",
        f"{WORKER_SERVICE}: no wait_for_steady_state",
    ]


def test_a_long_list_of_objections_is_cut_with_their_number() -> None:
    plan = r.recorded()
    for number in range(150):
        r.another(OLD_ROLE, f"aws_iam_role.evil[{number}]", actions=["create"])(plan)
    said = objections(plan)
    assert (len(said), said[-1]) == (101, "and 50 more")
