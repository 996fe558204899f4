"""The change that a person makes in Terraform, as `terraform plan` shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.diagnosis.terraform import patch
from tests.unit.fakes import OLD_ROLE, WORKER_ROLE

LINES = [
    '    family        = "retainwise-worker"',
    f'-   task_role_arn = "{OLD_ROLE}"',
    f'+   task_role_arn = "{WORKER_ROLE}"',
    "}",
]


def lines(address: str | None) -> list[str]:
    return patch(address, OLD_ROLE, WORKER_ROLE, "retainwise-worker").splitlines()


def test_a_resource_of_the_root_module() -> None:
    assert lines("aws_ecs_task_definition.worker") == [
        'resource "aws_ecs_task_definition" "worker" {',
        *LINES,
    ]


def test_without_an_address_the_family_says_which_resource_it_is() -> None:
    assert lines(None) == ['resource "aws_ecs_task_definition" "<the one of this family>" {', *LINES]


@pytest.mark.parametrize(
    ("address", "module", "name"),
    [
        ("module.worker.aws_ecs_task_definition.this", "module.worker", "this"),
        ("module.a.module.b.aws_ecs_task_definition.this", "module.a.module.b", "this"),
        ('module.ecs["worker"].aws_ecs_task_definition.this', 'module.ecs["worker"]', "this"),
        ("module.ecs[0].aws_ecs_task_definition.this-one", "module.ecs[0]", "this-one"),
        ("module.aws_ecs_task_definition.aws_ecs_task_definition.x", "module.aws_ecs_task_definition", "x"),
        ('module.m["a.b/c d"].aws_ecs_task_definition.x', 'module.m["a.b/c d"]', "x"),
    ],
)
def test_the_module_is_named_above_the_resource(address: str, module: str, name: str) -> None:
    assert lines(address) == [f"# {module}", f'resource "aws_ecs_task_definition" "{name}" {{', *LINES]


@pytest.mark.parametrize(
    "index", ["[0]", '["worker"]', '["a.b/c"]', '["x[1]"]', '["aws_ecs_task_definition.y"]']
)
def test_which_instance_of_a_resource_with_count_or_for_each_is_said(index: str) -> None:
    for module in ("", "module.ecs."):
        address = f"{module}aws_ecs_task_definition.services{index}"
        resource, where = lines(address)[-6:-4]
        assert resource == 'resource "aws_ecs_task_definition" "services" {'
        assert where == f"  # {address}"


@given(st.text(max_size=60))
def test_whatever_the_address_the_change_is_there(address: str) -> None:
    assert lines(address)[-3:] == LINES[-3:]
