"""What RegisterTaskDefinition takes, by botocore's shape: a full value, any value, their paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.aws.account import client

INPUT: Any = client("ecs").meta.service_model.operation_model("RegisterTaskDefinition").input_shape


def filled(shape: Any, name: str = "") -> Any:
    """A value of botocore's shape with every member that it knows, at every depth."""
    match shape.type_name:
        case "structure":
            return {member: filled(each, member) for member, each in shape.members.items()}
        case "list":
            return [filled(shape.member, name)]
        case "map":
            return {f"{name}-key": filled(shape.value, name)}
        case "boolean":
            return True
        case "integer" | "long":
            return 7
        case "string":
            return shape.enum[0] if shape.enum else f"some {name}"
    raise AssertionError(f"{name} is a {shape.type_name}, which no task definition had till now")


def leaves(shape: Any, path: str = "") -> Iterator[str]:
    """The path of every member at the end of a shape."""
    match shape.type_name:
        case "structure":
            for member, each in shape.members.items():
                yield from leaves(each, f"{path}.{member}")
        case "list":
            yield from leaves(shape.member, path)
        case _:
            yield path


def leaves_of(value: Any, path: str = "") -> Iterator[str]:
    """The path of every member at the end of a value; an entry of a map counts as its map."""
    if isinstance(value, dict) and not any(name.endswith("-key") for name in value):
        for member, each in value.items():
            yield from leaves_of(each, f"{path}.{member}")
    elif isinstance(value, list):
        for each in value:
            yield from leaves_of(each, path)
    else:
        yield path


def values(shape: Any, name: str = "") -> st.SearchStrategy[Any]:
    """What botocore's shape takes, each member there or not."""
    match shape.type_name:
        case "structure":
            members = {member: values(each, member) for member, each in shape.members.items()}
            return st.fixed_dictionaries({}, optional=members)
        case "list":
            return st.lists(values(shape.member, name), max_size=2)
        case "map":
            return st.dictionaries(st.sampled_from(("a", "b")), st.sampled_from(("", "1")), max_size=2)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(0, 2)
    return st.sampled_from(tuple(shape.enum) or ("", "a", "b.c", "é"))


def scalars(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, (dict, list)):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(each, (*path, key))
    else:
        yield path


def with_more(value: Any, shape: Any) -> Any:
    """The value with a member in every structure that the shape does not have."""
    if shape.type_name == "structure":
        members = {name: with_more(each, shape.members[name]) for name, each in value.items()}
        return {**members, "registeredAt": "2026-03-02", "unheardOf": {"name": "x"}}
    return [with_more(each, shape.member) for each in value] if shape.type_name == "list" else value
