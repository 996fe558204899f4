"""Put back on the role what a cure or an expiry took off, with the holds that it ended.

Only what a run took off is attached again: what a person has taken off since stays off, and what a person has
attached since is theirs, without a hold of ours.
"""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec.structs import replace

from regrant import grants
from regrant.clock import seconds_between
from regrant.journal import carry_out, note_shown, note_undone, take_back
from regrant.leases import ACTIVE
from regrant.model.aws import Attachments
from regrant.model.journal import Change, Hold
from regrant.model.run import Incident
from regrant.ports import Account
from regrant.stored import Record


class PutBack(msgspec.Struct, frozen=True):
    """The policies (ARNs) that are to be on the role again: those that IAM does not show yet, and those that
    stay off, since a person took them off."""

    policies: tuple[str, ...] = ()
    unshown: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def withdrawn_by(record: Record) -> tuple[Change, ...]:
    return tuple(change for change in record.changes if change.kind == "withdraw")


def reattached_by(record: Record) -> tuple[Change, ...]:
    """What the undo attached, or was about to attach, in place of what another run had taken off."""
    return tuple(change for change in record.changes if change.kind == "reattach")


def let_go_by(incident: Incident, record: Record, aws: Account) -> tuple[Hold, ...]:
    """The holds that this incident dropped without taking the policy off; of a containment, none."""
    taken_off = {change.value for change in withdrawn_by(record)}
    return tuple(
        hold
        for hold in (aws.holds.dropped(record.baseline.role.arn) if record.baseline else ())
        if hold.dropped_by == incident.subject != hold.incident and hold.policy not in taken_off
    )


def put_back(incident: Incident, record: Record, let_go: tuple[Hold, ...], aws: Account, now: str) -> PutBack:
    """Attach again what was withdrawn, with its holds, and read it back.

    A grant whose time is over gets one more period: the service is not cured. A hold that was only let go is
    there again as long as its attachment is; if another run has taken that off since, it is attached again.
    """
    assert record.baseline is not None
    role = record.baseline.role.arn
    withdrawn = tuple(change for change in withdrawn_by(record) if change.undone_at is None)
    policies = tuple({*(c.value for c in withdrawn), *(hold.policy for hold in let_go)})
    there = aws.roles.attachments(role, policies)
    for change in withdrawn:
        _undo_withdrawal(change, incident, there, aws, now)
    lost = [
        hold.policy for hold in let_go if hold.lost_at or not _go_on(hold, role, incident, there, aws, now)
    ]
    of_now = {hold.policy for hold in let_go}
    for change in reattached_by(record):
        if change.done_at is None and change.value not in of_now:
            _finish(change, incident, there, aws, now)
    return _read_back(incident, role, tuple(lost), aws, now)


def _undo_withdrawal(
    change: Change, incident: Incident, there: Attachments | None, aws: Account, now: str
) -> None:
    role, policy = change.target, change.value
    holds = _holds_of(change, incident, aws)
    another = there is None or any(hold.role_id not in ("", there.role_id) for hold in holds)
    if another:
        # The role was deleted: whoever made it again decided what is on it.
        note_undone(aws.journal, incident.subject, replace(change, lost_at=now, shown_at=now), now)
    elif not _is_granted(policy, incident, role, aws) and _is_a_persons(change, there, aws, now):
        theirs = replace(change, left_for="somebody attached it again", shown_at=now)
        note_undone(aws.journal, incident.subject, theirs, now)
    elif why := _why_it_stays_off(incident, holds):
        note_undone(aws.journal, incident.subject, replace(change, left_for=why, shown_at=now), now)
    else:
        # Its end is scheduled and its hold is written before it is there again.
        for hold in holds:
            grants.put_back(aws, role, hold, now, tried_at=change.done_at)
        attach = partial(aws.roles.attach, role, policy)
        take_back(aws.journal, incident.subject, change, attach, now)


def _why_it_stays_off(incident: Incident, holds: tuple[Hold, ...]) -> str | None:
    """Nothing is attached for a service that is not entitled to it any more, nor what nothing would end."""
    if incident.no_entry and incident.no_entry.code == "NOT_ENROLLED":
        return "off, since the service is not enrolled any more"
    return None if holds else "off, since the journal has no grant that would end it"


def _is_granted(policy: str, incident: Incident, role: str, aws: Account) -> bool:
    """Another run has attached it since, so that this one's hold stands beside that run's."""
    return any(
        hold.policy == policy and hold.service != str(incident.service)
        for hold in grants.standing(aws.holds.of(role))
    )


def _is_a_persons(change: Change, there: Attachments | None, aws: Account, now: str) -> bool:
    """The policy is there although this run took it off a while ago, as two reads show."""
    spread = change.done_at is not None and seconds_between(change.done_at, now) > grants.SPREAD
    if not spread or there is None or change.value not in there.policies:
        return False
    again = aws.roles.attachments(change.target)
    return again is not None and change.value in again.policies


def _holds_of(change: Change, incident: Incident, aws: Account) -> tuple[Hold, ...]:
    """Those that the withdrawal dropped, and after a crash in it those that it had not dropped yet."""
    dropped = tuple(h for h in aws.holds.dropped(change.target) if _dropped_for(change, h, incident))
    standing = tuple(hold for hold in aws.holds.of(change.target) if hold.service == str(incident.service))
    return tuple(hold for hold in (*dropped, *standing) if hold.policy == change.value)


def _dropped_for(change: Change, hold: Hold, incident: Incident) -> bool:
    """By the withdrawal; or by the audit, which came between our detaching and the end of the record."""
    # The step may have been tried again, and its record bears the time of the last try.
    around = seconds_between(hold.dropped_at or change.intended_at, change.intended_at) <= ACTIVE
    of_service = hold.service == str(incident.service)
    return hold.dropped_by == incident.subject or (hold.dropped_by == "audit" and of_service and around)


def _go_on(
    hold: Hold, role: str, incident: Incident, there: Attachments | None, aws: Account, now: str
) -> bool:
    """Whether the hold is there again: with its attachment, or with a new one in place of what a run took
    off."""
    if there is None or hold.role_id not in ("", there.role_id):
        return False
    if grants.is_there(hold, there):
        grants.put_back(aws, role, hold, now, attached_at=hold.attached_at)
        return True
    ended = [h for h in aws.holds.dropped(role) if h.policy == hold.policy and h.detached]
    since = any(seconds_between(hold.dropped_at or now, h.dropped_at or now) >= 0 for h in ended)
    if not since or _why_it_stays_off(incident, (hold,)):
        return False

    def attach(first: bool) -> None:
        grants.put_back(aws, role, hold, now)
        aws.roles.attach(role, hold.policy)

    carry_out(
        aws.journal, incident.subject, Change("reattach", role, hold.policy, intended_at=now), attach, now
    )
    return True


def _finish(change: Change, incident: Incident, there: Attachments | None, aws: Account, now: str) -> None:
    """Attach what an earlier try ended before: it had put the hold back already."""
    held = aws.holds.of(change.target)
    holds = tuple(h for h in held if h.policy == change.value and h.service == str(incident.service))
    if there is None or not any(hold.role_id in ("", there.role_id) for hold in holds):
        # The role was deleted, or another run has ended the grant since.
        note_shown(aws.journal, incident.subject, replace(change, done_at=now, lost_at=now), now)
        return

    def attach(first: bool) -> None:
        aws.roles.attach(change.target, change.value)

    carry_out(aws.journal, incident.subject, change, attach, now)


def _read_back(incident: Incident, role: str, lost: tuple[str, ...], aws: Account, now: str) -> PutBack:
    """What of it IAM shows; the journal says so of each."""
    record = aws.journal.load(incident.subject)
    ours = tuple(c for c in withdrawn_by(record) if c.lost_at is None and c.left_for is None)
    there = aws.roles.attachments(role)
    showing = there.policies if there else {}
    attached = (*ours, *(c for c in reattached_by(record) if c.done_at and c.lost_at is None))
    for change in attached:
        if change.shown_at is None and change.value in showing:
            note_shown(aws.journal, incident.subject, change, now)
    for hold in aws.holds.of(role):
        if hold.attached_at is None and hold.policy in showing:
            grants.shown(aws, role, hold, now)
    wanted = {change.value for change in attached}
    return PutBack(tuple(change.value for change in ours), tuple(sorted(wanted - {*showing})), lost)
