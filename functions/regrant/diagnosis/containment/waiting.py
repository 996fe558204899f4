"""How long a containment waits for a deployment that somebody else started, and what it says of that."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.model.run import Diagnosis, Finding, Incident

WAIT_LIMIT = 1200.0
"""Seconds since the execution's start. A rolling update takes 3 to 10 minutes; a circuit breaker needs about
as long until three tasks have failed to start, and then its rollback is a rolling update, too."""


def may_wait(incident: Incident, now: str) -> bool:
    """A dry run answers immediately."""
    return incident.mode == "contain" and seconds_between(incident.opened_at, now) < WAIT_LIMIT


def with_wait(diagnosis: Diagnosis, before: Diagnosis | None) -> Diagnosis:
    """The diagnosis with what the run has waited for so far."""
    was, is_ = before.waited if before else None, diagnosis.waited
    looks = before.looks if before else 0
    if before is None or was is None:
        return replace(diagnosis, looks=int(diagnosis.next == "WAIT"))
    if is_ is not None:
        deployments = tuple(dict.fromkeys((*was.deployments, *is_.deployments)))
        waited = replace(is_, deployments=deployments, since=was.since)
        return replace(diagnosis, waited=waited, looks=looks + (diagnosis.next == "WAIT"))
    waited = replace(was, until=diagnosis.at) if before.next == "WAIT" else was
    spent = seconds_between(waited.since, waited.until)
    text = f"Waited {spent:.0f} s for what others were deploying: {', '.join(waited.deployments)}."
    findings = (Finding("WAITED_FOR_DEPLOYMENT", text), *diagnosis.findings)
    if diagnosis.refusal and diagnosis.refusal.code == "DEPLOYMENT_REPLACED":
        # What was denied of which tasks, without until when, or how long, it was waited for.
        waits = ("WAITS_FOR_DEPLOYMENT", "WAITED_FOR_DEPLOYMENT")
        findings += tuple(each for each in before.findings if each.code not in waits)
    return replace(diagnosis, waited=waited, looks=looks, findings=findings)
