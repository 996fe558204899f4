"""Open an incident: from whatever started the run to a service with its entry, or to a refusal."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.model.aws import name_of
from regrant.model.catalogue import Service, parse_service
from regrant.model.journal import LastOutcome
from regrant.model.run import Incident, OpenEvent, Refusal
from regrant.opening.catalogue import read_entry
from regrant.opening.request import EXAMPLE, Request, shown
from regrant.opening.trigger import read_trigger
from regrant.parallel import both, each
from regrant.ports import Catalogue, Journal, Record, Services
from regrant.settings import Settings

COOL_DOWN = 24 * 3600.0
"""Seconds for which events start no run for a service after one was undone."""


def open_incident(
    event: OpenEvent, catalogue: Catalogue, services: Services, journal: Journal, settings: Settings
) -> Incident:
    """The incident this run works on; `refusal` is set if it must not go on. Changes nothing."""
    request = read_trigger(event.state, settings)
    if request.refusal:
        return _incident(event, request, refusal=request.refusal)
    if request.incident is not None and request.mode == "expire":
        return _open_expiry(event, request, request.incident, catalogue, journal, settings)
    if request.incident is not None:
        return _open_rollback(event, request, request.incident, journal)
    service = request.service or find_service(request.task or "", services, settings)
    if isinstance(service, Refusal):
        return _incident(event, request, refusal=service)
    request = replace(request, service=service)
    text, last = both(
        lambda: catalogue.entry(service),
        lambda: journal.last_outcome(service) if request.automatic else None,
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
        service=service,
        entry=entry,
        denials=request.denials,
    )


def find_service(task: str, services: Services, settings: Settings) -> Service | Refusal:
    """The service of the task with that id, looked for in every managed cluster.

    ECS tells of a stopped task for about an hour (API reference, DescribeTasks). That the session of a task's
    role is named after the task is what accounts show; AWS does not promise it. Were it otherwise, no task
    would be found and nothing done.
    """
    clusters = tuple(sorted(name_of(arn) for arn in settings.clusters))
    groups = each(lambda cluster: services.task_group(cluster, task), clusters)
    for cluster, group in zip(clusters, groups, strict=True):
        if group is not None:
            kind, _, name = group.partition(":")
            service = parse_service(f"{cluster}/{name}") if kind == "service" else None
            return service or _unknown(f"Task {task} of cluster {cluster} is of {shown(group)}, no service.")
    return _unknown(f"No managed cluster knows a task {task}; ECS forgets one an hour after it stopped.")


def _unknown(message: str) -> Refusal:
    next_step = f"Find out which service was denied, and start a run for it by hand: {EXAMPLE}"
    return Refusal("UNKNOWN_TASK", message, next_step)


def judge_last_outcome(last: LastOutcome | None, now: str) -> Refusal | None:
    """No event tries again what was undone a while ago: each try may cost messages and restarts.

    An undo brings the denials back, and with them the events; without this the two would take turns.
    """
    if last is None or last.outcome in ("CONTAINED", "CURED") or seconds_between(last.at, now) > COOL_DOWN:
        return None
    return Refusal(
        "RECENTLY_UNDONE",
        f"The last run, {last.incident}, was undone ({last.outcome}) at {last.at}.",
        "Read that run's report and repair the cause; then start a run by hand, which is never held back.",
    )


def _open_rollback(event: OpenEvent, request: Request, subject: str, journal: Journal) -> Incident:
    record = journal.load(subject)
    if request.ended and (record.baseline is None or _closed(request.ended, subject, record, journal)):
        return _incident(event, request, refusal=_nothing_to_undo(request.ended))
    if record.baseline is None:
        return _incident(event, request, refusal=_unknown_incident(subject))
    return Incident(
        id=event.execution,
        subject=subject,
        mode="rollback",
        trigger=request.trigger,
        opened_at=event.now,
        service=parse_service(record.baseline.service_key),
        role=record.baseline.role.arn,
        ended=request.ended,
    )


def _open_expiry(
    event: OpenEvent,
    request: Request,
    granted: str,
    catalogue: Catalogue,
    journal: Journal,
    settings: Settings,
) -> Incident:
    """The end of the grants of an incident, for a service that may not be enrolled any more."""
    record = journal.load(granted)
    service = parse_service(record.baseline.service_key) if record.baseline else None
    if record.baseline is None or service is None:
        return _incident(event, request, refusal=_unknown_incident(granted))
    entry = read_entry(catalogue.entry(service), service, settings)
    if isinstance(entry, Refusal) and entry.code != "NOT_ENROLLED":
        return _incident(event, replace(request, service=service), refusal=entry)
    return Incident(
        id=event.execution,
        subject=event.execution,
        mode="expire",
        trigger=request.trigger,
        opened_at=event.now,
        service=service,
        entry=None if isinstance(entry, Refusal) else entry,
        role=record.baseline.role.arn,
        expires=granted,
    )


def _unknown_incident(incident: str) -> Refusal:
    return Refusal(
        "UNKNOWN_INCIDENT",
        f"The journal has no baseline for {incident}: that run changed nothing, or there was none.",
        "Take the incident's id from the run's report; it is the execution's name.",
    )


def _closed(ended: str, subject: str, record: Record, journal: Journal) -> bool:
    """Whether the run had come to its report: then it is fixed, undone, or a person has been paged."""
    return (record if ended == subject else journal.load(ended)).closed


def _nothing_to_undo(run: str) -> Refusal:
    message = f"Run {run} had changed nothing, or had reported its outcome before it ended."
    return Refusal("NOTHING_TO_UNDO", message, "Nothing to do.", outcome="NOTHING_TO_FIX")


def _incident(event: OpenEvent, request: Request, refusal: Refusal) -> Incident:
    return Incident(
        id=event.execution,
        subject=event.execution,
        mode=request.mode,
        trigger=request.trigger,
        opened_at=event.now,
        service=request.service,
        refusal=refusal,
        denials=request.denials,
    )
