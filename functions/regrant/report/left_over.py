"""Which temporary grants of the service are left when a run that was to end them closes: as read then, on
every managed role, whatever the run was about."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from regrant import grants
from regrant.model.journal import Hold, Outcome
from regrant.model.run import Incident, RunState
from regrant.parallel import each
from regrant.ports import Account
from regrant.report.outcome import refusal_of


class LeftGrant(msgspec.Struct, frozen=True):
    """A policy (ARN) on a role (ARN) that is there as the temporary grant of a run, until then."""

    role: str
    policy: str
    incident: str
    until: str | None


class LeftOver(msgspec.Struct, frozen=True):
    """The service's temporary grants that are left. notified_before: that they stay, and why, was notified
    after the expiry before this one."""

    grants: tuple[LeftGrant, ...] = ()
    notified_before: bool = False


def left_over(state: RunState, outcome: Outcome, aws: Account, now: str) -> LeftOver:
    """Read every managed role, and close the record of what somebody took off for certain (an expiry's, a
    keep's).

    What an expiry could not end has in its record how that ended, for the audit to say. Raises
    AwsUnavailable, AwsRefused.
    """
    incident = state.incident
    managed = aws.allowed.read(now, "roles").roles
    roles = tuple(sorted({*managed, *([incident.role] if incident.role else [])}))
    held = dict(zip(roles, each(aws.holds.of, roles), strict=True))
    concerned = tuple(role for role in roles if any(_concerns(hold, incident) for hold in held[role]))
    left = []
    for role in concerned:
        left += _left_on(role, held[role], role in managed, state, outcome, aws, now)
    kept = state.withdrawal.kept if state.withdrawal else ()
    own = [hold for hold in held.get(incident.role or "", ()) if hold.incident == incident.expires]
    as_before = f"ended {outcome} ({_code(state)}) at "
    again = all(grant.times > 1 for grant in kept) if kept else all(as_before in hold.expiry for hold in own)
    return LeftOver(tuple(left), incident.mode == "expire" and outcome == "REFUSED" and bool(own) and again)


def _concerns(hold: Hold, incident: Incident) -> bool:
    return hold.service == str(incident.service) or hold.incident == incident.expires


def _left_on(
    role: str,
    held: tuple[Hold, ...],
    managed: bool,
    state: RunState,
    outcome: Outcome,
    aws: Account,
    now: str,
) -> list[LeftGrant]:
    """managed: the role is in the stack's list; another one may not be read, so its holds count."""
    incident = state.incident
    own = tuple(hold for hold in held if _concerns(hold, incident))
    there = aws.roles.attachments(role, tuple({hold.policy for hold in own})) if managed else None
    left = []
    for hold in own:
        ends = hold.incident == incident.expires
        if managed and grants.is_lost(hold, there, now):
            if ends and incident.mode in ("expire", "keep"):
                grants.drop(aws, role, hold, incident.id, now)
            continue
        left.append(LeftGrant(role, hold.policy, hold.incident, hold.expires_at))
        if ends and incident.mode == "expire" and outcome != "ROLLED_BACK":
            ended = f"run {incident.id} ended {outcome} ({_code(state)}) at {now}"
            aws.holds.mark(role, replace(hold, expiry=ended), hold)
    return left


def _code(state: RunState) -> str:
    """Why, by its stable code."""
    if refusal := refusal_of(state):
        return refusal.code
    if state.failure:
        return state.failure.name
    return "GRANT_STAYS" if state.withdrawal and state.withdrawal.kept else "see its report"
