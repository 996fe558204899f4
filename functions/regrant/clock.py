"""Moments as ISO 8601 strings in UTC, as Step Functions writes them. Nothing here reads a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

HOUR = 3600.0
"""Seconds."""


def iso(moment: datetime) -> str:
    """The ISO 8601 time of it, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(start: str, end: str) -> float:
    """Seconds from one ISO 8601 time to another, to the millisecond."""
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)


def later(moment: str, seconds: float) -> str:
    """The ISO 8601 time so many seconds after that one, in UTC."""
    return earlier(moment, -seconds)


def earlier(moment: str, seconds: float) -> str:
    """The ISO 8601 time so many seconds before that one, in UTC."""
    return iso(datetime.fromisoformat(moment) - timedelta(seconds=seconds))
