"""A mute rule that holds an alarm's actions back.

The event is sent all the same. Its detail has `muteDetail` then, with `mutedByArn`, `muteWindowStart` and
`muteWindowEnd` (CloudWatch user guide, Alarm events and EventBridge); `mutedBy` is read too. DescribeAlarms
says nothing of it (API reference, MetricAlarm, CompositeAlarm), so the end of the window is noted for the
audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from regrant.clock import later, seconds_between
from regrant.model.results import Refusal
from regrant.opening.request import shown
from regrant.refusals import ALARM_SUPPRESSED

# Seconds: a rule mutes for 15 days at most (API reference, Schedule, Duration). What an event says beyond
# that is not believed.
_LONGEST = 15 * 24 * 3600.0


def muted(alarm: str) -> str:
    """Under which it is noted (stored.Notices) until when that alarm is muted."""
    return f"muted/{alarm}"


def refused_as_muted(name: str, detail: Mapping[str, Any]) -> Refusal | None:
    """The refusal of an alarm's event that has a mute rule in it."""
    if (mute := _mute_of(detail)) is None:
        return None
    by, until = mute.get("mutedByArn") or mute.get("mutedBy"), mute.get("muteWindowEnd")
    end = "" if until is None else f" until {shown(until)}"
    if _in_utc(until):
        then = "If the alarm is still in ALARM then, the audit starts a run."
    else:
        then = "If the alarm is still in ALARM, the next audit starts a run."
    return Refusal(
        ALARM_SUPPRESSED,
        f"Alarm {name} went to ALARM, and is muted{end} (rule {shown(by)}).",
        f"Nothing to do. {then}",
        outcome="NOTHING_TO_FIX",
    )


def mute_to_note(raw: object, now: str) -> tuple[str, str] | None:
    """Of the input of a run that was refused so: the alarm, and what is noted of it. That is the end of the
    window and when it was seen, as ISO 8601 times in UTC. None if no mute with an end is in it."""
    detail = raw.get("detail") if isinstance(raw, Mapping) else None
    if not isinstance(detail, Mapping) or (mute := _mute_of(detail)) is None:
        return None
    name, until = detail.get("alarmName"), _in_utc(mute.get("muteWindowEnd"))
    if until is None or not isinstance(name, str):
        return None
    return name, f"{min(until, later(now, _LONGEST))} {later(now, 0)}"


def muted_until(noted: str | None, since: str, now: str) -> str | None:
    """Until when an alarm is muted that is in ALARM since then. None if it is not, or not any more; or if it
    went to ALARM after that was noted: the event of that has said so itself, or has not."""
    if noted is None:
        return None
    until, seen = noted.split(" ")
    over = seconds_between(now, until) <= 0 or seconds_between(seen, since) > 0
    return None if over else until


def _mute_of(detail: Mapping[str, Any]) -> Mapping[str, Any] | None:
    mute = detail.get("muteDetail")
    return mute if isinstance(mute, Mapping) and mute else None


def _in_utc(text: object) -> str | None:
    """The time as this runbook writes it; None if the text is no time with an offset."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if at is None or at.tzinfo is None else later(at.isoformat(), 0)
    except (ValueError, OverflowError):
        return None
