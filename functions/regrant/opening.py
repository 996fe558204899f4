"""Open an incident: from whatever started the run to a service with its entry, or to a refusal."""

from __future__ import annotations

from regrant.catalogue import read_entry
from regrant.concurrency import both
from regrant.models import Incident, LastOutcome, OpenEvent, Refusal
from regrant.ports import Catalogue, Journal
from regrant.settings import Settings
from regrant.triggers import Request, parse_service, read_trigger
from regrant.wire import seconds_between

COOL_DOWN = 24 * 3600.0
"""Seconds for which alarms start no run for a service after one was undone."""


def open_incident(event: OpenEvent, catalogue: Catalogue, journal: Journal, settings: Settings) -> Incident:
    """The incident this run works on; `refusal` is set if it must not go on. Changes nothing."""
    request = read_trigger(event.state, settings.alarm_prefix)
    if request.refusal:
        return _incident(event, request, refusal=request.refusal)
    if request.incident is not None:
        return _open_rollback(event, request, request.incident, journal)
    service = request.service
    assert service is not None  # read_trigger gives one or the other
    text, last = both(
        lambda: catalogue.entry(service),
        lambda: journal.last_outcome(service) if request.by_alarm else None,
    )
    entry = read_entry(text, service, settings)
    if isinstance(entry, Refusal):
        return _incident(event, request, refusal=entry)
    refusal = judge_last_outcome(last, event.now)
    if refusal:
        return _incident(event, request, refusal=refusal)
    return Incident(
        id=event.execution,
        subject=event.execution,
        mode=request.mode,
        trigger=request.trigger,
        opened_at=event.now,
        service=request.service,
        entry=entry,
    )


def judge_last_outcome(last: LastOutcome | None, now: str) -> Refusal | None:
    """An alarm does not try again what was undone a while ago: each try may cost messages and restarts.

    An undo brings the denials back, and with them the alarm; without this the two would take turns.
    """
    if last is None or last.outcome == "CONTAINED" or seconds_between(last.at, now) > COOL_DOWN:
        return None
    return Refusal(
        "RECENTLY_UNDONE",
        f"The last run, {last.incident}, was undone ({last.outcome}) at {last.at}.",
        "Read that run's report and repair the cause; then start a run by hand, which is never held back.",
    )


def _open_rollback(event: OpenEvent, request: Request, subject: str, journal: Journal) -> Incident:
    record = journal.load(subject)
    if record.baseline is None:
        refusal = Refusal(
            "UNKNOWN_INCIDENT",
            f"The journal has no baseline for {subject}: that run changed nothing, or there was none.",
            "Take the incident's id from the run's report; it is the execution's name.",
        )
        return _incident(event, request, refusal=refusal)
    return Incident(
        id=event.execution,
        subject=subject,
        mode="rollback",
        trigger=request.trigger,
        opened_at=event.now,
        service=parse_service(record.baseline.service_key),
    )


def _incident(event: OpenEvent, request: Request, refusal: Refusal) -> Incident:
    return Incident(
        id=event.execution,
        subject=request.incident or event.execution,
        mode=request.mode,
        trigger=request.trigger,
        opened_at=event.now,
        service=request.service,
        refusal=refusal,
    )
