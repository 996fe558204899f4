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

from regrant import grants
from regrant.clock import seconds_between
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import Attachments, name_of
from regrant.model.journal import Hold
from regrant.parallel import each
from regrant.ports import Account, Executions

# Seconds after its end in which an expiry is still under way: a schedule fires within a minute, the run may
# wait for the role. And in which a run attaches what it has on record, or undoes it.
GRACE = 3600.0
DAY = 24 * 3600.0

# Grants in one message, which may have 256 KB (API reference, SNS Publish).
_MOST = 50

State = Literal["held", "overdue", "recorded but not attached", "taken off by somebody"]
_ORDER: tuple[State, ...] = ("overdue", "recorded but not attached", "taken off by somebody", "held")


class AuditEvent(msgspec.Struct, frozen=True):
    """EventBridge's Scheduled Event, or what a person sends: the time (ISO 8601), and dry_run for a look that
    starts nothing and notifies nobody."""

    time: str
    dry_run: bool = False


class AuditedGrant(msgspec.Struct, frozen=True):
    """One policy (ARN) on one role (ARN) that one incident holds for its service.

    overdue: still attached more than an hour after expires_at, or without an end. recorded but not attached:
    its run is about to attach it, or one read did not show it. taken off by somebody: that is certain, since
    lost_at; what is attached there now is not this grant. age_hours is since held_at. A record of a version
    that gave grants no end has neither time; then held_at is empty and age_hours None. expiry is how the last
    run that was to end it ended; notices, how often the audit has notified of it or seen it so since.
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
    lost_at: str | None = None
    expiry: str = ""
    notices: int = 0


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
    """Look; unless it is a dry run, start the expiries that are overdue, close the records that stand for
    nothing any more, and notify the topic of trouble: once of each, and again only when it has changed.

    An expiry that cannot be started is reported like the grant itself, and tried again by the next audit.
    """
    now = event.time
    looked = _look(aws, now)
    audit = _audit(looked, now)
    if event.dry_run:
        return audit
    expiries = _end_late(looked, aws, now)
    for each_role in looked:
        marked = grants.look_after(aws, each_role.role, each_role.held, each_role.there, now)
        for hold in marked:
            if hold.lost_at and _is_late(hold.expires_at, now):
                aws.holds.mark(each_role.role, replace(hold, dropped_at=now, dropped_by="audit"), hold)
    audit = replace(_audit(looked, now), expiries=expiries)
    _notify(looked, audit, aws, now)
    return audit


class Look(msgspec.Struct, frozen=True):
    """A managed role (ARN): its holds, what is attached to it (None: it is gone), and how many grantable
    policies are on it that no incident holds."""

    role: str
    held: tuple[Hold, ...]
    there: Attachments | None
    unheld: int


def look(aws: Account, now: str) -> Audit:
    """Read every managed role; what is most urgent comes first. Reads only."""
    return _audit(_look(aws, now), now)


def _look(aws: Account, now: str) -> tuple[Look, ...]:
    allowed = aws.allowed.read(now, "roles", "policies")

    def read(role: str) -> Look:
        # In this order, since a run records a hold before it attaches: what is seen attached has its hold.
        there = aws.roles.attachments(role, tuple(allowed.policies))
        held = aws.holds.of(role)
        attached = there.policies if there else {}
        return Look(
            role, held, there, len(allowed.policies.intersection(attached) - {h.policy for h in held})
        )

    return tuple(each(read, tuple(sorted(allowed.roles))))


def _audit(looked: tuple[Look, ...], now: str) -> Audit:
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


def _end_late(looked: tuple[Look, ...], aws: Account, now: str) -> tuple[Expiry, ...]:
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


def _notify(looked: tuple[Look, ...], audit: Audit, aws: Account, now: str) -> None:
    """Of the troubles that have not been notified of as they are now, each counted in its record; and the day
    before, of the ends that were not that near when the grant was made or renewed."""
    of_grant = {(grant.role, grant.policy, grant.incident): grant for grant in audit.grants}
    new, ending, marks = [], [], []
    for at in looked:
        for hold in aws.holds.of(at.role):
            grant = of_grant.get((at.role, hold.policy, hold.incident))
            if grant and _is_trouble(grant):
                notice = f"{grant.state}; {grant.expiry.partition(' at ')[0].partition(' ended ')[2]}"
                same = hold.notice == notice
                new += [] if same else [grant]
                counted = replace(hold, notice=notice, notices=hold.notices + 1 if same else 1)
                marks.append((at.role, counted, hold))
            elif grant and _ends_tomorrow(hold, now):
                ending.append(grant)
                marks.append((at.role, replace(hold, announced=hold.expires_at), hold))
    if new:
        aws.topic.publish(_subject(new), _message(new, audit.expiries))
    if ending:
        aws.topic.publish(f"ENDING {len(ending)} temporary grants", _announcement(ending))
    for mark in marks:  # in this order: what could not be sent is sent by the next try
        aws.holds.mark(*mark)


def _ends_tomorrow(hold: Hold, now: str) -> bool:
    if hold.expires_at is None or hold.announced == hold.expires_at or not hold.held_at:
        return False
    reported = hold.renewed_at or hold.held_at  # its report had the end
    ahead = seconds_between(reported, hold.expires_at) - GRACE
    return 0 < seconds_between(now, hold.expires_at) <= DAY < ahead


def _announcement(ending: list[AuditedGrant]) -> str:
    texts = [
        f"{name_of(grant.policy)} on {name_of(grant.role)}: {grant.service} is tried without it at"
        f" {grant.expires_at}, and gets it back if it does not work then (run {grant.incident})."
        for grant in ending[:_MOST]
    ]
    if more := ending[_MOST:]:
        texts.append(f"And {len(more)} more: make audit lists them all.")
    cure = "To be spared the trial, cure the cause before, or keep the grant: docs/operations.md."
    return "\n\n".join((*texts, cure))


def _is_late(expires_at: str | None, now: str) -> bool:
    return expires_at is None or seconds_between(expires_at, now) > GRACE


def _is_trouble(grant: AuditedGrant) -> bool:
    """Whether a person has to look: not a run that is about to attach what it has on record."""
    about_to = grant.age_hours is not None and grant.age_hours * 3600 < GRACE
    return grant.state in ("overdue", "taken off by somebody") or (grant.state != "held" and not about_to)


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
    ended = f"  its last expiry: {grant.expiry[:500]!a}\n" if grant.expiry else ""
    return (
        f"{what}\n"
        f"  held by run {grant.incident} since {grant.held_at or 'a time that is not on record'},"
        f" until {grant.expires_at or 'no time'}\n"
        f"  why: {grant.why[:1000]!a}\n"
        f"{ended}"
        f"  next: {_next(grant, expiry)}"
    )


def _next(grant: AuditedGrant, expiry: Expiry | None) -> str:
    if expiry and expiry.error:
        return f"its expiry could not be started and is tried again in an hour: {expiry.error[:1000]!a}"
    if expiry:
        return f"run {expiry.execution} is to end it now; read that run's report."
    if grant.state == "overdue":
        return "it is ended when the stack's ExpiryWindow opens."
    by_hand = f'{{"mode": "expire", "incident": "{grant.incident}"}}'
    return f"nothing, if that was meant. The record goes with the grant's time, or immediately with {by_hand}"
