"""The hours in which services are tried without their grants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.expiry_window import DAYS, closed_until, parse_window

OFFICE = parse_window("MON-FRI 09:00-16:00")
MOMENTS = st.integers(0, 5 * 366 * 86_400).map(
    lambda s: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=s)
)


@pytest.mark.parametrize(
    ("moment", "then"),
    [
        ("2025-11-11T21:52:14.102Z", "2025-11-12T09:00:00.000Z"),  # a Tuesday evening
        ("2025-11-12T09:00:00.000Z", "2025-11-12T09:00:00.000Z"),
        ("2025-11-12T15:59:59.999Z", "2025-11-12T15:59:59.999Z"),
        ("2025-11-14T16:00:00.000Z", "2025-11-17T09:00:00.000Z"),  # a Friday, at the end of the window
        ("2025-11-14T12:00:00.000-08:00", "2025-11-17T09:00:00.000Z"),
    ],
)
def test_a_grant_ends_when_somebody_is_there(moment: str, then: str) -> None:
    assert OFFICE.first_at_or_after(moment) == then


def test_always_is_any_time() -> None:
    assert parse_window("always").first_at_or_after("2025-11-15T03:00:00.000Z") == "2025-11-15T03:00:00.000Z"


def test_days_may_go_over_the_weeks_end() -> None:
    assert parse_window("SAT-MON 00:00-24:00").days == {5, 6, 0}


@given(MOMENTS, st.sampled_from(DAYS), st.sampled_from(DAYS), st.integers(0, 23), st.integers(1, 24))
def test_the_end_is_in_the_window_not_before_its_time_and_within_a_week(
    moment: datetime, first: str, last: str, opens: int, hours: int
) -> None:
    closes = min(opens + hours, 24)
    window = parse_window(f"{first}-{last} {opens:02}:00-{closes:02}:00")
    then = datetime.fromisoformat(window.first_at_or_after(moment.isoformat()))
    assert window.has(then.isoformat())
    assert moment - timedelta(milliseconds=1) <= then <= moment + timedelta(days=7)


@given(st.text(max_size=30).filter(lambda text: text.strip().lower() != "always"))
def test_whatever_else_is_said_is_an_error_that_says_what_is_wanted(text: str) -> None:
    with pytest.raises(ValueError, match="MON-FRI 09:00-16:00"):
        parse_window(text)


@pytest.mark.parametrize(
    "text", ["", "MON-FRI", "MON-FRI 16:00-09:00", "MON 25:00-26:00", "9-17", "MON 9:00-16:00"]
)
def test_a_window_that_never_opens_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="ExpiryWindow"):
        parse_window(text)


@pytest.mark.parametrize("text", ["MON-SUN 09:30-09:45", "MON-SUN 09:30-10:29", "MON 23:30-24:00"])
def test_a_window_that_the_hourly_audit_can_miss_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="an hour long at least"):
        parse_window(text)


@given(MOMENTS, st.integers(0, 59))
def test_in_the_shortest_window_the_audit_looks_each_day(moment: datetime, minute: int) -> None:
    window = parse_window(f"MON-SUN 09:{minute:02}-10:{minute:02}")
    assert sum(window.has((moment + timedelta(hours=hour)).isoformat()) for hour in range(24)) == 1


NIGHT, MORNING = "2025-11-12T03:00:00.000Z", "2025-11-12T09:00:00.000Z"
STARTED = "2025-11-12T03:00:40.000Z"


@pytest.mark.parametrize(
    ("end", "started", "now", "until"),
    [
        (NIGHT, STARTED, STARTED, MORNING),
        (None, STARTED, STARTED, None),  # of a version without ends
        (NIGHT, "2025-11-12T02:00:00.000Z", "2025-11-12T02:00:00.000Z", None),  # a person ends it early
        (NIGHT, "2025-11-12T05:00:00.000Z", "2025-11-12T05:00:00.000Z", None),  # a person ends it late
        (NIGHT, STARTED, MORNING, None),  # it waited until the window had opened
        # Scheduler's minute, at the end of the window.
        ("2025-11-12T15:59:50.000Z", "2025-11-12T16:00:20.000Z", "2025-11-12T16:00:20.000Z", None),
    ],
)
def test_only_what_a_schedule_of_another_window_starts_waits_for_the_window(
    end: str | None, started: str, now: str, until: str | None
) -> None:
    assert closed_until(OFFICE, end, started, now) == until
