"""The baseline is captured before the first change, if the account is still the one that was diagnosed."""

from __future__ import annotations

from regrant.baseline.drift import moved, whole
from regrant.baseline.facts import attached_before, facts, fingerprint, granted_by_others, without
from regrant.denials.search import waiting
from regrant.errors import AccountMoved, RoleGone, ServiceGone
from regrant.model.aws import Baseline, QueueDepth, RoleState, ServiceState
from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.results import BaselineMark
from regrant.model.run import Diagnosis, Incident
from regrant.parallel import all_three, both
from regrant.ports import Holds, Journal, Queues, Roles, Services


def capture(
    incident: Incident,
    diagnosis: Diagnosis,
    services: Services,
    roles: Roles,
    queues: Queues,
    holds: Holds,
    journal: Journal,
    now: str,
) -> BaselineMark:
    """Record role and service before the first change. A second call keeps the first baseline.

    Raises AccountMoved if they are not what the plan was made from: one of the two reads was stale, or
    somebody changed something meanwhile. Where a person approved it, the policies' versions count as well.
    The grants that the plan withdraws are part of the role; those of other incidents are not.
    """
    service, plan = incident.service, diagnosis.plan
    assert service is not None and plan is not None
    (role, held), state, (depth, dead_letters) = all_three(
        lambda: both(lambda: _read(roles, plan.role), lambda: holds.of(plan.role)),
        lambda: services.describe(service) if incident.expires else existing_service(services, service),
        lambda: _depths(queues, incident.entry),
    )
    granted = granted_by_others(held, incident.id)
    _raise_if_moved(diagnosis, role, state, granted, roles)
    kept = journal.keep_baseline(
        incident.id,
        Baseline(
            service_key=str(service),
            role=role,
            service=state,
            captured_at=now,
            granted=tuple(policy for policy in granted if policy not in plan.withdraw),
        ),
    )
    primary = kept.service.primary if kept.service else None
    return BaselineMark(
        sha256=fingerprint(facts(without(kept.role, kept.granted), kept.service)),
        at=kept.captured_at,
        primary_deployment=primary.id if primary else "",
        task_definition=kept.service.task_definition if kept.service else "",
        kept=tuple(policy for policy in plan.attach if policy in attached_before(kept)),
        backlog=depth.waiting if depth else None,
        dead_letters=dead_letters,
        buries_after=depth.buries_after if depth and dead_letters is not None else None,
    )


def existing_service(services: Services, service: Service) -> ServiceState:
    """The service, which the run has seen before. Raises ServiceGone."""
    state = services.describe(service)
    if state is None:
        raise ServiceGone(f"{service} is gone.")
    return state


def _raise_if_moved(
    diagnosis: Diagnosis, role: RoleState, state: ServiceState | None, granted: tuple[str, ...], roles: Roles
) -> None:
    plan, seen = diagnosis.plan, diagnosis.seen
    assert plan is not None and seen is not None
    revision = state.task_definition if state else None
    if plan.task_definition not in (None, revision):
        raise AccountMoved(f"{revision} was deployed since the diagnosis.")
    if changed := moved(seen, role, granted):
        raise AccountMoved(f"{plan.role} was changed since the diagnosis: {', '.join(changed)}.")
    if plan.new_role and whole(_read(roles, plan.new_role)) != seen.new_role:
        raise AccountMoved(f"{plan.new_role} was changed since the diagnosis.")
    if diagnosis.decision == "ASK" and roles.versions(plan.attach) != seen.versions:
        raise AccountMoved(f"A policy of the approved plan has another version: {', '.join(plan.attach)}.")


def _read(roles: Roles, role: str) -> RoleState:
    state = roles.read(role)
    if state is None:
        raise RoleGone(f"{role} is gone.")
    return state


def _depths(queues: Queues, entry: CatalogueEntry | None) -> tuple[QueueDepth | None, int | None]:
    if entry is None:  # not enrolled any more, so there is nothing to compare with either
        return None, None
    health = entry.health
    return both(
        lambda: queues.depth(health.queue) if health.queue else None,
        lambda: waiting(queues, health.dead_letter_queue),
    )
