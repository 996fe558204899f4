"""What two task definitions differ in: every field, and nothing that ECS only shows in another way."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regrant.aws.revisions import different, restricted
from tests.aws.registrable import INPUT, scalars, values, with_more
from tests.aws.task_definitions import container

DEFINITION = {
    "family": "orders",
    "cpu": "256",
    "containerDefinitions": [
        container("web", environment=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], cpu=0),
        container("log", command=["a", "b"]),
    ],
    "tags": [{"key": "team", "value": "orders"}],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """DEFINITION with the member at a dotted path set, or taken away if the value is None."""
    definition: Any = copy.deepcopy(DEFINITION)
    *outer, last = (int(part) if part.isdigit() else part for part in path.split("."))
    inner = definition
    for part in outer:
        inner = inner[part]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return dict(definition)


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        ("cpu", "512", ['cpu: "256" -> "512"']),
        ("cpu", None, ['cpu: "256" -> absent']),
        ("pidMode", "task", ['pidMode: absent -> "task"']),
        (
            "containerDefinitions.1.image",
            "shop/log:2",
            ['containerDefinitions.1.image: "shop/log:1" -> "shop/log:2"'],
        ),
        ("containerDefinitions.0.cpu", None, ["containerDefinitions.0.cpu: 0 -> absent"]),
        ("containerDefinitions.0.essential", False, ["containerDefinitions.0.essential: true -> false"]),
        (
            "containerDefinitions.1.command",
            ["b", "a"],
            [
                'containerDefinitions.1.command.0: "a" -> "b"',
                'containerDefinitions.1.command.1: "b" -> "a"',
            ],
        ),
        (
            "containerDefinitions.0.environment.0.value",
            "9",
            ["containerDefinitions.0.environment.0.value: differs"],
        ),
        (
            "containerDefinitions.0.environment.0",
            None,
            [
                'containerDefinitions.0.environment.0.name: "A" -> absent',
                "containerDefinitions.0.environment.0.value: differs",
            ],
        ),
        ("tags.0.value", "", ['tags.0.value: "orders" -> ""']),
        (
            "tags",
            None,
            ['tags.0.key: "team" -> absent', 'tags.0.value: "orders" -> absent'],
        ),
    ],
)
def test_a_difference_names_its_field(path: str, value: Any, lines: list[str]) -> None:
    assert different(DEFINITION, changed(path, value)) == tuple(lines)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("enableFaultInjection", False),
        ("volumes", []),
        ("containerDefinitions.0.systemControls", []),
        ("containerDefinitions.0.linuxParameters", {"capabilities": {"add": []}}),
        ("containerDefinitions.0.environment", [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]),
    ],
)
def test_what_says_nothing_is_no_difference(path: str, value: Any) -> None:
    # ECS shows more defaults for newer revisions, and an environment in an order of its own.
    assert different(DEFINITION, changed(path, value)) == ()


definitions = values(INPUT)


@given(definitions, st.data())
def test_one_change_is_one_line(definition: dict[str, Any], data: st.DataObject) -> None:
    # A name says which element of a list it is, so another name is another element.
    paths = [path for path in scalars(definition) if path[-1] not in ("name", "key")]
    assume(paths)
    *outer, last = data.draw(st.sampled_from(paths))
    other: Any = copy.deepcopy(definition)
    inner = other
    for part in outer:
        inner = inner[part]
    old = inner[last]
    inner[last] = not old if isinstance(old, bool) else old + 1 if isinstance(old, int) else f"{old}!"
    (line,) = different(definition, other)
    (back,) = different(other, definition)
    member = last if isinstance(last, str) else outer[-1]
    assert member in line.split(":")[0] and back.split(":")[0] == line.split(":")[0]


@given(definitions, st.randoms())
def test_named_things_may_come_in_any_order(definition: dict[str, Any], random: Any) -> None:
    other: Any = copy.deepcopy(definition)
    environments = [c.get("environment", []) for c in other.get("containerDefinitions", [])]
    for named in (*environments, other.get("volumes", []), other.get("tags", [])):
        names = [each.get("name", each.get("key")) for each in named]
        if None not in names and len(set(names)) == len(names):
            random.shuffle(named)
    assert different(definition, other) == ()


@given(definitions)
def test_only_what_can_be_registered_is_copied_and_all_of_it(definition: dict[str, Any]) -> None:
    assert restricted(with_more(definition, INPUT), INPUT) == definition
