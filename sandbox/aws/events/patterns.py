"""EventBridge event patterns and input transformation.

Amazon EventBridge User Guide, "Comparison operators for use in event patterns" and "Amazon EventBridge input
transformation". moto knows only some operators and gives strings in templates no quotes.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_MISSING = object()


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Every field of the pattern must match; of a field's alternatives one is enough."""
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(matches(alternative, event) for alternative in wanted):
                return False
            continue
        actual = event.get(name, _MISSING)
        if isinstance(wanted, Mapping):
            if not matches(wanted, actual if isinstance(actual, Mapping) else {}):
                return False
        elif not any(_one(alternative, actual) for alternative in wanted):
            return False
    return True


def _one(wanted: Any, actual: Any) -> bool:
    if isinstance(wanted, Mapping) and "exists" in wanted:
        return bool(wanted["exists"]) == (actual is not _MISSING)
    values = actual if isinstance(actual, list) else [] if actual is _MISSING else [actual]
    if isinstance(wanted, Mapping):
        ((operator, operand),) = wanted.items()
        return any(_OPERATORS[operator](value, operand) for value in values)
    return any(type(value) is type(wanted) and value == wanted for value in values)


def _anything_but(value: Any, operand: Any) -> bool:
    refused = operand if isinstance(operand, list) else [operand]
    return not any(_one(each, value) for each in refused)


def _numeric(value: Any, operand: list[Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return all(_COMPARISONS[sign](value, limit) for sign, limit in pairs)


def _wildcard(value: str, operand: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, operand.split("*"))), value, re.DOTALL) is not None


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, limit: value == limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "prefix": lambda value, operand: isinstance(value, str) and value.startswith(operand),
    "suffix": lambda value, operand: isinstance(value, str) and value.endswith(operand),
    "equals-ignore-case": lambda value, operand: isinstance(value, str) and value.lower() == operand.lower(),
    "wildcard": lambda value, operand: isinstance(value, str) and _wildcard(value, operand),
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": lambda value, operand: ipaddress.ip_address(value) in ipaddress.ip_network(operand),
}


def target_input(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str) -> str:
    """What the target gets: the event, a part of it, a constant, or a template that was filled in."""
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        return json.dumps(at(event, target["InputPath"]))
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    values = {name: at(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {
        "aws.events.event": event,
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rpartition("/")[2],
    }
    return fill(transformer["InputTemplate"], values)


def fill(template: str, values: Mapping[str, Any]) -> str:
    """A placeholder between quotes becomes text, one outside becomes JSON, so EventBridge quotes a string
    itself.
    """

    def text(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            return match.group(0)
        value = "" if values[name] is None else values[name]
        quoted = len(re.findall(r'(?<!\\)"', template[: match.start()])) % 2 == 1
        if not quoted:
            return json.dumps(value)
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return re.sub(r"<([A-Za-z0-9._-]+)>", text, template)


def at(event: Any, path: str) -> Any:
    """The value at a plain JSON path, None if there is none."""
    for part in re.findall(r"[^.$\[\]'\"]+", path):
        try:
            event = event[int(part)] if isinstance(event, list) else event[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return event
