"""Take a temporary grant off a role, and in an undo put it on again.

A grant goes only if nobody else lives on it: no other incident holds it, and no other service of the
catalogue that declares it runs with the role. It cannot outlive its record: what stays keeps its hold, with
the time at which it is tried again.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from regrant.change.dependents import needed_by_others
from regrant.clock import HOUR, earlier
from regrant.errors import GrantWithdrawn
from regrant.leases import holder_of_role
from regrant.model.aws import name_of
from regrant.model.journal import Change, Hold
from regrant.model.results import Stay, Withdrawal
from regrant.model.run import Incident, Plan, RunState
from regrant.ports import Catalogue, Executions, Holds, Journal, Leases, Roles, Schedules, Services
from regrant.settings import Settings


def withdraw_grants(
    state: RunState,
    catalogue: Catalogue,
    services: Services,
    settings: Settings,
    roles: Roles,
    holds: Holds,
    journal: Journal,
    schedules: Schedules,
    leases: Leases,
    executions: Executions,
    now: str,
) -> Withdrawal:
    """Withdraw what the plan says once the role is this run's; PENDING while another run changes it.

    The role is kept until the service has been watched: whatever another run attached would spoil the trial.
    """
    incident, plan = state.incident, state.diagnosis.plan if state.diagnosis else None
    assert plan is not None and incident.service is not None
    checks = state.withdrawal.checks + 1 if state.withdrawal else 1
    if holder := holder_of_role(state, leases, executions, now):
        waits = f"Waits for run {holder}, which is changing the role."
        return Withdrawal("PENDING", checks, now, evidence=(waits,))
    needed = needed_by_others(plan.role, plan.withdraw, incident.service, catalogue, services, settings)
    withdrawal = withdraw(incident, plan, needed, roles, holds, journal, schedules, now)
    return replace(withdrawal, checks=checks)


def withdraw(
    incident: Incident,
    plan: Plan,
    needed: Mapping[str, tuple[str, ...]],
    roles: Roles,
    holds: Holds,
    journal: Journal,
    schedules: Schedules,
    now: str,
) -> Withdrawal:
    """Detach what the plan withdraws and nobody else needs; renew or leave the rest.

    needed: the other services (`cluster/name`) that run with the role and declare a policy (ARN), by policy.
    What somebody took off before us is not withdrawn, so that an undo does not attach it. Raises
    GrantWithdrawn if this incident has been undone (a run that is redriven after its undo).
    """
    held, record = holds.of(plan.role), journal.load(incident.id)
    begun = {change.value: change for change in record.changes if change.kind == "withdraw"}
    if any(change.undone_at for change in begun.values()):
        raise GrantWithdrawn(f"{incident.id} has been undone; start a new run instead of going on with it.")
    gone = set(plan.withdraw) - set(record.baseline.role.attached) if record.baseline else set[str]()
    # What an earlier try of this step took off has no hold any more.
    removed = [policy for policy, change in begun.items() if change.done_at]
    stays = []
    for policy in plan.withdraw:
        if policy in removed:
            continue
        mine = tuple(hold for hold in held if hold.policy == policy and _is_ours(hold, incident))
        others = tuple(hold for hold in held if hold.policy == policy and hold not in mine)
        why = _why_it_stays(plan, others, needed.get(policy, ()))
        if why and policy not in begun:  # what an earlier try began is finished: it may be off already
            stays.append(_stay(policy, why, incident, plan, mine, others, holds, schedules, now))
            continue
        if policy in gone:
            roles.detach(plan.role, policy)  # if that read was stale, nothing may be left without a record
            _drop(mine, incident, plan.role, holds, schedules, now)
            continue
        change = Change("withdraw", plan.role, policy, intended_at=now)
        journal.intend(incident.id, change)
        roles.detach(plan.role, policy)
        _drop(mine, incident, plan.role, holds, schedules, now)
        journal.record(incident.id, replace(change, done_at=now))
        removed.append(policy)
    watch = bool(removed) and plan.watch
    return Withdrawal("HEALTHY", 1, now, tuple(removed), tuple(stays), watch)


def _is_ours(hold: Hold, incident: Incident) -> bool:
    """A cure ends every grant of its service, an expiry only that of its incident: a later one has its
    time."""
    if incident.expires:
        return hold.incident == incident.expires
    return hold.service == str(incident.service)


def _why_it_stays(plan: Plan, others: tuple[Hold, ...], needed: tuple[str, ...]) -> str | None:
    if plan.postpone:
        return plan.postpone
    if others:
        return ", ".join(f"run {hold.incident} holds it for {hold.service}" for hold in others)
    if needed:
        return f"{', '.join(needed)} runs with {name_of(plan.role)} and declares it"
    return None


def _stay(
    policy: str,
    why: str,
    incident: Incident,
    plan: Plan,
    mine: tuple[Hold, ...],
    others: tuple[Hold, ...],
    holds: Holds,
    schedules: Schedules,
    now: str,
) -> Stay:
    """Our holds go where others have the grant on record and our service does not live on it; else they stay,
    an expiry's for one more period."""
    lives_on_it = bool(incident.expires) and plan.watch
    same_service = any(hold.service == str(incident.service) for hold in others)
    if others and (not lives_on_it or same_service) and not plan.postpone:
        _drop(mine, incident, plan.role, holds, schedules, now)
        ends = [hold.expires_at for hold in others if hold.service == str(incident.service) and lives_on_it]
        return Stay(policy, why, max((end for end in ends if end), default=None))
    until = None
    for hold in mine:
        until = hold.expires_at
        if incident.expires:
            until = earlier(now, -hold.ttl_hours * HOUR)
            schedules.put(hold.incident, until)
            if hold.expires_at not in (None, until):  # it has not fired where a person began the expiry
                schedules.cancel(hold.incident, str(hold.expires_at))
            holds.write(plan.role, replace(hold, expires_at=until, why=renewed(hold, now, why)))
    return Stay(policy, why, until)


def _drop(
    mine: tuple[Hold, ...], incident: Incident, role: str, holds: Holds, schedules: Schedules, now: str
) -> None:
    for hold in mine:
        if hold.expires_at and not _share_its_schedule(hold, holds.of(role)):
            schedules.cancel(hold.incident, hold.expires_at)
        holds.write(role, replace(hold, dropped_at=now, dropped_by=incident.id))


def _share_its_schedule(hold: Hold, held: tuple[Hold, ...]) -> bool:
    """An incident's policies end together; the schedule is needed while one of them is there."""
    return any(
        (other.incident, other.expires_at) == (hold.incident, hold.expires_at) and other.policy != hold.policy
        for other in held
    )


def renewed(hold: Hold, now: str, why: str) -> str:
    """Why the hold is there, with why it was renewed last."""
    first = hold.why.partition("; renewed ")[0]
    return f"{first}; renewed {now}: {why}"
