"""EventBridge's comparison operators: whether one is written as AWS takes it, and which values it finds.

Amazon EventBridge User Guide, "Comparison operators for use in event patterns"; the README of
aws/event-ruler, which EventBridge runs on; and answers of TestEventPattern that LocalStack recorded at AWS
(tests/aws/services/events/test_events_patterns.snapshot.json). Most reasons are in the words recorded there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

Test: TypeAlias = Callable[[Any], bool]
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class InvalidPattern(Exception):
    """EventBridge refuses this pattern. The text is the reason."""


@dataclass(frozen=True)
class Condition:
    """One of the alternatives of a field."""

    test: Test
    absent: bool = False
    """It asks that there is no such field; `test` is then not asked."""


def condition(alternative: Any) -> Condition:
    """One member of a field's array. Raises InvalidPattern."""
    if isinstance(alternative, list):
        raise InvalidPattern("Match value must be String, number, true, false, or null")
    if not isinstance(alternative, dict):
        return Condition(_exactly(alternative))
    if not alternative:
        raise InvalidPattern("Match expression name not found")
    if len(alternative) > 1:
        raise InvalidPattern("Only one key allowed in match expression")
    ((name, operand),) = alternative.items()
    if name == "exists":
        if not isinstance(operand, bool):
            raise InvalidPattern("exists match pattern must be either true or false.")
        return Condition(lambda _: True, absent=not operand)
    if name not in _OPERATORS:
        raise InvalidPattern(f"Unrecognized match type {name}")
    return Condition(_OPERATORS[name](operand))


def _exactly(wanted: Any) -> Test:
    """Numbers are equal by value, texts that are IP addresses too; true is not 1."""
    address = _address(wanted)
    if address is not None:
        return lambda value: _address(value) == address
    if _is_number(wanted):
        return lambda value: _is_number(value) and value == wanted
    return lambda value: type(value) is type(wanted) and value == wanted


def _text(name: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise InvalidPattern(f"{name} match pattern must be a string")
    return operand


def _end(name: str, at_end: Callable[[str, str], bool], operand: Any) -> Test:
    """prefix and suffix, which may ignore case."""
    if not isinstance(operand, dict):
        end = _text(name, operand)
        return _of_text(lambda value: at_end(value, end))
    if [*operand] != ["equals-ignore-case"]:
        raise InvalidPattern(f"Unsupported {name} pattern: {', '.join(operand)}")
    folded = _text("equals-ignore-case", operand["equals-ignore-case"]).lower()
    return _of_text(lambda value: at_end(value.lower(), folded))


def _ignore_case(operand: Any) -> Test:
    wanted = _text("equals-ignore-case", operand).lower()
    return _of_text(lambda value: value.lower() == wanted)


def _wildcard(operand: Any) -> Test:
    """`*` is any text; `\\*` and `\\\\` are the characters themselves."""
    text = _text("wildcard", operand)
    parts: list[str] = []
    escaped = False
    for at, character in enumerate(text):
        if escaped:
            if character not in "*\\":
                break
            parts.append(re.escape(character))
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "*":
            if text[at + 1 : at + 2] == "*":
                # It counts from the quote before the text, in bytes.
                raise InvalidPattern(f"Consecutive wildcard characters at pos {len(text[:at].encode()) + 1}")
            parts.append(".*")
        else:
            parts.append(re.escape(character))
    if escaped:
        raise InvalidPattern(f"Invalid escape character in wildcard {text}")
    expression = re.compile("".join(parts), re.DOTALL)
    return _of_text(lambda value: expression.fullmatch(value) is not None)


def _anything_but(operand: Any) -> Test:
    """A field that is missing is found by none of these; one that is null is."""
    if isinstance(operand, dict):
        return _anything_but_of(operand)
    if isinstance(operand, list):
        kinds = {_is_number(each) for each in operand}
        if any(not isinstance(each, str) and not _is_number(each) for each in operand):
            raise InvalidPattern("Inside anything but list, start|null|boolean is not supported.")
        if len(kinds) != 1:
            raise InvalidPattern("Inside anything but list, values must be all numbers or all strings")
        return _none_of(map(_exactly, map(_comparable, operand)))
    if not isinstance(operand, str) and not _is_number(operand):
        raise InvalidPattern("Value of anything-but must be an array or single string/number value.")
    return _none_of([_exactly(_comparable(operand))])


def _anything_but_of(operand: dict[str, Any]) -> Test:
    """anything-but with an operator, for one text or a list of them."""
    if len(operand) != 1:
        raise InvalidPattern("Too many elements in anything-but expression")
    ((name, given),) = operand.items()
    if name not in _NEGATED:
        raise InvalidPattern(f"Unsupported anything-but pattern: {name}")
    if given is None or isinstance(given, dict | bool):
        raise InvalidPattern("Value of anything-but must be an array or single string/number value.")
    texts = given if isinstance(given, list) else [given]
    for text in texts:
        if not isinstance(text, str):
            raise InvalidPattern(_NEGATED[name])
        if not text and name in ("prefix", "suffix"):
            raise InvalidPattern("Null prefix/suffix not allowed")
    return _none_of(_OPERATORS[name](text) for text in texts)


def _none_of(tests: Iterable[Test]) -> Test:
    refused = list(tests)
    return lambda value: not any(test(value) for test in refused)


def _numeric(operand: Any) -> Test:
    """["=", 1], or one bound, or a lower and an upper one in this order."""
    if not isinstance(operand, list):
        raise InvalidPattern("Value of numeric must be an array.")
    pairs = [(operand[at], operand[at + 1 : at + 2]) for at in range(0, len(operand), 2)]
    bounds = [(sign, _limit(sign, limit)) for sign, limit in pairs]
    signs = [sign for sign, _ in bounds]
    if not bounds or signs[0] not in _COMPARISONS:
        raise InvalidPattern(f"Unrecognized numeric range operator: {signs[0] if signs else ''}")
    if len(bounds) > 1 and signs[0] not in (">", ">="):
        raise InvalidPattern("Too many elements in numeric expression")
    if len(bounds) > 1 and signs[1] not in ("<", "<="):
        raise InvalidPattern(f"Bad numeric range operator: {signs[1]}")
    if len(bounds) > 2:
        raise InvalidPattern("Too many terms in numeric range expression")
    if len(bounds) == 2 and bounds[0][1] >= bounds[1][1]:
        raise InvalidPattern("Bottom must be less than top")

    def inside(value: Any) -> bool:
        return _is_number(value) and all(_COMPARISONS[sign](value, limit) for sign, limit in bounds)

    return inside


def _limit(sign: Any, limit: list[Any]) -> float:
    if not isinstance(sign, str):
        raise InvalidPattern(f"Invalid member in numeric match: {sign}")
    if not limit or not _is_number(limit[0]):
        raise InvalidPattern(f"Value of {'equals' if sign == '=' else sign} must be numeric")
    number: float = _comparable(limit[0])
    return number


def _comparable(value: Any) -> Any:
    """Raises InvalidPattern for a number that no double is equal to."""
    try:
        fits = not _is_number(value) or (float(value) == value and abs(value) != float("inf"))
    except OverflowError:
        fits = False
    if not fits:
        raise InvalidPattern(f"Cannot compare number : {value}")
    return value


def _cidr(operand: Any) -> Test:
    # The words for prefix; so they were recorded.
    text = _text("prefix", operand)
    if text.count("/") != 1:
        raise InvalidPattern("Malformed CIDR, one '/' required")
    host, _, bits = text.partition("/")
    if not re.fullmatch(r"[+-]?[0-9]+", bits):
        raise InvalidPattern("Malformed CIDR, mask bits must be an integer")
    address = _address(host)
    if address is None:
        raise InvalidPattern(f"Nonstandard IP address: {host}")
    if not 0 <= int(bits) < address.max_prefixlen:
        raise InvalidPattern(f"Malformed CIDR, mask bits must be from 0 to {address.max_prefixlen - 1}")
    network = ipaddress.ip_network(f"{address}/{int(bits)}", strict=False)

    def inside(value: Any) -> bool:
        found = _address(value)
        return found is not None and found in network

    return inside


def _address(value: Any) -> _Address | None:
    try:
        return ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_text(test: Callable[[str], bool]) -> Test:
    return lambda value: isinstance(value, str) and test(value)


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, limit: value == limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
_OPERATORS: dict[str, Callable[[Any], Test]] = {
    "exactly": lambda operand: _exactly(_text("exact", operand)),
    "prefix": partial(_end, "prefix", str.startswith),
    "suffix": partial(_end, "suffix", str.endswith),
    "equals-ignore-case": _ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}
_NEGATED = {
    "prefix": "prefix/suffix match pattern must be a string",
    "suffix": "prefix/suffix match pattern must be a string",
    "wildcard": "wildcard match pattern must be a string",
    "equals-ignore-case": "Inside anything-but/equals-ignore-case list,"
    " number|start|null|boolean is not supported.",
}
"""What anything-but can negate, and the reason for an operand that is no text."""
RESERVED = {
    *_OPERATORS,
    *_COMPARISONS,
    "exists",
    *("regex", "not-wildcard", "not-equals-ignore-case", "in-date-range"),
    *("date-after", "date-on-or-after", "date-before", "date-on-or-before"),
    *("ip-address-in-range", "ip-address-not-in-range"),
}
"""No names of fields inside $or (event-ruler, RESERVED_FIELD_NAMES_IN_OR_RELATIONSHIP)."""
