"""A temporary grant: its hold (who needs it, until when) and the schedule of its end are one thing.

A hold says that an incident needs a policy on a role; the schedule starts the expiry when its time is over.
They stand here and nowhere else, in the order that leaves no grant without an end: the schedule is there
before the hold is, and goes before the hold does, unless another hold shares it. When a grant ends is in the
incident's baseline before either is written, so that an undo finds a schedule that has no hold yet.

A hold counts only while the attachment that it stands for is still that one: what somebody took off is lost,
and what is attached there later is theirs.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from regrant.clock import HOUR, later, seconds_between
from regrant.errors import AwsUnavailable
from regrant.journal import carry_out_grant
from regrant.leases import ACTIVE
from regrant.model.aws import Attachments, RoleState
from regrant.model.journal import Change, Hold
from regrant.model.run import Incident, PlannedAgainst
from regrant.ports import Account

STALE = 600.0
"""Seconds after which no read shows IAM as it was before a change. AWS promises no bound ("eventually
consistent", IAM user guide, Troubleshooting); what is published are seconds to a few minutes."""
TWICE = 45.0
"""The same for two reads that agree. Until then an absence is not believed: what was attached is taken off
all the same, which can be repeated."""
APART = 30.0
"""Seconds after which a second read of an absence does not repeat the same stale answer. Two reads in one
step are taken for two only by what can be repeated: whoever is to keep an attachment waits this long."""
SPREAD = 120.0
"""The same for a state that two reads show after a change of our own."""


def schedule_end(aws: Account, incident: str, ends: str) -> bool:
    """Schedule the end of what the incident is about to attach; whether it was not. Raises AwsUnavailable,
    AwsRefused."""
    return aws.schedules.put(incident, ends)


def cancel_end(aws: Account, incident: str, ends: str) -> None:
    """The incident attaches nothing after all. Raises AwsUnavailable, AwsRefused."""
    aws.schedules.cancel(incident, ends)


def make(
    aws: Account,
    incident: Incident,
    against: PlannedAgainst,
    role: str,
    policies: tuple[str, ...],
    ends: str,
    attach: Callable[[tuple[Change, ...]], None],
    now: str,
    plan: str,
) -> None:
    """Hold each policy (ARN) on the role (ARN) and attach them; their end is scheduled already.

    attach attaches them all and returns once IAM shows them; it gets the changes that an earlier try has
    begun. plan: the digest with which they are planned. Raises NotOfThisRun if they are not, AwsUnavailable,
    AwsRefused, and what attach raises.
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
        role_id=against.role.id if against.role else "",
    )
    ids = {policy: mark.id for policy, mark in against.policies.items()}
    changes = tuple(
        (
            Change("attach", role, policy, intended_at=now),
            replace(hold, policy=policy, policy_id=ids.get(policy, "")),
        )
        for policy in policies
    )
    carry_out_grant(aws, incident, role, changes, attach, now, plan)


def attachments_of(role: RoleState) -> Attachments:
    """What a role that was read whole shows; the policies' ids are not known."""
    return Attachments(role.id, dict.fromkeys(role.attached), role.tags)


def is_there(hold: Hold, there: Attachments | None) -> bool:
    """Whether the attachment that the hold stands for is shown: that policy on that role."""
    return there is not None and hold.policy in there.policies and not _is_another(hold, there)


def is_lost(hold: Hold, there: Attachments | None, now: str, *, twice: bool = False) -> bool:
    """Whether it is certain that the attachment is gone, by what is read now (None: the role is gone).

    A read can be stale, so that it is absent has to be read twice, or so late that it cannot be. twice: this
    read confirms an earlier one. What a run has not seen attached yet is not lost: it is about to attach it.
    """
    if hold.lost_at or there is None or _is_another(hold, there):
        return True
    if hold.policy in there.policies:
        return False
    if hold.attached_at is None:
        # Of a version that did not record it, or of a run that ended there: its undo has had its time.
        since = hold.put_back_at or hold.held_at
        return bool(since) and seconds_between(since, now) > ACTIVE + STALE
    age = seconds_between(hold.attached_at, now)
    seen_before = hold.absent_at is not None and seconds_between(hold.absent_at, now) >= APART
    return age > STALE or (age > TWICE and (twice or seen_before))


def _is_another(hold: Hold, there: Attachments) -> bool:
    """The role, or the policy, was deleted and made again."""
    policy_id = there.policies.get(hold.policy)
    another_policy = bool(hold.policy_id and policy_id) and hold.policy_id != policy_id
    return another_policy or (bool(hold.role_id) and hold.role_id != there.role_id)


def look_after(
    aws: Account,
    role: str,
    held: tuple[Hold, ...],
    there: Attachments | None,
    now: str,
    *,
    read_before: tuple[tuple[str, ...], str] | None = None,
) -> tuple[Hold, ...]:
    """The holds on the role (ARN) as they stand by what is read now, each marked in the journal if that
    changed; those that are lost among them.

    read_before: the policies (ARNs) that another read showed, and when.
    """
    attached, at = read_before or ((), now)

    def absent_before(hold: Hold) -> bool:
        known = hold.attached_at is not None and seconds_between(hold.attached_at, at) > 0
        return read_before is not None and known and hold.policy not in attached

    return tuple(_look_after(aws, role, hold, there, now, absent_before(hold)) for hold in held)


def _look_after(
    aws: Account, role: str, hold: Hold, there: Attachments | None, now: str, twice: bool
) -> Hold:
    if hold.lost_at:
        return hold
    if is_lost(hold, there, now, twice=twice):
        marked = replace(hold, lost_at=hold.absent_at or now)
    elif is_there(hold, there):
        marked = replace(hold, absent_at=None)
    elif hold.attached_at and hold.absent_at is None:
        marked = replace(hold, absent_at=now)
    else:
        return hold
    # Whoever has changed it since it was read knows more.
    return marked if marked == hold or aws.holds.mark(role, marked, hold) else hold


def look_twice(
    aws: Account,
    role: str,
    held: tuple[Hold, ...],
    there: Attachments | None,
    policies: tuple[str, ...],
    now: str,
) -> tuple[Hold, ...]:
    """The same, certain with one call of it: where something is not there, IAM is asked again."""
    if all(is_there(hold, there) for hold in held) or there is None:
        return look_after(aws, role, held, there, now)
    again = aws.roles.attachments(role, policies)
    return look_after(aws, role, held, again, now, read_before=(tuple(there.policies), now))


def take_off(aws: Account, role: str, policy: str, first: bool) -> bool:
    """Detach it; False if somebody took it off before: what AWS does not find the first time that it is
    asked, and does not show either. A later time, an earlier try of ours may have done it.

    Raises AwsUnavailable (also if IAM does not find what it shows), AwsRefused.
    """
    if aws.roles.detach(role, policy) or not first:
        return True
    there = aws.roles.attachments(role)
    if there is not None and policy in there.policies:
        raise AwsUnavailable(f"IAM shows {policy} on {role}, and does not find it there to detach it.")
    return False


def standing(held: tuple[Hold, ...]) -> tuple[Hold, ...]:
    """Those that are not lost."""
    return tuple(hold for hold in held if hold.lost_at is None)


def drop(
    aws: Account,
    role: str,
    hold: Hold,
    by: str,
    now: str,
    *,
    detached: bool = False,
    kept: bool = False,
) -> None:
    """The incident `by` ends the hold; its schedule goes unless another policy of the grant still needs it.

    detached: the policy was taken off for it; kept: it stays for good.
    The hold goes last, so that a try that comes after a crash knows no more than the first.
    """
    if hold.expires_at and not _share_its_schedule(hold, aws.holds.of(role)):
        aws.schedules.cancel(hold.incident, hold.expires_at)
    aws.holds.write(role, replace(hold, dropped_at=now, dropped_by=by, detached=detached, kept=kept))


def renew(aws: Account, role: str, hold: Hold, why: str, now: str, until: str | None = None) -> Hold:
    """One more period for the hold, from now on, or that `until`; the hold as it is then."""
    until = until or ends(aws, hold.ttl_hours, now)
    aws.schedules.put(hold.incident, until)
    if hold.expires_at not in (None, until):  # it has not fired where a person began the expiry
        aws.schedules.cancel(hold.incident, str(hold.expires_at))
    renewed = replace(_renewed(hold, until, why, now), tried_at=None)
    aws.holds.write(role, renewed)
    return renewed


def ends(aws: Account, ttl_hours: int, now: str) -> str:
    """When a grant that is made or renewed now ends: when its time is over, in the stack's ExpiryWindow."""
    return aws.settings.expiry_window.first_at_or_after(later(now, ttl_hours * HOUR))


def put_back(
    aws: Account,
    role: str,
    hold: Hold,
    now: str,
    *,
    attached_at: str | None = None,
    tried_at: str | None = None,
) -> None:
    """A hold that was dropped is there again; if its time is over, for one more period.

    attached_at: when IAM showed its attachment; None if that is only about to be made. tried_at: since when
    the service was tried without it.
    """
    at, renewed = hold.expires_at, hold
    if at is None or seconds_between(now, at) <= 0:
        at = ends(aws, hold.ttl_hours, now)
        renewed = _renewed(hold, at, "the service did not work without it", now)
    aws.schedules.put(hold.incident, at)
    back = replace(
        renewed,
        expires_at=at,
        tried_at=tried_at or hold.tried_at,
        dropped_at=None,
        dropped_by=None,
        detached=False,
        kept=False,
        absent_at=None,
        lost_at=None,
        attached_at=attached_at,
        put_back_at=now,
    )
    aws.holds.write(role, back)


def shown(aws: Account, role: str, hold: Hold, now: str) -> None:
    """IAM shows the attachment that the hold stands for."""
    aws.holds.mark(role, replace(hold, attached_at=now), hold)


def _share_its_schedule(hold: Hold, held: tuple[Hold, ...]) -> bool:
    """An incident's policies end together; the schedule is needed while one of them is there."""
    return any(
        (other.incident, other.expires_at) == (hold.incident, hold.expires_at) and other.policy != hold.policy
        for other in held
    )


def _renewed(hold: Hold, until: str, why: str, now: str) -> Hold:
    """The hold with its new end, and in `why` beside what it is there for why it was renewed last."""
    return replace(
        hold,
        expires_at=until,
        why=f"{hold.why.partition('; renewed ')[0]}; renewed {now}: {why}",
        renewed_at=now,
        why_renewed=why,
        renewals=hold.renewals + 1 if why == hold.why_renewed else 1,
    )
