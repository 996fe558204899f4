"""How long a containment waits for a deployment that somebody else started, and what it says of that."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.clock import later
from regrant.model.aws import ServiceState
from regrant.model.run import Diagnosis, Finding, Incident, Waited

WAIT_LIMIT = 1200.0
"""Seconds of all waits of a run, each since its first look. A rolling update takes 3 to 10 minutes; a circuit
breaker needs about as long until three tasks have failed to start, and then its rollback is a rolling update,
too."""

_LACKS = "If that other revision is to be deployed again, first give its role what the findings say it lacks."


def wait_with(before: Diagnosis | None, state: ServiceState, now: str) -> Waited:
    """The wait with this look, at the service as it is; a new one if the last look was of none."""
    names, primary = tuple(each.named for each in state.deployments if not each.completed), state.primary
    first = Waited(names, now, now)
    if primary:
        first = replace(first, primary=primary.id, running=primary.running, running_since=now)
    was = before.waited if before else None
    if before is None or was is None:
        return first
    every = tuple(dict.fromkeys((*was.deployments, *names)))
    if before.next != "WAIT":
        return replace(first, deployments=every, earlier=was.seconds)
    if was.primary == first.primary and was.running >= first.running:
        return replace(was, deployments=every, until=now)
    return replace(first, deployments=every, since=was.since, earlier=was.earlier)


def may_wait(incident: Incident, waited: Waited) -> bool:
    """A dry run answers immediately."""
    return incident.mode == "contain" and waited.seconds < WAIT_LIMIT


def ends_at(waited: Waited) -> str:
    return later(waited.since, WAIT_LIMIT - waited.earlier)


def with_wait(diagnosis: Diagnosis, before: Diagnosis | None) -> Diagnosis:
    """The diagnosis with what the run has waited for so far."""
    was, looks = before.waited if before else None, before.looks if before else 0
    if before is None or was is None or diagnosis.waited is not None:
        return replace(diagnosis, looks=looks + (diagnosis.next == "WAIT"))
    waited = replace(was, until=diagnosis.at) if before.next == "WAIT" else was
    text = f"Waited {waited.seconds:.0f} s for what others were deploying: {', '.join(waited.deployments)}."
    findings = (Finding("WAITED_FOR_DEPLOYMENT", text), *diagnosis.findings)
    if diagnosis.refusal and diagnosis.refusal.code == "DEPLOYMENT_REPLACED":
        # What was denied of which tasks, without until when, or how long, it was waited for.
        waits = ("WAITS_FOR_DEPLOYMENT", "WAITED_FOR_DEPLOYMENT")
        findings += tuple(each for each in before.findings if each.code not in waits)
        if any(each.code == "DENIED_TASKS" for each in findings):
            diagnosis = replace(diagnosis, refusal=replace(diagnosis.refusal, next=_LACKS))
    return replace(diagnosis, waited=waited, looks=looks, findings=findings)
