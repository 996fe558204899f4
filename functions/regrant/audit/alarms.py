"""Alarms that are still in ALARM, and whose service no run works on.

CloudWatch sends one event for each change of an alarm's state. A run that it started and that could not go on
then is started again by nobody, for as long as the alarm stays in ALARM.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from regrant.audit.found import Neglected
from regrant.audit.grants import run_name
from regrant.audit.holders import Holder
from regrant.audit.start import Due
from regrant.clock import seconds_between
from regrant.model.aws import FiringAlarm
from regrant.model.catalogue import CatalogueEntry, Service, parse_service
from regrant.model.journal import LastOutcome, Refusals
from regrant.model.undone import judge_last_outcome
from regrant.opening.ended_run import AUDIT_SOURCE
from regrant.opening.muted import muted_until
from regrant.opening.trigger import AUDIT
from regrant.refusals import keeps_passing, newest_of, standing

# Seconds for which the alarm's own event may be on its way, and the alarm may stay after what has helped.
_ON_ITS_WAY = 600.0


def alarms_to_look_at(
    firing: tuple[FiringAlarm, ...], prefix: str, enrolled: Mapping[Service, Any], now: str
) -> dict[Service, FiringAlarm]:
    """By service, of those that are enrolled: what has been in ALARM for a while, its actions not
    suppressed."""
    found = {}
    for alarm in firing:
        service = parse_service(alarm.name.removeprefix(prefix)) if alarm.name.startswith(prefix) else None
        if service and service in enrolled and not alarm.suppressed_by and _is_old(alarm, now):
            found[service] = alarm
    return found


def _is_old(alarm: FiringAlarm, now: str) -> bool:
    return seconds_between(alarm.since, now) >= _ON_ITS_WAY


def judge_alarm(
    service: Service,
    alarm: FiringAlarm,
    holder: Holder | None,
    last: LastOutcome | None,
    refusals: Refusals,
    entry: CatalogueEntry | None,
    mute: str | None,
    now: str,
) -> Due | None:
    """The run to start, or for what it waits; None while a run works on the service, is to be undone first,
    or has only just changed it. mute is what is noted of the alarm (regrant.opening.muted)."""
    if holder and (holder.works or holder.left_open):
        return None
    if last and seconds_between(last.at, now) < _ON_ITS_WAY:
        return None
    found = Neglected("alarm without a run", str(service), alarm.name, alarm.since, "No run works on it.")
    if until := muted_until(mute, alarm.since, now):
        return _waits(found, f"The alarm is muted until {until}.")
    if undone := judge_last_outcome(last, now):
        return _waits(found, f"{undone.code}: {undone.message} {undone.next}")
    if refused := standing(refusals, last, entry, now):
        return _waits(
            found,
            f"{refused.code}: so ended the last run, at {refused.last}. It is tried again when the catalogue"
            " entry has changed, or after a day; start it by hand before that.",
        )
    name, known = run_name("audit", str(service), now), _is_known(refusals, alarm)
    return Due(found, name, event_of(alarm), known=known)


def _is_known(refusals: Refusals, alarm: FiringAlarm) -> bool:
    """A run of this very alarm has found nothing to fix, and has notified the topic of that: it is tried
    again each hour, since the alarm may be of something else by then, and whatever is found is notified.

    Or it was refused again for what passes, and of that the topic was notified: an alarm that flaps is
    another each time, and what keeps its service the same."""
    newest = newest_of(refusals)
    if newest is None or seconds_between(alarm.since, newest.last) < 0:
        return False
    return newest.outcome == "NOTHING_TO_FIX" or keeps_passing(newest)


def switched_off(service: Service, alarm: FiringAlarm, rule: str) -> Due:
    """The same where alarms are to start no runs."""
    found = Neglected("alarm without a run", str(service), alarm.name, alarm.since, "")
    return _waits(found, f"The rule {rule} is disabled, so no alarm starts a run.")


def _waits(found: Neglected, why: str) -> Due:
    return Due(replace(found, why=why, waits=True))


def event_of(alarm: FiringAlarm) -> dict[str, Any]:
    """What the audit starts the run with: as the alarm's own event, but of another type."""
    return {
        "source": AUDIT_SOURCE,
        "detail-type": AUDIT,
        "detail": {"alarmName": alarm.name, "state": {"value": "ALARM", "timestamp": alarm.since}},
    }
