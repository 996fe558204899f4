"""Promises about the account while no run goes on, and about what the audit says of it."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.people.facts import PERSON, REMADE, Rest, Seen, name_of
from sandbox.people.promises.common import OTHERS, closed, is_kept, seconds

_LATE = 3 * 3600
"""Seconds after its end in which a grant that was not renewed has to be gone: the audit comes each hour."""
_DAY = 86_400
_OFTEN = 4
"""Messages of one kind that may come in a day."""


def a_grant_has_a_record(seen: Seen, rest: Rest) -> Iterator[str]:
    """README: it never leaves a temporary grant behind for good. Each has a hold, with an end."""
    for there in rest.look.attached:
        if there.owner in OTHERS or is_kept(seen, there.role, there.policy, rest.look.deeds):
            continue
        holds = [h for h in rest.look.holds if (h.role, h.policy) == (there.role, there.policy)]
        if not any(hold.expires_at for hold in holds):
            yield f"{there}, which {there.owner} attached, has {'no end' if holds else 'no hold'}"


def a_grant_ends(seen: Seen, rest: Rest) -> Iterator[str]:
    """And that end comes: the grant goes, or is renewed for a reason that is reported."""
    for hold in rest.look.holds if rest.days else ():
        late = seconds(hold.expires_at, rest.look.at) if hold.expires_at else _DAY
        if late > _LATE and not hold.lost:
            yield f"{hold}, {late / 3600:.0f} h after its end"


def the_audit_lists_what_is_there(seen: Seen, rest: Rest) -> Iterator[str]:
    """Operations, Audit: what this tool has attached that is still there, and that only."""
    listed = set()
    for grant in rest.audit:
        role, policy, state = name_of(grant["role"]), name_of(grant["policy"]), grant["state"]
        there = rest.look.find(role, policy)
        listed.add((role, policy))
        if (state == "recorded but not attached" and there) or (state in ("held", "overdue") and not there):
            yield f"{policy} on {role} is {state}, and is {'attached' if there else 'not attached'}"
        if state not in ("held", "overdue") or there is None or there.owner not in OTHERS:
            continue
        if there.owner == PERSON and there.missed >= 2:
            how = "on a role that was made again" if there.missed == REMADE else "after it was seen absent"
            yield f"{policy} on {role} is {state} by {grant['incident']}; a person attached it {how}"
    for there in rest.look.attached:
        kept = is_kept(seen, there.role, there.policy, rest.look.deeds)
        if there.owner not in OTHERS and (there.role, there.policy) not in listed and not kept:
            yield f"{there}, which {there.owner} attached, is not listed"


def one_reason_is_one_notification(seen: Seen) -> Iterator[str]:
    """Operations, Notifications: whoever reads the topic is not sent the same again and again."""
    times = [at for at, _ in seen.messages]
    if _often(times):
        yield f"{len(times)} messages of the audit: {sorted({subject for _, subject in seen.messages})}"
    ends: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for run in seen.runs:
        if run.mode == "expire" and (look := closed(run)) and run.name.startswith("expire-"):
            ends.setdefault((run.subject, run.codes), []).append(look.at)
    for (subject, codes), ats in ends.items():
        if _often(ats):
            yield f"{len(ats)} runs reported of {subject}: {codes}"


def _often(times: list[str]) -> bool:
    """Whether more than a few came within a day."""
    return any(seconds(a, b) < _DAY for a, b in zip(times, times[_OFTEN:], strict=False))


AT_REST = (a_grant_has_a_record, a_grant_ends, the_audit_lists_what_is_there)
OF_ALL = (one_reason_is_one_notification,)
