"""Take a temporary grant off a role.

A grant goes only if nobody else depends on it: no other incident holds it, and no other service of the
catalogue that declares it runs with the role. For one whose entry cannot be read it is renewed, but once, so
that the entry can be corrected until then. It cannot outlive its record: what is kept has its hold, with the
time at which it is tried again. What somebody took off has only its record left, which goes; what is attached
there by now is theirs. What the role's tag `regrant:keep` names when the role is read here stays for good,
whatever the plan says.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from regrant import grants
from regrant.change.dependents import Dependents, needed_by_others
from regrant.errors import GrantWithdrawn
from regrant.expiry_window import closed_until
from regrant.iam.keep_tag import is_kept_by_tag
from regrant.journal import carry_out, note_undone
from regrant.leases import take_role
from regrant.model.aws import Attachments, name_of
from regrant.model.journal import Change, Hold
from regrant.model.results import KeptGrant, LostGrant, Withdrawal
from regrant.model.run import Incident, Plan, RunState
from regrant.parallel import all_three
from regrant.ports import Account


class Role(msgspec.Struct, frozen=True):
    """What a withdrawal goes by: the holds on the role as they are marked, what IAM shows attached, and the
    other services that run with the role and need a policy, or may."""

    held: tuple[Hold, ...]
    there: Attachments | None
    needed: Dependents


def withdraw_grants(state: RunState, aws: Account, now: str) -> Withdrawal:
    """Withdraw what the plan says once the role is this run's; WAIT while another run changes it, and while
    it is not certain that what a keep does not find there is lost.

    The role is kept until the service has been watched: what another run attached would spoil the proof.
    Raises GrantWithdrawn (see `withdraw`), AwsUnavailable, AwsRefused.
    """
    incident, plan = state.incident, state.diagnosis.plan if state.diagnosis else None
    assert plan is not None and incident.service is not None
    service = incident.service
    checks = state.withdrawal.checks + 1 if state.withdrawal else 1
    if holder := take_role(plan.role, incident, aws, now):
        waits = f"Waits for run {holder}, which is changing the role."
        return Withdrawal("WAIT", checks, now, evidence=(waits,))
    changes = aws.journal.load(incident.id).changes
    begun = {change.value: change for change in changes if change.kind == "withdraw"}
    there, held, needed = all_three(
        lambda: aws.roles.attachments(plan.role, (*plan.withdraw, *plan.keep)),
        lambda: aws.holds.of(plan.role),
        lambda: needed_by_others(plan.role, plan.withdraw, service, aws, now),
    )
    # What an earlier try of this step began to take off is absent because of that.
    unbegun = tuple(hold for hold in held if hold.policy not in begun)
    if incident.mode == "keep":
        looked = grants.look_after(aws, plan.role, unbegun, there, now)
        if unshown := _neither_there_nor_lost(incident, plan, looked, there):
            return Withdrawal("WAIT", checks, now, evidence=(_waits_for(unshown, plan.role),))
    else:
        looked = grants.look_twice(aws, plan.role, unbegun, there, (*plan.withdraw, *plan.keep), now)
    rest = tuple(hold for hold in held if hold.policy in begun)
    held = (*looked, *rest)
    role = Role(held, there, needed)
    as_tagged = _without_the_tagged(plan, there, begun)
    removed, kept, lost, unread = withdraw(incident, as_tagged, role, begun, aws, now)
    for_good, gone = _keep_for_good(incident, as_tagged, role, aws, now)
    return Withdrawal(
        "WATCH" if removed and plan.watch else "CLOSE",
        checks,
        now,
        removed,
        kept,
        (*lost, *gone),
        for_good,
        unread=needed.unread if unread else UNSET,
    )


def withdraw(
    incident: Incident, plan: Plan, role: Role, begun: Mapping[str, Change], aws: Account, now: str
) -> tuple[tuple[str, ...], tuple[KeptGrant, ...], tuple[LostGrant, ...], bool]:
    """Detach what the plan withdraws and nobody else needs; renew or leave the rest. What was removed (ARNs),
    what was kept, and what somebody had taken off: of that only the record goes. And whether entries that
    cannot be read had to do with it.

    begun: what an earlier try has begun to withdraw, by policy (ARN). Raises GrantWithdrawn if this incident
    has been undone (a run that is redriven after its undo).
    """
    gone = {policy: change.lost_at for policy, change in begun.items() if change.lost_at}
    if any(change.undone_at for policy, change in begun.items() if policy not in gone):
        raise GrantWithdrawn(f"{incident.id} has been undone; start a new run instead of going on with it.")
    # What an earlier try of this step took off has no hold any more.
    removed = [policy for policy, change in begun.items() if change.done_at and policy not in gone]
    lost = [LostGrant(policy, lost_at, False) for policy, lost_at in gone.items()]
    kept, mattered = [], False
    for policy in plan.withdraw:
        if policy in removed or policy in gone:
            continue
        of_policy = [hold for hold in role.held if hold.policy == policy]
        own = tuple(hold for hold in of_policy if _is_ours(hold, incident))
        others = tuple(hold for hold in grants.standing(tuple(of_policy)) if hold not in own)
        why = _why_it_is_kept(plan, others, role.needed.declaring.get(policy, ()))
        unread = None if why else _why_once_more(incident, plan, own, role.needed.unread)
        mattered = mattered or (why is None and bool(role.needed.unread))
        # What an earlier try began is finished: it may be off already, and by our own doing.
        if policy not in begun and own and not grants.standing(own):
            lost.append(_forget(policy, plan.role, own, incident, role.there, aws, now))
        elif policy not in begun and why:
            kept.append(_keep(policy, why, incident, plan, own, others, aws, now))
        elif policy not in begun and unread:
            once = tuple(replace(hold, unread_by=incident.id) for hold in own)
            kept.append(_keep(policy, unread, incident, plan, once, others, aws, now))
        else:
            if _take_off(policy, plan.role, own, incident, aws, now):
                removed.append(policy)
            else:
                lost.append(LostGrant(policy, now, False))
    return tuple(removed), tuple(kept), tuple(lost), mattered


def _take_off(
    policy: str, role: str, own: tuple[Hold, ...], incident: Incident, aws: Account, now: str
) -> bool:
    """Whether the run did it, and not somebody a moment before: then its undo attaches nothing."""
    ours = True

    def act(first: bool) -> None:
        nonlocal ours
        ours = grants.take_off(aws, role, policy, first)
        for hold in own:
            grants.drop(aws, role, hold, incident.id, now, detached=ours)

    done = carry_out(aws.journal, incident.id, Change("withdraw", role, policy, intended_at=now), act, now)
    if not ours:
        note_undone(aws.journal, incident.id, replace(done, lost_at=now, shown_at=now), now)
    return ours


def _without_the_tagged(plan: Plan, there: Attachments | None, begun: Mapping[str, Change]) -> Plan:
    """The plan, which keeps what the role's tag names by now as well."""
    tagged = {policy for policy in plan.withdraw if there and is_kept_by_tag(policy, there)} - {*begun}
    rest = tuple(policy for policy in plan.withdraw if policy not in tagged)
    return replace(plan, withdraw=rest, keep=tuple(sorted({*plan.keep, *tagged})))


def _neither_there_nor_lost(
    incident: Incident, plan: Plan, held: tuple[Hold, ...], there: Attachments | None
) -> tuple[str, ...]:
    """The policies (ARNs) that are to be kept and may be attached or not."""
    own = [hold for hold in grants.standing(held) if hold.policy in plan.keep and _is_ours(hold, incident)]
    return tuple(sorted(hold.policy for hold in own if not grants.is_there(hold, there)))


def _waits_for(unshown: tuple[str, ...], role: str) -> str:
    names = ", ".join(map(name_of, unshown))
    return f"Waits until it is certain whether {names} is on {name_of(role)}."


def _keep_for_good(
    incident: Incident, plan: Plan, role: Role, aws: Account, now: str
) -> tuple[tuple[str, ...], tuple[LostGrant, ...]]:
    """End the holds of what the plan keeps, whoever shares it: the attachment stays, and is its owner's from
    now on. What stays (ARNs), and what somebody had taken off."""
    for_good, lost = [], []
    for policy in plan.keep:
        held = tuple(hold for hold in role.held if hold.policy == policy)
        own = tuple(hold for hold in held if _is_ours(hold, incident))
        if own and not grants.standing(own):
            lost.append(_forget(policy, plan.role, own, incident, role.there, aws, now))
            continue
        for hold in grants.standing(held):
            grants.drop(aws, plan.role, hold, incident.id, now, kept=True)
        for_good.append(policy)
    return tuple(for_good), tuple(lost)


def _forget(
    policy: str,
    role: str,
    own: tuple[Hold, ...],
    incident: Incident,
    there: Attachments | None,
    aws: Account,
    now: str,
) -> LostGrant:
    for hold in own:
        grants.drop(aws, role, hold, incident.id, now)
    again = there is not None and policy in there.policies
    return LostGrant(policy, max(hold.lost_at or now for hold in own), again)


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


def _why_once_more(
    incident: Incident, plan: Plan, own: tuple[Hold, ...], unread: tuple[str, ...]
) -> str | None:
    """Because of entries that cannot be read: not if another run has renewed the grant for that before."""
    if not unread or any(hold.unread_by not in (None, incident.id) for hold in own):
        return None
    entries, runs = ("entry", "runs") if len(unread) == 1 else ("entries", "run")
    return (
        f"{', '.join(unread)} {runs} with {name_of(plan.role)}, and the catalogue {entries} cannot be read."
        " Correct that, if it is needed there: it is renewed for this once only"
    )


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
    stay, an expiry's for one more period, or until the ExpiryWindow opens that its schedule did not know."""
    depends = bool(incident.expires) and plan.watch
    same_service = any(hold.service == str(incident.service) for hold in others)
    if others and (not depends or same_service) and not plan.postpone:
        for hold in own:
            grants.drop(aws, plan.role, hold, incident.id, now)
        ends = [hold.expires_at for hold in others if hold.service == str(incident.service) and depends]
        return KeptGrant(policy, why, max((end for end in ends if end), default=None))
    if not incident.expires:
        return KeptGrant(policy, why, max((hold.expires_at or "" for hold in own), default="") or None)
    window, started = aws.settings.expiry_window, incident.opened_at
    opens = [closed_until(window, hold.expires_at, started, now) if plan.postpone else None for hold in own]
    renewed = [
        grants.renew(aws, plan.role, hold, why, now, until) for hold, until in zip(own, opens, strict=True)
    ]
    last = max(renewed, key=lambda hold: hold.expires_at or "", default=None)
    return KeptGrant(policy, why, last.expires_at if last else None, last.renewals if last else 1)
