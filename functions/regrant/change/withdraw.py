"""Take a temporary grant off a role.

A grant goes only if nobody else depends on it: no other incident holds it, and no other service of the
catalogue that declares it runs with the role. It cannot outlive its record: what is kept has its hold, with
the time at which it is tried again.
"""

from __future__ import annotations

from collections.abc import Mapping

from regrant import grants
from regrant.change.dependents import needed_by_others
from regrant.errors import GrantWithdrawn
from regrant.journal import carry_out
from regrant.leases import take_role
from regrant.model.aws import name_of
from regrant.model.journal import Change, Hold
from regrant.model.results import KeptGrant, Withdrawal
from regrant.model.run import Incident, Plan, RunState
from regrant.ports import Account


def withdraw_grants(state: RunState, aws: Account, now: str) -> Withdrawal:
    """Withdraw what the plan says once the role is this run's; WAIT while another run changes it.

    The role is kept until the service has been watched: what another run attached would spoil the proof.
    Raises GrantWithdrawn (see `withdraw`), AwsUnavailable, AwsRefused.
    """
    incident, plan = state.incident, state.diagnosis.plan if state.diagnosis else None
    assert plan is not None and incident.service is not None
    checks = state.withdrawal.checks + 1 if state.withdrawal else 1
    if holder := take_role(plan.role, incident, aws, now):
        waits = f"Waits for run {holder}, which is changing the role."
        return Withdrawal("WAIT", checks, now, evidence=(waits,))
    needed = needed_by_others(plan.role, plan.withdraw, incident.service, aws, now)
    removed, kept = withdraw(incident, plan, needed, aws, now)
    watch = bool(removed) and plan.watch
    return Withdrawal("WATCH" if watch else "CLOSE", checks, now, removed, kept)


def withdraw(
    incident: Incident, plan: Plan, needed: Mapping[str, tuple[str, ...]], aws: Account, now: str
) -> tuple[tuple[str, ...], tuple[KeptGrant, ...]]:
    """Detach what the plan withdraws and nobody else needs; renew or leave the rest. What was removed (ARNs)
    and what was kept.

    needed: the other services (`cluster/name`) that run with the role and declare a policy (ARN), by policy.
    What somebody took off before us is not withdrawn, so that an undo does not attach it. Raises
    GrantWithdrawn if this incident has been undone (a run that is redriven after its undo).
    """
    held, record = aws.holds.of(plan.role), aws.journal.load(incident.id)
    begun = {change.value: change for change in record.changes if change.kind == "withdraw"}
    if any(change.undone_at for change in begun.values()):
        raise GrantWithdrawn(f"{incident.id} has been undone; start a new run instead of going on with it.")
    gone = set(plan.withdraw) - set(record.baseline.role.attached) if record.baseline else set[str]()
    # What an earlier try of this step took off has no hold any more.
    removed = [policy for policy, change in begun.items() if change.done_at]
    kept = []
    for policy in plan.withdraw:
        if policy in removed:
            continue
        own = tuple(hold for hold in held if hold.policy == policy and _is_ours(hold, incident))
        others = tuple(hold for hold in held if hold.policy == policy and hold not in own)
        why = _why_it_is_kept(plan, others, needed.get(policy, ()))
        if why and policy not in begun:  # what an earlier try began is finished: it may be off already
            kept.append(_keep(policy, why, incident, plan, own, others, aws, now))
        elif policy in gone:
            _take_off(policy, incident, plan, own, aws, now)  # if that read was stale, none may lack a record
        else:
            change = Change("withdraw", plan.role, policy, intended_at=now)

            def act(first: bool, policy: str = policy, own: tuple[Hold, ...] = own) -> None:
                _take_off(policy, incident, plan, own, aws, now)

            carry_out(aws.journal, incident.id, change, act, now)
            removed.append(policy)
    return tuple(removed), tuple(kept)


def _take_off(
    policy: str, incident: Incident, plan: Plan, own: tuple[Hold, ...], aws: Account, now: str
) -> None:
    aws.roles.detach(plan.role, policy)
    for hold in own:
        grants.drop(aws, plan.role, hold, incident.id, now)


def _is_ours(hold: Hold, incident: Incident) -> bool:
    """A cure ends every grant of its service, an expiry only that of its incident: a later one has its
    time."""
    if incident.expires:
        return hold.incident == incident.expires
    return hold.service == str(incident.service)


def _why_it_is_kept(plan: Plan, others: tuple[Hold, ...], needed: tuple[str, ...]) -> str | None:
    if plan.postpone:
        return plan.postpone
    if others:
        return ", ".join(f"run {hold.incident} holds it for {hold.service}" for hold in others)
    if needed:
        return f"{', '.join(needed)} runs with {name_of(plan.role)} and declares it"
    return None


def _keep(
    policy: str,
    why: str,
    incident: Incident,
    plan: Plan,
    own: tuple[Hold, ...],
    others: tuple[Hold, ...],
    aws: Account,
    now: str,
) -> KeptGrant:
    """Our holds go where others have the grant on record and our service does not depend on it; else they
    stay, an expiry's for one more period."""
    depends = bool(incident.expires) and plan.watch
    same_service = any(hold.service == str(incident.service) for hold in others)
    if others and (not depends or same_service) and not plan.postpone:
        for hold in own:
            grants.drop(aws, plan.role, hold, incident.id, now)
        ends = [hold.expires_at for hold in others if hold.service == str(incident.service) and depends]
        return KeptGrant(policy, why, max((end for end in ends if end), default=None))
    until = None
    for hold in own:
        until = grants.renew(aws, plan.role, hold, why, now) if incident.expires else hold.expires_at
    return KeptGrant(policy, why, until)
