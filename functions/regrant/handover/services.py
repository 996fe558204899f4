"""The services of a handover: their leases, and what they are."""

from __future__ import annotations

import hashlib

import msgspec

from regrant.handover.ports import HandoverAccount
from regrant.leases import release_service, take_service
from regrant.model.catalogue import Service
from regrant.model.handover import Opened, ServiceMark, Spec
from regrant.model.run import Incident
from regrant.model.runs import run_of


def lease_all(opened: Opened, spec: Spec, aws: HandoverAccount, now: str) -> str | None:
    """Take every service, in the order of their names, so that two handovers cannot wait for each other. The
    run that has one, if one is another's: then this execution keeps what it has, and asks again."""
    for service in sorted(spec.services, key=str):
        busy = take_service(_as_run(opened, service), aws, now)
        if busy is not None:
            return busy.holder
    return None


def release_all(opened: Opened, spec: Spec, aws: HandoverAccount, now: str) -> None:
    for service in spec.services:
        release_service(_as_run(opened, service), aws, now)


def _as_run(opened: Opened, service: Service) -> Incident:
    """As the leases know it: a lease names an owner and the run whose changes it works on."""
    mode = "rollback" if opened.mode == "undo" else "handover"
    who, subject = run_of(opened.id), run_of(opened.subject)
    return Incident(who, subject, mode, opened.trigger, opened.opened_at, service=service)


def hash_of(services: tuple[ServiceMark, ...]) -> str:
    """SHA-256 of which revision with which role each service runs, however often it was deployed."""
    facts = sorted((str(mark.service), mark.revision, mark.role) for mark in services)
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()
