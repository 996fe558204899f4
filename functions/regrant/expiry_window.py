"""The hours in which a service is tried without its grant: when somebody is there to see it.

`always`, or days and hours in UTC such as `MON-FRI 09:00-16:00`. A grant whose time is over outside of them
goes on until they begin.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

import msgspec

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_FORM = re.compile(
    rf"(?P<first>{'|'.join(DAYS)})(?:-(?P<last>{'|'.join(DAYS)}))? (?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)"
)


class ExpiryWindow(msgspec.Struct, frozen=True):
    """Days of the week (0: Monday) and hours of the day in UTC, from `opens` up to and without `closes`."""

    days: frozenset[int] = frozenset(range(7))
    opens: time = time.min
    closes: time | None = None

    def first_at_or_after(self, moment: str) -> str:
        """That moment (ISO 8601) if it is in the window, else when the window next opens."""
        at = datetime.fromisoformat(moment).astimezone(UTC)
        if self._has(at):
            return moment
        for day in range(8):
            opening = datetime.combine(at.date() + timedelta(days=day), self.opens, UTC)
            if opening >= at and opening.weekday() in self.days:
                return opening.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        raise AssertionError("a window has a day in each week")

    def has(self, moment: str) -> bool:
        """Whether that moment (ISO 8601) is in the window."""
        return self._has(datetime.fromisoformat(moment).astimezone(UTC))

    def _has(self, at: datetime) -> bool:
        closed = self.closes is not None and at.time() >= self.closes
        return at.weekday() in self.days and at.time() >= self.opens and not closed


def parse_window(text: str) -> ExpiryWindow:
    """The window that the stack's parameter ExpiryWindow says. Raises ValueError with what it should look
    like."""
    if text.strip().lower() == "always":
        return ExpiryWindow()
    found = _FORM.fullmatch(text.strip().upper())
    try:
        if found is None:
            raise ValueError
        first, last = DAYS.index(found["first"]), DAYS.index(found["last"] or found["first"])
        opens, closes = time.fromisoformat(found["opens"]), _closing(found["closes"])
    except ValueError:
        raise ValueError(_WANTED.format(text)) from None
    if closes is not None and closes <= opens:
        raise ValueError(_WANTED.format(text))
    days = frozenset(day % 7 for day in range(first, (last if last >= first else last + 7) + 1))
    return ExpiryWindow(days, opens, closes)


def _closing(text: str) -> time | None:
    return None if text == "24:00" else time.fromisoformat(text)


_WANTED = "ExpiryWindow is {!a}; it has to be `always`, or days and hours in UTC like `MON-FRI 09:00-16:00`."
