"""Take off the role what the incident attached.

What another run still needs is left, and what a cure or an expiry has ended, or a person has taken off, is
not this incident's any more: whatever is attached there by now is somebody else's.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from regrant import grants
from regrant.baseline.facts import attached_before
from regrant.clock import seconds_between
from regrant.iam.keep_tag import is_kept_by_tag
from regrant.journal import begin_to_take_back, note_shown, note_undone
from regrant.model.aws import Attachments
from regrant.model.journal import Change, Hold
from regrant.model.run import Incident
from regrant.ports import Account
from regrant.stored import Record

SHOWS = 60.0
"""Seconds for which IAM is asked again until it shows what was done. AttachRolePolicy and DetachRolePolicy
have succeeded by then, so that what it shows after that is somebody else's doing."""


class Detached(msgspec.Struct, frozen=True):
    """The policies (ARNs) that this incident had attached: taken off, left for another run, lost to a person;
    and those that IAM still shows although they were taken off moments ago."""

    gone: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    unshown: tuple[str, ...] = ()


def detach(
    incident: Incident, record: Record, aws: Account, now: str, seen_absent: frozenset[str] = frozenset()
) -> Detached:
    """Detach what this incident attached and nobody else needs; what was attached before it stays.

    seen_absent: the policies (ARNs) that the watch saw taken off. The hold goes last, so that a try that
    comes after a crash knows no more than the first. Raises AwsUnavailable, AwsRefused.
    """
    assert record.baseline is not None  # a change has a baseline before it
    role, before = record.baseline.role.arn, attached_before(record.baseline)
    ours = tuple(c for c in record.changes if c.kind == "attach" and c.value not in before)
    policies = tuple(change.value for change in ours)
    held, there = aws.holds.of(role), aws.roles.attachments(role, policies)
    # What an earlier try of this step began to take off is absent because of that.
    begun = {change.value for change in ours if change.undoing_at}
    unbegun = tuple(hold for hold in held if hold.policy not in begun)
    looked = grants.look_twice(aws, role, unbegun, there, policies, now)
    held = (*looked, *(hold for hold in held if hold.policy in begun))
    dropped_holds = aws.holds.dropped(role)
    ended = {h.policy: h for h in dropped_holds if h.incident == incident.subject}
    for change in ours:
        of_policy = tuple(hold for hold in held if hold.policy == change.value)
        own = tuple(hold for hold in of_policy if hold.incident == incident.subject)
        dropped = ended.get(change.value)
        if change.undone_at is not None and not own and not _was_kept(change, dropped, incident):
            theirs = tuple(
                hold for hold in dropped_holds if hold.policy == change.value and hold is not dropped
            )
            if change.left_for and theirs and not grants.standing(of_policy):
                since = _left_since(change, theirs, there is not None and change.value in there.policies)
                note_undone(aws.journal, incident.subject, since, change.undone_at)
            continue
        # What an earlier undo found of it may not be so any more: a keep was undone, say.
        change = replace(change, left_for=None, ended_by=None, lost_at=None, shown_at=None)
        if dropped and dropped.kept and not own and _is_gone(change, there, aws):
            dropped = replace(dropped, lost_at=now)
        others = grants.standing(tuple(hold for hold in of_policy if hold not in own))
        tagged = there is not None and is_kept_by_tag(change.value, there)
        judged = _why_not_ours(change, own, others, dropped, tagged, seen_absent, now)
        detached = judged is None and _take_off(change, incident, aws, now)
        if judged is not None:
            note_undone(aws.journal, incident.subject, judged, judged.undone_at or now)
        for hold in own:
            grants.drop(aws, role, hold, incident.subject, now, detached=detached)
    return _read_back(incident, role, policies, aws, now)


def _left_since(change: Change, theirs: tuple[Hold, ...], attached: bool) -> Change:
    """What an earlier undo left for other runs, now that none of them holds it any more."""
    last = max(theirs, key=lambda hold: hold.dropped_at or "")
    by = last.dropped_by or "another run"
    if not attached:
        return replace(change, left_for=None, ended_by=by)
    how = f"run {by} kept it for good" if last.kept else "somebody attached it again"
    return replace(change, left_for=how)


def _was_kept(change: Change, dropped: Hold | None, incident: Incident) -> bool:
    """Whether an earlier undo left it where another run had kept it for good, which may be undone."""
    return bool(change.left_for and dropped and dropped.dropped_by != incident.subject)


def _is_gone(change: Change, there: Attachments | None, aws: Account) -> bool:
    """Whether two reads show that what was kept for good is not there: somebody took it off."""
    if there is None or change.value in there.policies:
        return there is None
    again = aws.roles.attachments(change.target)
    return again is None or change.value not in again.policies


def _why_not_ours(
    change: Change,
    own: tuple[Hold, ...],
    others: tuple[Hold, ...],
    ended: Hold | None,
    tagged: bool,
    seen_absent: frozenset[str],
    now: str,
) -> Change | None:
    """The change as undone without a call, with the reason; None if the policy is to be taken off."""
    if ended is not None and not own:
        by = ended.dropped_by or "another run"
        how = {"left_for": f"run {by} kept it for good"} if ended.kept else {"ended_by": by}
        if ended.lost_at:
            how = {"lost_at": ended.lost_at}
        return replace(change, undone_at=ended.dropped_at or now, shown_at=now, **how)
    was_there = change.done_at is not None or any(hold.attached_at for hold in own)
    if own and not grants.standing(own) and was_there and change.undoing_at is None:
        lost_at = max(hold.lost_at or now for hold in own)
        return replace(change, undone_at=now, shown_at=now, lost_at=lost_at)
    if change.value in seen_absent and change.undoing_at is None:
        return replace(change, undone_at=now, shown_at=now, lost_at=now)
    if tagged:
        return replace(change, undone_at=now, shown_at=now, left_for="the role's tag regrant:keep names it")
    if others:
        runs = ", ".join(sorted({hold.incident for hold in others}))
        needs = "need" if "," in runs else "needs"
        return replace(
            change, undone_at=now, shown_at=now, left_for=f"run{'s' * (',' in runs)} {runs} {needs} it"
        )
    return None


def _take_off(change: Change, incident: Incident, aws: Account, now: str) -> bool:
    """Whether this undo did it, and not somebody a moment before."""
    begun = begin_to_take_back(aws.journal, incident.subject, change, now)
    ours = grants.take_off(aws, change.target, change.value, first=change.undoing_at is None)
    off = begun if ours else replace(begun, lost_at=now, shown_at=now)
    note_undone(aws.journal, incident.subject, off, now)
    return ours


def _read_back(incident: Incident, role: str, policies: tuple[str, ...], aws: Account, now: str) -> Detached:
    changes = tuple(
        c
        for c in aws.journal.load(incident.subject).changes
        if c.kind == "attach" and c.value in policies and c.undone_at
    )
    taken_off = tuple(c for c in changes if not (c.left_for or c.lost_at or c.ended_by))
    unshown = set[str]()
    if any(change.shown_at is None for change in taken_off):
        unshown = _note_what_shows(incident, role, taken_off, aws, now)
    return Detached(
        gone=tuple(c.value for c in changes if not c.left_for),
        left=tuple(c.value for c in changes if c.left_for),
        lost=tuple(c.value for c in changes if c.lost_at),
        unshown=tuple(sorted(unshown)),
    )


def _note_what_shows(
    incident: Incident, role: str, taken_off: tuple[Change, ...], aws: Account, now: str
) -> set[str]:
    """Note of each policy that IAM shows it taken off, or has had its time; those that it still shows."""
    there: Attachments | None = aws.roles.attachments(role)
    unshown = set[str]()
    for change in taken_off:
        late = seconds_between(change.undone_at or now, now) >= SHOWS
        if change.shown_at is None and (there is None or change.value not in there.policies or late):
            note_shown(aws.journal, incident.subject, change, now)
        elif change.shown_at is None:
            unshown.add(change.value)
    return unshown
