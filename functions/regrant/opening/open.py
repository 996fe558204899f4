"""Open an incident: from whatever started the run to a leased service with its entry, or to a refusal."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.leases import Busy, take_service
from regrant.model.aws import name_of
from regrant.model.catalogue import Service, parse_service
from regrant.model.results import Health, Refusal
from regrant.model.run import Incident, OpenEvent, RunState
from regrant.model.undone import held_back, judge_last_outcome
from regrant.opening.catalogue import read_entry
from regrant.opening.ended_run import UNDO_STOPPED
from regrant.opening.request import EXAMPLE, Request, as_input, shown
from regrant.opening.trigger import read_trigger
from regrant.parallel import both, each
from regrant.ports import Account
from regrant.settings import Allowed
from regrant.stored import Record

# Seconds since the execution's start for which a run waits for its service: until the last function of the
# run that had it has ended, too; and an undo that a run's end has started, which has to be done.
WAIT, UNDO_WAIT = 120.0, 3600.0


def open_incident(event: OpenEvent, aws: Account) -> RunState:
    """The incident this run works on, with its service leased; `next` says how the run goes on.

    Repeated while another run has the service. An undo waits for AWS as well: it must not give up. Raises
    AwsUnavailable, AwsRefused.
    """
    request = read_trigger(event.input, aws.settings, lambda: aws.allowed.read(event.now, "roles"))
    try:
        return _opened(_lease(_read(event, request, aws), event, aws))
    except AwsUnavailable:
        if request.mode != "rollback" or request.refusal or _waited(event) >= UNDO_WAIT:
            raise
        return _opened(_incident(event, request, next="WAIT"))


def _opened(incident: Incident) -> RunState:
    """The state in which a run begins: nothing was looked at yet."""
    return RunState(incident, health=Health("PENDING", incident.opened_at, checks=0))


def _read(event: OpenEvent, request: Request, aws: Account) -> Incident:
    """The incident as the trigger, the catalogue and the journal have it; `refusal` if it must not go on."""
    if request.refusal:
        # Of an undo that was stopped, what it was to undo.
        stopped = request.incident if request.refusal.code == UNDO_STOPPED else None
        return _incident(event, request, refusal=request.refusal, subject=stopped or event.execution)
    if request.incident is not None and request.mode in ("expire", "keep"):
        return _read_expiry(event, request, request.incident, aws)
    if request.incident is not None:
        return _read_rollback(event, request, request.incident, aws)
    service = request.service or find_service(request.task or "", aws, event.now)
    if isinstance(service, Refusal):
        return _incident(event, request, refusal=service)
    (text, allowed), last = both(
        lambda: aws.allowed.read_with_entry(service, event.now, "policies", "clusters"),
        lambda: aws.journal.last_outcome(service) if request.automatic else None,
    )
    request = replace(request, service=service)
    entry = read_entry(text, service, allowed, aws.settings.catalogue_prefix)
    if isinstance(entry, Refusal):
        return _incident(event, request, refusal=entry)
    undone = held_back(last, event.now) or UNSET
    refusal = judge_last_outcome(last, event.now)
    by = last.incident if last and undone else UNSET
    return _incident(event, request, entry=entry, refusal=refusal, undone=undone, undone_by=by)


def _lease(incident: Incident, event: OpenEvent, aws: Account) -> Incident:
    """The incident with its service leased, where it needs it: a dry run changes nothing."""
    if incident.refusal:
        return replace(incident, next="CLOSE")
    go_on = replace(incident, next="UNDO" if incident.mode == "rollback" else "DIAGNOSE")
    if incident.mode == "plan":
        return go_on
    try:
        busy = take_service(incident, aws, event.now)
    except AwsRefused as refused:
        if incident.mode != "rollback":
            raise
        # An undo that cannot begin leaves something behind, so a person is paged.
        refusal = Refusal("LEASE_REFUSED", f"AWS refused the lease on the service: {refused}", _AGAIN)
        return replace(incident, next="PAGE", refusal=refusal)
    if busy is None and incident.ended and _has_reported(incident.ended, incident.subject, aws):
        # While this one waited for the service.
        return replace(incident, next="CLOSE", leased=True, refusal=_nothing_to_undo(incident.ended))
    if busy is None:
        return replace(go_on, leased=True)
    if _worth_waiting(busy, incident, event):
        return replace(incident, next="WAIT")
    if busy.holder == incident.ended and not busy.ended:
        return replace(incident, next="CLOSE", refusal=_not_ended(busy.holder))
    return replace(
        incident, next="PAGE" if incident.ended else "CLOSE", refusal=_service_busy(busy, incident)
    )


def _worth_waiting(busy: Busy, incident: Incident, event: OpenEvent) -> bool:
    """While the holder has only just ended, and for an undo that a run's end has started in any case.

    What an ended run left open is undone before anything else works on its service.
    """
    if incident.ended and (busy.ended or busy.holder != incident.ended):
        return _waited(event) < UNDO_WAIT
    if incident.ended:  # DescribeExecution may not have heard of the end yet
        return _waited(event) < WAIT
    undoes_it = incident.mode == "rollback" and incident.subject == busy.subject
    takes_over = undoes_it or not busy.left_open
    return busy.ended and takes_over and _waited(event) < WAIT


def _waited(event: OpenEvent) -> float:
    return seconds_between(event.started, event.now)


def find_service(task: str, aws: Account, now: str) -> Service | Refusal:
    """The service of the task with that id, looked for in every managed cluster.

    ECS knows a stopped task for about an hour (API reference, DescribeTasks). That the session of a task's
    role is named after the task is what accounts show; AWS does not promise it. Were it otherwise, no task
    would be found and nothing done.
    """
    clusters = tuple(sorted(map(name_of, aws.allowed.read(now, "clusters").clusters)))
    groups = each(lambda cluster: aws.services.task_group(cluster, task), clusters)
    for cluster, group in zip(clusters, groups, strict=True):
        if group is not None:
            kind, _, name = group.partition(":")
            service = parse_service(f"{cluster}/{name}") if kind == "service" else None
            return service or _unknown(f"Task {task} of cluster {cluster} is of {shown(group)}, no service.")
    return _unknown(f"No managed cluster knows a task {task}; ECS forgets one an hour after it stopped.")


def _unknown(message: str) -> Refusal:
    next_step = f"Find out which service was denied, and start a run for it by hand:{EXAMPLE}"
    return Refusal("UNKNOWN_TASK", message, next_step)


def _read_rollback(event: OpenEvent, request: Request, subject: str, aws: Account) -> Incident:
    record = aws.journal.load(subject)
    if request.ended and (record.baseline is None or _closed(request.ended, subject, record, aws)):
        return _incident(event, request, refusal=_nothing_to_undo(request.ended))
    if record.baseline is None:
        return _incident(event, request, refusal=_unknown_incident(subject))
    service = parse_service(record.baseline.service_key)
    request = replace(request, service=service)
    known = {"role": record.baseline.role.arn, "no_entry": _not_enrolled(service, aws, event.now)}
    return _incident(event, request, subject=subject, ended=request.ended, **known)


def _not_enrolled(service: Service | None, aws: Account, now: str) -> Refusal | None:
    """That the service has no entry (any more), so that an undo attaches nothing for it. One that cannot be
    read is there: an undo goes on with less than that."""
    if service is None:
        return None
    try:
        text, _ = aws.allowed.read_with_entry(service, now)
    except AwsRefused:
        return None
    entry = read_entry(text, service, Allowed(), aws.settings.catalogue_prefix)
    return entry if text is None and isinstance(entry, Refusal) else None


def _read_expiry(event: OpenEvent, request: Request, granted: str, aws: Account) -> Incident:
    """The end of the grants of an incident, or that they stay. It is not refused for a catalogue entry that
    is gone or cannot be used: the grants would outlive their time."""
    record = aws.journal.load(granted)
    service = parse_service(record.baseline.service_key) if record.baseline else None
    if record.baseline is None or service is None:
        return _incident(event, request, refusal=_unknown_incident(granted))
    request = replace(request, service=service)
    text, allowed = aws.allowed.read_with_entry(service, event.now, "policies", "clusters")
    entry = read_entry(text, service, allowed, aws.settings.catalogue_prefix)
    known = {"no_entry": entry} if isinstance(entry, Refusal) else {"entry": entry}
    return _incident(event, request, role=record.baseline.role.arn, expires=granted, **known)


def _unknown_incident(incident: str) -> Refusal:
    return Refusal(
        "UNKNOWN_INCIDENT",
        f"The journal has no baseline for {incident}: that run changed nothing, or there was none.",
        "Take the incident's id from the run's report; it is the execution's name.",
    )


def _has_reported(ended: str, subject: str, aws: Account) -> bool:
    return _closed(ended, subject, aws.journal.load(subject), aws)


def _closed(ended: str, subject: str, record: Record, aws: Account) -> bool:
    """Whether the run had come to its report: then it is fixed, undone, or a person has been paged."""
    return (record if ended == subject else aws.journal.load(ended)).closed


def _nothing_to_undo(run: str) -> Refusal:
    message = f"Run {run} had changed nothing, or had reported its outcome before it ended."
    return Refusal("NOTHING_TO_UNDO", message, "Nothing to do.", outcome="NOTHING_TO_FIX")


def _not_ended(run: str) -> Refusal:
    message = f"Run {run} goes on, as Step Functions says, so there is nothing to undo."
    return Refusal("RUN_NOT_ENDED", message, "Find out who sent the event.", outcome="NOTHING_TO_FIX")


_AGAIN = "See that the runbook's functions may use the journal's table, and start the undo again."


def _service_busy(busy: Busy, incident: Incident) -> Refusal:
    report = "read its report, and start a run by hand if the service is still denied."
    if incident.mode == "rollback":
        report = f"start this undo again:{as_input(mode='rollback', incident=incident.subject)}"
    if incident.mode == "rollback" and busy.holder == incident.subject:
        next_step = "Stop that run first (docs/operations.md, Undo a run)."
    elif busy.unknown_until:
        next_step = (
            "That run has only just begun, or somebody made it up. If it stays unknown, it keeps the service"
            f" until {busy.unknown_until}. After that {report.removeprefix('read its report, and ')}"
        )
    elif not busy.ended:
        next_step = (
            f"Look at the execution {busy.holder}: it may wait for an approval, or work. Once it has ended,"
            f" {report}"
        )
    elif busy.left_open:
        undo = as_input(mode="rollback", incident=busy.subject)
        next_step = (
            f"Run {busy.holder} has ended without a report. If no undo of it was started, undo it:{undo}"
        )
    else:
        next_step = f"Run {busy.holder} has just ended: {report}"
    message = f"Run {busy.holder} works on {incident.service}, or has ended and is to be undone first."
    if busy.unknown_until:
        message = f"Run {busy.holder} has {incident.service}, and Step Functions knows no such run (yet)."
    return Refusal("SERVICE_BUSY", message, next_step)


def _incident(event: OpenEvent, request: Request, **known: Any) -> Incident:
    """The incident of this execution. It was opened when that started, however often this step is
    repeated."""
    return Incident(
        **{
            "id": event.execution,
            "subject": event.execution,
            "mode": request.mode,
            "trigger": request.trigger,
            "opened_at": event.started,
            "service": request.service,
            "denials": request.denials,
            "automatic": request.automatic,
        }
        | known
    )
