"""EventBridge event patterns: which are refused, and which events the others find.

Amazon EventBridge User Guide, "Creating Amazon EventBridge event patterns" and "Arrays in Amazon EventBridge
event patterns"; quotas, "Event pattern size". Where they are silent it is as in aws/event-ruler, which
EventBridge runs on (README, "And and Or Relationship among fields" and "JSON Array Matching"): names of
fields are joined with dots, in the pattern and in the event; fields that are in arrays must be of the same
elements; `exists` asks about leaves. Not judged is how complex wildcards may be: AWS refuses some, and
documents no limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

from sandbox.aws.events.operators import RESERVED, Condition, InvalidPattern, condition

MOST_CHARACTERS = 2048
"""The default quota; it can be raised to 4096. With which code AWS refuses more is not documented."""

Branch: TypeAlias = dict[str, tuple[Condition, ...]]
"""Conditions by the field's joined names. All fields must match; of a field's conditions one is enough."""
_Place: TypeAlias = tuple[tuple[int, int], ...]
"""The arrays that a value is in, each with the element's index."""
_Fields: TypeAlias = dict[str, list[tuple[Any, _Place]]]


class Pattern:
    """Raises InvalidPattern when it is made of a text that EventBridge refuses."""

    def __init__(self, text: str) -> None:
        if len(text) > MOST_CHARACTERS:
            raise InvalidPattern(f"Event pattern is longer than {MOST_CHARACTERS} characters")
        try:
            pattern = json.loads(text, parse_constant=_no_json)
        except ValueError as error:
            raise InvalidPattern(f"Invalid JSON: {error}") from error
        if not isinstance(pattern, dict):
            raise InvalidPattern("Filter is not an object")
        self.pattern: dict[str, Any] = pattern
        self._branches = _object(pattern, "", [{}], in_or=False)

    def matches(self, event: Mapping[str, Any]) -> bool:
        fields: _Fields = {}
        for name, value, place in _leaves(event, "", (), iter(range(10**9))):
            fields.setdefault(name, []).append((value, place))
        return any(_finds(sorted(branch.items()), fields, {}) for branch in self._branches)


read = lru_cache(maxsize=256)(Pattern)
"""Rules keep their text, and are offered every event."""


def _no_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _object(pattern: Mapping[str, Any], path: str, branches: list[Branch], *, in_or: bool) -> list[Branch]:
    """The branches with the object's fields in them."""
    if not pattern:
        raise InvalidPattern("Empty objects are not allowed")
    for name, wanted in pattern.items():
        joined = f"{path}.{name}" if path else name
        if name == "$or" and _is_or(wanted):
            branches = [
                branch
                for alternative in wanted
                for branch in _object(alternative, path, [dict(each) for each in branches], in_or=True)
            ]
        elif in_or and name in RESERVED:
            raise InvalidPattern(f"{name} is Ruler reserved fieldName which cannot be used inside $or.")
        elif isinstance(wanted, dict):
            branches = _object(wanted, joined, branches, in_or=in_or)
        elif not isinstance(wanted, list):
            raise InvalidPattern(f'"{name}" must be an object or an array')
        elif not wanted:
            raise InvalidPattern("Empty arrays are not allowed")
        else:
            conditions = tuple(map(condition, wanted))
            for branch in branches:
                branch[joined] = conditions
    return branches


def _is_or(wanted: Any) -> bool:
    """Whether this is the operator. Else $or is a field's name, as event-ruler keeps it for old rules."""
    return (
        isinstance(wanted, list)
        and len(wanted) > 1
        and all(isinstance(each, dict) and not RESERVED & each.keys() for each in wanted)
    )


def _leaves(value: Any, path: str, place: _Place, arrays: Iterator[int]) -> Iterator[tuple[str, Any, _Place]]:
    """Each value of the event with its name; an empty array or object has none."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else name, place, arrays)
    elif isinstance(value, list):
        array = next(arrays)
        for index, each in enumerate(value):
            within = (*place, (array, index)) if isinstance(each, Mapping | list) else place
            yield from _leaves(each, path, within, arrays)
    else:
        yield path, value, place


def _finds(
    wanted: list[tuple[str, tuple[Condition, ...]]], fields: _Fields, elements: dict[int, int]
) -> bool:
    """Whether each field has a value that matches, all of them of the same elements."""
    if not wanted:
        return True
    (name, conditions), *others = wanted
    here = [(value, place) for value, place in fields.get(name, ()) if _agrees(place, elements)]
    if not here and any(each.absent for each in conditions):
        return _finds(others, fields, elements)
    tests = [each.test for each in conditions if not each.absent]
    return any(
        any(test(value) for test in tests) and _finds(others, fields, elements | dict(place))
        for value, place in here
    )


def _agrees(place: _Place, elements: Mapping[int, int]) -> bool:
    return all(elements.get(array, index) == index for array, index in place)
