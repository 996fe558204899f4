"""What an automatic run was refused for: notified once for each cause of a service, then counted (see
regrant.refusals); and so where no service was found.

A run that a person has started always answers. If the record cannot be read or written, the topic is notified
rather than not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.catalogue import Service, parse_service
from regrant.model.journal import Outcome, RefusedCause
from regrant.model.run import Finding, Report, RunState
from regrant.opening.trigger import ALARMS, mode_of
from regrant.ports import Account
from regrant.refusals import (
    ALARM_SUPPRESSED,
    NOT_OPENED,
    claimed,
    counted,
    digest_of_entry,
    digests_of,
    is_due,
    is_left_to_another,
    let_go,
    notified,
)
from regrant.report.outcome import refusal_of
from regrant.stored import Journal

# A write meets another run's of the same service. More than that in a second is no chance.
_TRIES = 5


class Repeat(msgspec.Struct, frozen=True):
    """Whether the topic is to be notified of this run; and its refusal with what the record says of it. Those
    of runs that found no service are counted together."""

    notify: bool = True
    service: Service | None = None
    this: RefusedCause | None = None
    known: RefusedCause | None = None


def look_back(state: RunState, outcome: Outcome, aws: Account, now: str) -> Repeat:
    """What the record says of this run's refusal, if it is one that is counted."""
    incident, refusal = state.incident, refusal_of(state)
    if refusal and refusal.code == ALARM_SUPPRESSED:
        return Repeat(notify=False)
    counts = incident.automatic and incident.mode == "contain" and outcome in ("REFUSED", "NOTHING_TO_FIX")
    if not counts:
        return Repeat()
    code = refusal.code if refusal else state.failure.name if state.failure else outcome
    entry = digest_of_entry(incident.entry)
    this = RefusedCause(code, entry, now, now, outcome, about=digests_of(_refused_over(state)))
    return _known(incident.service, this, incident.id, aws, now)


def look_back_unopened(given: object, failure: str, run: str, aws: Account, now: str) -> Repeat:
    """The same of a run that could not be opened, if its input is an event. Of an undo each is notified: what
    it was to undo is still there."""
    if not isinstance(given, Mapping) or "detail-type" not in given or mode_of(given) != "contain":
        return Repeat()
    service = _service_of_alarm(given)
    over = [failure] if service else [failure, str(given["detail-type"])]
    this = RefusedCause(NOT_OPENED, None, now, now, about=digests_of(over))
    return _known(service, this, run, aws, now)


def _known(service: Service | None, this: RefusedCause, run: str, aws: Account, now: str) -> Repeat:
    """Of runs that end at the same time one says, before it notifies the topic, that it does."""
    known = None
    try:
        last = aws.journal.last_outcome(service) if service else None
        for _ in range(_TRIES):
            before = aws.journal.refusals(service)
            record, known = counted(before, this, run)
            if not is_due(known, last, now) or is_left_to_another(before, this, run, now):
                return Repeat(False, service, this, known)
            if aws.journal.keep_refusals(service, claimed(record, known, run, now)):
                break
    except (AwsRefused, AwsUnavailable):
        return Repeat(True, service, this)
    return Repeat(True, service, this, known)


def _service_of_alarm(given: Mapping[Any, Any]) -> Service | None:
    """Of an alarm's name, which ends in cluster and service. It is a key to count by, and nothing else."""
    detail = given.get("detail") if given.get("detail-type") in ALARMS else None
    name = detail.get("alarmName") if isinstance(detail, Mapping) else None
    return parse_service("/".join(name.split("/")[-2:])) if isinstance(name, str) else None


def _refused_over(state: RunState) -> Iterator[str]:
    """The denied actions, the role and the revisions. Times, counts and resources differ from one line of a
    log to the next, and are no other cause. Of a run that found no service, who was denied, or else what
    started it."""
    for denial in state.incident.denials:
        yield denial.action or ""
    if state.diagnosis:
        for finding in state.diagnosis.findings:
            yield finding.action or ""
        yield from state.diagnosis.tried or ()
    yield state.role or ""
    if state.incident.service is None:
        denied = [denial.role_name or denial.principal_arn or "" for denial in state.incident.denials]
        yield from denied or [state.incident.trigger]


def with_count(report: Report, repeat: Repeat) -> Report:
    """The report with how often this was so before, if it was."""
    known = repeat.known
    if known is None or known.count < 2:
        return report
    text = f"{known.count} automatic runs have ended for this cause since {known.first}."
    if not repeat.notify and known.notified_at is None:
        text += " Another run is about to notify the topic of it."
    elif not repeat.notify:
        text += f" The topic was notified of it at {known.notified_at}, and will be again after a day."
    return replace(report, findings=(*report.findings, Finding("SAME_CAUSE", text)))


def count(repeat: Repeat, journal: Journal, run: str, now: str, *, sent: bool) -> None:
    """Write the run's refusal into the record, and that the topic was notified of it, if it was.

    After the notification: what could not be written is notified again, a few minutes later.
    """
    if repeat.this is None:
        return
    try:
        for _ in range(_TRIES):
            record, known = counted(journal.refusals(repeat.service), repeat.this, run)
            about = repeat.this.about
            record = notified(record, known, run, now, about) if sent else let_go(record, known, run)
            if journal.keep_refusals(repeat.service, record):
                return
    except (AwsRefused, AwsUnavailable):
        return
