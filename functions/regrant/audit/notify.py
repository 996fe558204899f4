"""Notify the topic of grants that need a person, and the day before of those that end."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.audit.found import ORDER, Audit, AuditedGrant, Expiry
from regrant.audit.grants import DAY, GRACE, Look
from regrant.clock import seconds_between
from regrant.model.aws import name_of
from regrant.model.journal import Hold
from regrant.ports import Account
from regrant.report.render import wrap, wrap_log

# Grants in one message, which may have 256 KB (API reference, SNS Publish).
_MOST = 50


def notify_of_grants(looked: tuple[Look, ...], audit: Audit, aws: Account, now: str) -> None:
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


def _is_trouble(grant: AuditedGrant) -> bool:
    """Whether a person has to look: not a run that is about to attach what it has on record."""
    about_to = grant.age_hours is not None and grant.age_hours * 3600 < GRACE
    return grant.state in ("overdue", "taken off by somebody") or (grant.state != "held" and not about_to)


def _subject(troubles: list[AuditedGrant]) -> str:
    counts = {state: sum(grant.state == state for grant in troubles) for state in ORDER}
    return "AUDIT " + ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _message(troubles: list[AuditedGrant], expiries: tuple[Expiry, ...]) -> str:
    started = {expiry.incident: expiry for expiry in expiries}
    texts = [_describe(grant, started.get(grant.incident)) for grant in troubles[:_MOST]]
    if more := troubles[_MOST:]:
        texts.append(f"And {len(more)} more: make audit lists them all.")
    return "\n\n".join(("Temporary grants that need attention:", *texts))


def _describe(grant: AuditedGrant, expiry: Expiry | None) -> str:
    what = f"{name_of(grant.policy)} on {name_of(grant.role)}, for {grant.service}: {grant.state}"
    held = f"held by run {grant.incident} since {grant.held_at or 'a time that is not on record'},"
    lines = (
        *wrap(what),
        *wrap(f"{held} until {grant.expires_at or 'no time'}", "  ", "  "),
        *wrap_log(grant.why, "  why: ", "  "),
        *(wrap_log(f"its last expiry: {grant.expiry}", "  ", "  ") if grant.expiry else ()),
        *wrap(f"next: {_next(grant, expiry)}", "  ", "  "),
    )
    return "\n".join(lines)


def _next(grant: AuditedGrant, expiry: Expiry | None) -> str:
    if expiry and expiry.error and not expiry.execution:
        return f"it is ended later. {expiry.error}"
    if expiry and expiry.error:
        return f"its expiry could not be started and is tried again in an hour: {expiry.error[:1000]!a}"
    if expiry:
        return f"run {expiry.execution} is to end it now; read that run's report."
    if grant.state == "overdue":
        return "it is ended when the stack's ExpiryWindow opens."
    by_hand = f'{{"mode": "expire", "incident": "{grant.incident}"}}'
    return f"nothing, if that was meant. The record goes with the grant's time, or immediately with {by_hand}"
