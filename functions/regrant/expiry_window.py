"""The hours in which a service is tried without its grant: when somebody is there to see it.

`always`, or days and hours in UTC such as `MON-FRI 09:00-16:00`. A grant whose time is over outside of them
goes on until they begin. They are an hour a day at least, so that the hourly audit, which tries again what an
expiry could not end, looks once in them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from regrant.clock import iso

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DAY = 24 * 60
_SHORTEST = 60
_FIRES = timedelta(minutes=5)
"""Within which a schedule has started its run: Scheduler calls within 60 s of its time (EventBridge
Scheduler User Guide, "Schedule types"), and Step Functions takes the call then, or is asked again."""
_HOUR = "[0-2][0-9]:[0-5][0-9]"
_FORM = re.compile(
    rf"(?P<first>{'|'.join(DAYS)})(?:-(?P<last>{'|'.join(DAYS)}))?"
    rf" (?P<opens>{_HOUR})-(?P<closes>{_HOUR})"
)


class ExpiryWindow(msgspec.Struct, frozen=True):
    """Days of the week (0: Monday) and minutes of the day in UTC, from `opens` up to and without `closes`."""

    days: frozenset[int] = frozenset(range(7))
    opens: int = 0
    closes: int = _DAY

    def first_at_or_after(self, moment: str) -> str:
        """That moment (ISO 8601) if it is in the window, else when the window next opens."""
        if self.has(moment):
            return moment
        at = datetime.fromisoformat(moment).astimezone(UTC)
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        openings = (midnight + timedelta(days=day, minutes=self.opens) for day in range(8))
        first = next(each for each in openings if each >= at and each.weekday() in self.days)
        return iso(first)

    def has(self, moment: str) -> bool:
        """Whether that moment (ISO 8601) is in the window."""
        at = datetime.fromisoformat(moment).astimezone(UTC)
        return at.weekday() in self.days and self.opens <= at.hour * 60 + at.minute < self.closes


def closed_until(window: ExpiryWindow, end: str | None, started: str, now: str) -> str | None:
    """When a grant is tried whose schedule for its end has started this run (at `started`) outside of the
    window, which was another one when that end was set. None if it is tried now: in the window, or because a
    person or the audit started the run at another time.
    """
    if end is None:
        return None
    late = datetime.fromisoformat(started) - datetime.fromisoformat(end)
    if not timedelta() <= late <= _FIRES:
        return None
    return None if window.has(end) or window.has(now) else window.first_at_or_after(now)


def parse_window(text: str) -> ExpiryWindow:
    """The window that the stack's parameter ExpiryWindow says.

    Raises ValueError with what it should look like.
    """
    if text.strip().lower() == "always":
        return ExpiryWindow()
    found = _FORM.fullmatch(text.strip().upper())
    opens, closes = (_minutes(found["opens"]), _minutes(found["closes"])) if found else (0, 0)
    if found is None or not opens + _SHORTEST <= closes <= _DAY:
        raise ValueError(_WANTED.format(text))
    first, last = DAYS.index(found["first"]), DAYS.index(found["last"] or found["first"])
    days = frozenset(day % 7 for day in range(first, (last if last >= first else last + 7) + 1))
    return ExpiryWindow(days, opens, closes)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


_WANTED = (
    "ExpiryWindow is {!a}; it has to be `always`, or days and hours in UTC like `MON-FRI 09:00-16:00`,"
    " an hour long at least."
)
