"""The function's own clock, and what it lets pass: the one file that reads it.

The times a step works with come from outside, so that a run can be replayed: when its state was entered, and
when the audit's rule fired. The clock makes none of them. It only bounds them, since whoever may invoke a
function may name any time. A person's answer, which is no step, brings no time: there it is the clock's.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from regrant.clock import iso, seconds_between
from regrant.errors import ClockAhead

# Seconds. AWS keeps its clocks within one of each other; a function's may be off by more after a pause.
_SKEW = 300.0


def not_ahead(moment: str) -> str:
    """That moment (ISO 8601). Raises ClockAhead if the clock has not come to it.

    However long ago it may be: a state that is tried again keeps the time at which it was first entered, and
    the run may be redriven days later. A time of before ends a grant sooner and a lease later, no more.
    """
    own = own_time()
    if seconds_between(own, moment) > _SKEW:
        raise ClockAhead(f"{moment} has not come: it is {own} here.")
    return moment


def no_later(moment: str) -> str:
    """That moment, or the clock's if it is earlier."""
    own = own_time()
    return own if seconds_between(own, moment) > 0 else moment


def own_time() -> str:
    """What the clock says (ISO 8601), for a request that brings no time of its own."""
    return iso(datetime.fromtimestamp(time.time(), UTC))
