"""The audit: every attachment by this tool that is still there, how old, whose and why.

Every hour by a rule, which starts the expiries that are overdue and notifies the topic of trouble; and at any
time by a person, whose look changes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import name_of
from regrant.model.journal import Hold
from regrant.parallel import each
from regrant.ports import Account, Executions, Roles

# Seconds after its end in which an expiry is still under way: a schedule fires within a minute, the run may
# wait for the role. And in which a run attaches what it has on record, or undoes it.
GRACE = 3600.0

# Grants in one message, which may have 256 KB (API reference, SNS Publish).
_MOST = 50

State = Literal["held", "overdue", "recorded but not attached"]
_ORDER: tuple[State, ...] = ("overdue", "recorded but not attached", "held")


class AuditEvent(msgspec.Struct, frozen=True):
    """EventBridge's Scheduled Event, or what a person sends: the time (ISO 8601), and dry_run for a look that
    starts nothing and notifies nobody."""

    time: str
    dry_run: bool = False


class AuditedGrant(msgspec.Struct, frozen=True):
    """One policy (ARN) on one role (ARN) that one incident holds for its service.

    overdue: still attached more than an hour after expires_at, or without an end. recorded but not attached:
    somebody detached it, or its run is about to attach it. age_hours is since held_at. A record of a version
    that gave grants no end has neither time; then held_at is empty and age_hours None.
    """

    role: str
    policy: str
    service: str
    incident: str
    held_at: str
    age_hours: float | None
    expires_at: str | None
    why: str
    state: State


class Expiry(msgspec.Struct, frozen=True):
    """The run (its name) that ends an incident's grants; `error` is why it could not be started."""

    incident: str
    execution: str
    error: str | None = None


class Audit(msgspec.Struct, frozen=True):
    """What was found at that time. not_by_us: by role (ARN), how many grantable policies are attached that no
    incident holds; they may be there for good."""

    at: str
    grants: tuple[AuditedGrant, ...]
    not_by_us: dict[str, int]
    expiries: tuple[Expiry, ...] = ()


def audit_grants(event: AuditEvent, aws: Account) -> Audit:
    """Look; unless it is a dry run, start the expiries that are overdue and notify the topic of trouble.

    An expiry that cannot be started is reported like the grant itself, and tried again by the next audit.
    """
    audit = look(aws, event.time)
    if event.dry_run:
        return audit
    late = sorted({grant.incident for grant in audit.grants if _is_late(grant.expires_at, audit.at)})
    audit = replace(audit, expiries=tuple(_expire(incident, aws.executions, audit.at) for incident in late))
    troubles = [grant for grant in audit.grants if _is_trouble(grant)]
    if troubles:
        aws.topic.publish(_subject(troubles), _message(troubles, audit.expiries))
    return audit


def look(aws: Account, now: str) -> Audit:
    """Read every managed role; what is most urgent comes first. Reads only."""

    def read(role: str) -> tuple[tuple[str, ...], tuple[Hold, ...]]:
        # In this order, since a run records a hold before it attaches: what is seen attached has its hold.
        return _attached(role, aws.roles), aws.holds.of(role)

    allowed = aws.allowed.read(now, "roles", "policies")
    managed = tuple(sorted(allowed.roles))
    grants, not_by_us = [], {}
    for role, (attached, held) in zip(managed, each(read, managed), strict=True):
        grants += [_judge(role, hold, attached, now) for hold in held]
        unheld = allowed.policies.intersection(attached) - {hold.policy for hold in held}
        if unheld:
            not_by_us[role] = len(unheld)
    return Audit(now, tuple(sorted(grants, key=_urgency)), not_by_us)


def _attached(role: str, roles: Roles) -> tuple[str, ...]:
    try:
        return roles.attached(role)
    except AwsRefused as refused:
        # Nothing is attached to a role that is gone, and the others are looked at all the same.
        if refused.code == "NoSuchEntity":
            return ()
        raise


def _judge(role: str, hold: Hold, attached: tuple[str, ...], now: str) -> AuditedGrant:
    late = _is_late(hold.expires_at, now)
    there: State = "overdue" if late else "held"
    return AuditedGrant(
        role=role,
        policy=hold.policy,
        service=hold.service,
        incident=hold.incident,
        held_at=hold.held_at,
        age_hours=round(seconds_between(hold.held_at, now) / 3600, 1) if hold.held_at else None,
        expires_at=hold.expires_at,
        why=hold.why,
        state=there if hold.policy in attached else "recorded but not attached",
    )


def _is_late(expires_at: str | None, now: str) -> bool:
    return expires_at is None or seconds_between(expires_at, now) > GRACE


def _is_trouble(grant: AuditedGrant) -> bool:
    """Whether a person has to look: not a run that is about to attach what it has on record."""
    about_to = grant.age_hours is not None and grant.age_hours * 3600 < GRACE
    return grant.state == "overdue" or (grant.state != "held" and not about_to)


def _urgency(grant: AuditedGrant) -> tuple[int, str, str, str, str]:
    """By state, then the one that ends first, and one without an end before all."""
    return _ORDER.index(grant.state), grant.expires_at or "", grant.role, grant.policy, grant.incident


def _expire(incident: str, executions: Executions, now: str) -> Expiry:
    """One run an hour for each incident, however often the rule's event is delivered."""
    hour = datetime.fromisoformat(now).astimezone(UTC).strftime("%Y%m%dT%H")
    name = f"expire-{hour}-{sha256(incident.encode()).hexdigest()[:32]}"
    try:
        executions.start(name, {"mode": "expire", "incident": incident})
    except (AwsRefused, AwsUnavailable) as error:
        return Expiry(incident, name, str(error))
    return Expiry(incident, name)


def _subject(troubles: list[AuditedGrant]) -> str:
    counts = {state: sum(grant.state == state for grant in troubles) for state in _ORDER}
    return "AUDIT " + ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _message(troubles: list[AuditedGrant], expiries: tuple[Expiry, ...]) -> str:
    started = {expiry.incident: expiry for expiry in expiries}
    texts = [_describe(grant, started.get(grant.incident)) for grant in troubles[:_MOST]]
    if more := troubles[_MOST:]:
        texts.append(f"And {len(more)} more: make audit lists them all.")
    return "\n\n".join(("Temporary grants that need attention:", *texts))


def _describe(grant: AuditedGrant, expiry: Expiry | None) -> str:
    what = f"{name_of(grant.policy)} on {name_of(grant.role)}, for {grant.service}: {grant.state}"
    return (
        f"{what}\n"
        f"  held by run {grant.incident} since {grant.held_at or 'a time that is not on record'},"
        f" until {grant.expires_at or 'no time'}\n"
        f"  why: {grant.why[:1000]!a}\n"
        f"  next: {_next(grant, expiry)}"
    )


def _next(grant: AuditedGrant, expiry: Expiry | None) -> str:
    if expiry and expiry.error:
        return f"its expiry could not be started and is tried again in an hour: {expiry.error[:1000]!a}"
    if expiry:
        return f"run {expiry.execution} detaches it now; read that run's report."
    by_hand = f'{{"mode": "expire", "incident": "{grant.incident}"}}'
    return f"find out who detached it. The record expires with the grant, or immediately with {by_hand}"
