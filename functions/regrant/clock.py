"""What crosses the boundary between two states: structs as JSON types, moments as ISO 8601 strings in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

HOUR = 3600.0
"""Seconds."""


def encode(value: object) -> Any:
    """Struct to JSON types, for a handler's return value."""
    return msgspec.to_builtins(value)


def decode(value: object, to: type[T]) -> T:
    """JSON types to a struct. Raises msgspec.ValidationError with the path of what is wrong."""
    return msgspec.convert(value, to)


def seconds_between(start: str, end: str) -> float:
    """Seconds from one ISO 8601 time to another, to the millisecond."""
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)


def earlier(moment: str, seconds: float) -> str:
    """The ISO 8601 time so many seconds before that one, in UTC."""
    before = datetime.fromisoformat(moment).astimezone(UTC) - timedelta(seconds=seconds)
    return before.isoformat(timespec="milliseconds").replace("+00:00", "Z")
