"""A temporary grant: its hold (who needs it, until when) and the schedule of its end are one thing.

A hold says that an incident needs a policy on a role; the schedule starts the expiry when its time is over.
They stand here and nowhere else, in the order that leaves no grant without an end: the schedule is there
before the hold is, and goes before the hold does, unless another hold shares it. When a grant ends is in the
incident's baseline before either is written, so that an undo finds a schedule that has no hold yet.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from regrant.clock import HOUR, later, seconds_between
from regrant.journal import carry_out_grant
from regrant.model.journal import Change, Hold
from regrant.model.run import Incident
from regrant.ports import Account


def schedule_end(aws: Account, incident: str, ends: str) -> None:
    """Schedule the end of what the incident is about to attach. Raises AwsUnavailable, AwsRefused."""
    aws.schedules.put(incident, ends)


def cancel_end(aws: Account, incident: str, ends: str) -> None:
    """The incident attaches nothing after all. Raises AwsUnavailable, AwsRefused."""
    aws.schedules.cancel(incident, ends)


def make(
    aws: Account,
    incident: Incident,
    role: str,
    policies: tuple[str, ...],
    ends: str,
    attach: Callable[[tuple[Change, ...]], None],
    now: str,
) -> None:
    """Hold each policy (ARN) on the role (ARN) and attach them; their end is scheduled already.

    attach attaches them all; it gets the changes that an earlier try has begun. Raises AwsUnavailable,
    AwsRefused.
    """
    entry = incident.entry
    assert entry is not None
    hold = Hold(
        "",
        incident.id,
        str(incident.service),
        held_at=now,
        expires_at=ends,
        ttl_hours=entry.grant_ttl_hours,
        why=incident.trigger,
    )
    changes = tuple(
        (Change("attach", role, policy, intended_at=now), replace(hold, policy=policy)) for policy in policies
    )
    carry_out_grant(aws, incident, role, changes, attach, now)


def drop(aws: Account, role: str, hold: Hold, by: str, now: str) -> None:
    """The incident `by` ends the hold; its schedule goes unless another policy of the grant still needs it.

    The hold goes last, so that a try that comes after a crash knows no more than the first.
    """
    if hold.expires_at and not _share_its_schedule(hold, aws.holds.of(role)):
        aws.schedules.cancel(hold.incident, hold.expires_at)
    aws.holds.write(role, replace(hold, dropped_at=now, dropped_by=by))


def renew(aws: Account, role: str, hold: Hold, why: str, now: str) -> str:
    """One more period for the hold, from now on; when it ends."""
    until = later(now, hold.ttl_hours * HOUR)
    aws.schedules.put(hold.incident, until)
    if hold.expires_at not in (None, until):  # it has not fired where a person began the expiry
        aws.schedules.cancel(hold.incident, str(hold.expires_at))
    aws.holds.write(role, replace(hold, expires_at=until, why=_renewed(hold, now, why)))
    return until


def put_back(aws: Account, role: str, hold: Hold, now: str) -> None:
    """A hold that was dropped is there again; if its time is over, for one more period."""
    at, why = hold.expires_at, hold.why
    if at is None or seconds_between(now, at) <= 0:
        at = later(now, hold.ttl_hours * HOUR)
        why = _renewed(hold, now, "the service did not work without it")
    aws.schedules.put(hold.incident, at)
    aws.holds.write(role, replace(hold, expires_at=at, why=why, dropped_at=None, dropped_by=None))


def _share_its_schedule(hold: Hold, held: tuple[Hold, ...]) -> bool:
    """An incident's policies end together; the schedule is needed while one of them is there."""
    return any(
        (other.incident, other.expires_at) == (hold.incident, hold.expires_at) and other.policy != hold.policy
        for other in held
    )


def _renewed(hold: Hold, now: str, why: str) -> str:
    """Why the hold is there, with why it was renewed last."""
    first = hold.why.partition("; renewed ")[0]
    return f"{first}; renewed {now}: {why}"
