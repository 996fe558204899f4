"""`make privileges`, its second part: whom the stack's parts let in."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from scripts.privileges import simulation
from scripts.privileges.parts import Part, parts, reached, table
from scripts.privileges.permissions import role_of

needs_node = pytest.mark.skipif(
    simulation.missing() is not None, reason=f"asks another evaluator: {simulation.missing()}"
)


@pytest.fixture(scope="module")
def found() -> dict[str, Part]:
    return {part.name: part for part in parts()}


def bent(part: Part, change: Callable[[dict[str, Any]], object]) -> Part:
    policy: Any = deepcopy(part.policy)
    change(policy["Statement"][0])
    return replace(part, policy=policy)


@needs_node
def test_every_part_of_the_stack_lets_in_its_own_service_and_nobody_else(found: dict[str, Part]) -> None:
    seen = reached(list(found.values()), [])
    assert seen.wrong == []
    assert all(seen.tried[name] > 200 for name in found)
    assert {name: services for name, services in seen.services.items() if name in ("queue", "topic")} == {
        "queue": {"events"},
        "topic": {"cloudwatch"},
    }


@needs_node
@pytest.mark.parametrize(
    ("name", "change", "stranger"),
    [
        ("topic", lambda s: s.pop("Condition"), "of 210987654321: sns:Publish"),
        ("queue", lambda s: s["Condition"].pop("ArnEquals"), "for arn:aws:scheduler"),
        ("queue", lambda s: s["Condition"].pop("StringEquals"), "of 210987654321: sqs:SendMessage"),
        ("queue", lambda s: s.update(Principal="*"), "s3.amazonaws.com for arn:aws:events"),
        (
            "topic",
            lambda s: s.update(Principal={"AWS": "210987654321"}),
            "arn:aws:iam::210987654321:role/developer",
        ),
        ("role ScheduleRole", lambda s: s["Condition"].pop("ArnEquals"), "scheduler.amazonaws.com"),
        (
            "role RunbookRole",
            lambda s: s["Principal"].update(Service="ec2.amazonaws.com"),
            "ec2.amazonaws.com",
        ),
    ],
    ids=["no condition", "no source", "no account", "anybody", "another account", "any schedule", "EC2"],
)
def test_a_policy_that_lets_in_more_is_noticed(
    found: dict[str, Part], name: str, change: Callable[[dict[str, Any]], object], stranger: str
) -> None:
    strangers = reached([bent(found[name], change)], []).strangers
    assert [each for each in strangers if stranger in each], strangers


@needs_node
def test_a_policy_that_lets_in_less_than_the_stack_needs_is_noticed(found: dict[str, Part]) -> None:
    queue = bent(found["queue"], lambda s: s["Condition"]["ArnEquals"]["aws:SourceArn"].pop())
    (shut_out,) = reached([queue], []).shut_out
    assert "rule/regrant-audit" in shut_out


@needs_node
def test_the_table_says_which_roles_of_the_stack_may_use_a_part(found: dict[str, Part]) -> None:
    may = {"Effect": "Allow", "Action": "sns:Publish", "Resource": found["topic"].arn}
    role = role_of(
        "regrant-PageOperatorFunctionRole-0123456789AB", ({"Version": "2012-10-17", "Statement": [may]},)
    )
    rows = table(reached([found["topic"], found["queue"]], [role])).splitlines()
    assert [row.split()[-1] for row in rows[1:]] == ["PageOperator", "-"]
    assert all(len(row) <= 80 for row in rows)
