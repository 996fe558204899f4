"""Withdraw the temporary grants: the runbook's own cure does it, with its proof and its undo.

A service that has its right role already is not deployed by a cure. It is only proved to work while its
grants are taken off, and gets them back if it does not.
"""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.handover.ports import HandoverAccount
from regrant.handover.services import release_all
from regrant.journal import carry_out
from regrant.model.catalogue import Service
from regrant.model.handover import CuredService, Cures, HandoverEvent
from regrant.model.journal import Change
from regrant.model.runs import run_of

LIMIT = 10_800.0
"""Seconds for which cures are waited for: each may ask a person for an hour, and watches a service then."""
GOES_ON = "GOES_ON"
"""In place of an outcome, once it was waited for long enough."""
_NOT_HELD = ("ROLLED_BACK", "ROLLBACK_INCOMPLETE")


def cure_services(event: HandoverEvent, aws: HandoverAccount) -> Cures:
    """Start a cure of each service, and look how they are. DRIFT once they have ended, whatever they could
    withdraw; UNDO if a service does not work with its role. Raises AwsUnavailable, AwsRefused."""
    opened, before = event.state.handover, event.state.cures
    assert opened.spec is not None  # nothing without one comes here
    since = before.since if before else event.now
    if before is None:
        # A cure leases its service itself.
        release_all(opened, opened.spec, aws, event.now)
    runs = before.runs if before else tuple(_start(each, event, aws) for each in opened.spec.services)
    runs = tuple(each if each.outcome else _look(each, aws) for each in runs)
    checks = (before.checks if before else 0) + 1
    if any(not each.outcome for each in runs):
        if seconds_between(since, event.now) < LIMIT:
            return Cures("WAIT", checks, event.now, since, runs)
        runs = tuple(each if each.outcome else replace(each, outcome=GOES_ON) for each in runs)
    undo = any(each.outcome in _NOT_HELD for each in runs)
    return Cures("UNDO" if undo else "DRIFT", checks, event.now, since, runs)


def _start(service: Service, event: HandoverEvent, aws: HandoverAccount) -> CuredService:
    """Under a name of this handover and service, so that a second try finds the first one's."""
    execution = event.state.handover.id
    name = f"handover-{hashlib.sha256(f'{execution} {service}'.encode()).hexdigest()[:40]}"
    change = Change("cure", str(service), name, event.now)

    def act(first: bool) -> None:
        aws.executions.start(name, {"service": str(service), "mode": "cure"})

    carry_out(aws.journal, run_of(event.state.handover.subject), change, act, event.now)
    return CuredService(service, name)


def _look(cured: CuredService, aws: HandoverAccount) -> CuredService:
    run = aws.executions.look(cured.run)
    if run is None or run.ended_at is None:
        return cured
    report = aws.journal.report(cured.run)
    return replace(cured, outcome=report.outcome if report else run.status)
