"""Every attachment by this tool that is still there, how old, whose and why."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from regrant import grants
from regrant.audit.found import ORDER, Audit, AuditedGrant, Expiry, Neglected, State
from regrant.audit.start import Due
from regrant.clock import seconds_between
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import Attachments
from regrant.model.journal import Hold
from regrant.parallel import each
from regrant.ports import Account, Executions

# Seconds after its end in which an expiry is still under way: a schedule fires within a minute, the run may
# wait for the role. And in which a run attaches what it has on record, or undoes it.
GRACE = 3600.0
DAY = 24 * 3600.0


class Look(msgspec.Struct, frozen=True):
    """A managed role (ARN): its holds, what is attached to it (None: it is gone), and how many grantable
    policies are on it that no incident holds. error is why the role could not be read; then nothing else of
    it is known."""

    role: str
    held: tuple[Hold, ...]
    there: Attachments | None
    unheld: int
    error: str = ""


def look_at_grants(aws: Account, now: str) -> tuple[Look, ...]:
    """Read every managed role. Reads only. One whose reading AWS refuses keeps none of the others from being
    looked at. Raises AwsUnavailable, and AwsRefused for the lists and the holds.
    """
    allowed = aws.allowed.read(now, "roles", "policies")

    def read(role: str) -> Look:
        # In this order, since a run records a hold before it attaches: what is seen attached has its hold.
        try:
            there = aws.roles.attachments(role, tuple(allowed.policies))
        except AwsRefused as error:
            return Look(role, (), None, 0, str(error))
        held = aws.holds.of(role)
        attached = there.policies if there else {}
        return Look(
            role, held, there, len(allowed.policies.intersection(attached) - {h.policy for h in held})
        )

    return tuple(each(read, tuple(sorted(allowed.roles))))


def unread(looked: tuple[Look, ...], now: str) -> tuple[Due, ...]:
    """The roles that could not be read, for a person."""
    return tuple(
        Due(Neglected("role that cannot be read", "-", at.role, now, at.error, waits=True))
        for at in looked
        if at.error
    )


def judge_grants(looked: tuple[Look, ...], now: str) -> Audit:
    """What is most urgent comes first."""
    found = [_judge(at.role, hold, at.there, now) for at in looked for hold in at.held]
    unheld = {at.role: at.unheld for at in looked if at.unheld}
    return Audit(now, tuple(sorted(found, key=_urgency)), unheld)


def _judge(role: str, hold: Hold, there: Attachments | None, now: str) -> AuditedGrant:
    lost = grants.is_lost(hold, there, now)
    state: State = "overdue" if _is_late(hold.expires_at, now) else "held"
    if lost:
        state = "taken off by somebody"
    elif not grants.is_there(hold, there):
        state = "recorded but not attached"
    return AuditedGrant(
        role=role,
        policy=hold.policy,
        service=hold.service,
        incident=hold.incident,
        held_at=hold.held_at,
        age_hours=round(seconds_between(hold.held_at, now) / 3600, 1) if hold.held_at else None,
        expires_at=hold.expires_at,
        why=hold.why,
        state=state,
        lost_at=(hold.lost_at or now) if lost else None,
        expiry=hold.expiry,
        notices=hold.notices,
    )


def end_late(looked: tuple[Look, ...], aws: Account, now: str) -> tuple[Expiry, ...]:
    """Start the runs that end what is overdue, in the hours in which services are tried without their
    grants."""
    if not aws.settings.expiry_window.has(now):
        return ()
    late = {
        hold.incident
        for at in looked
        for hold in at.held
        if _is_late(hold.expires_at, now) and not grants.is_lost(hold, at.there, now)
    }
    return tuple(_expire(incident, aws.executions, now) for incident in sorted(late))


def close_lost(looked: tuple[Look, ...], aws: Account, now: str) -> None:
    """Write what was seen of each attachment, and end the records that stand for nothing any more."""
    for each_role in looked:
        marked = grants.look_after(aws, each_role.role, each_role.held, each_role.there, now)
        for hold in marked:
            if hold.lost_at and _is_late(hold.expires_at, now):
                aws.holds.mark(each_role.role, replace(hold, dropped_at=now, dropped_by="audit"), hold)


def _is_late(expires_at: str | None, now: str) -> bool:
    return expires_at is None or seconds_between(expires_at, now) > GRACE


def _urgency(grant: AuditedGrant) -> tuple[int, str, str, str, str]:
    """By state, then the one that ends first, and one without an end before all."""
    return ORDER.index(grant.state), grant.expires_at or "", grant.role, grant.policy, grant.incident


def run_name(kind: str, about: str, now: str, *, once_a: str = "%Y%m%dT%H") -> str:
    """The name of the run that the audit starts about that: one an hour, however often the rule's event is
    delivered. Step Functions takes a name once in 90 days (API reference, StartExecution)."""
    at = datetime.fromisoformat(now).astimezone(UTC).strftime(once_a)
    return f"{kind}-{at}-{sha256(about.encode()).hexdigest()[:32]}"


def _expire(incident: str, executions: Executions, now: str) -> Expiry:
    """One run an hour for each incident, however often the rule's event is delivered."""
    name = run_name("expire", incident, now)
    try:
        executions.start(name, {"mode": "expire", "incident": incident})
    except (AwsRefused, AwsUnavailable) as error:
        return Expiry(incident, name, str(error))
    return Expiry(incident, name)
