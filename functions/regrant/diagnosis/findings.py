"""What Diagnose found, in words for whoever is on call: the worst first, each with one line that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import UNSET

from regrant.denials.calls import DeniedCall
from regrant.diagnosis.cause import IN_THE_WAY, Cause, Judgement
from regrant.iam.permissions import RolePermissions
from regrant.model.aws import name_of
from regrant.model.journal import Hold
from regrant.model.run import Finding

Judged = tuple[DeniedCall, Judgement]

MISSING_STATEMENT: Final = "MISSING_STATEMENT"
"""The code of the finding whose evidence is the least policy that allows what nobody declared, as JSON."""

# A report of any number of calls still fits on a screen, and in the 256 KB that a state's data may have.
_MOST = 12
_RESOURCE = 300
_ORDER: tuple[Cause, ...] = (
    *IN_THE_WAY,
    "MISSING_ATTACHMENT",
    "OTHER_PRINCIPAL",
    "UNREADABLE",
    "ALREADY_GRANTED",
    "IGNORED",
)


def ranked(judged: Iterable[Judged]) -> tuple[Judged, ...]:
    """What no grant fixes first, then what one does, then the rest; the most often denied first in each."""
    return tuple(sorted(judged, key=lambda one: (_ORDER.index(one[1].cause), -one[0].count)))


def denial_findings(
    judged: tuple[Judged, ...], complete: bool, *, goes_on: bool = False
) -> tuple[Finding, ...]:
    """One finding for all calls with the same action and reason. `judged` is ranked.

    Where not `complete`, more was logged than was read, and the counts are least ones. goes_on: the run goes
    on, though a call stays denied. Where several containers are denied, each finding names its own.
    """
    several = len(frozenset[str]().union(*(call.containers for call, _ in judged))) > 1
    groups: dict[tuple[str | None, str, str], list[Judged]] = {}
    for call, judgement in judged:
        key = (call.denial.action, judgement.cause, judgement.reason)
        groups.setdefault(key, []).append((call, judgement))
    found = [_finding(group, complete, goes_on, several) for group in groups.values()]
    if len(found) <= _MOST:
        return tuple(found)
    # One of each code first: lines that somebody has made up are many of one code.
    codes = [finding.code for finding in found]
    numbers = sorted(range(len(found)), key=lambda number: codes.index(codes[number]) != number)
    rest = ", ".join(dict.fromkeys(codes[number] for number in sorted(numbers[_MOST:])))
    shown = (found[number] for number in sorted(numbers[:_MOST]))
    return (*shown, Finding("MORE", f"And {len(found) - _MOST} more findings: {rest}."))


def role_findings(role: str, declared: str) -> tuple[Finding, ...]:
    """The role in use and the one that the catalogue declares, if that is another."""
    if role == declared:
        return ()
    text = f"The tasks run as {name_of(role)}; the catalogue declares {name_of(declared)}."
    return (Finding("WRONG_TASK_ROLE", text, (role, declared)),)


def taken_off_findings(role: str, held: tuple[Hold, ...], attached: tuple[str, ...]) -> tuple[Finding, ...]:
    """Temporary grants that are on record for the role (ARN) and that somebody took off it."""
    return tuple(
        Finding("TAKEN_OFF", _taken_off(role, hold), (hold.policy,))
        for hold in held
        if hold.lost_at or (hold.attached_at and hold.policy not in attached)
    )


def _taken_off(role: str, hold: Hold) -> str:
    seen = f" (seen at {hold.lost_at})" if hold.lost_at else ""
    what = f"{name_of(hold.policy)}, which run {hold.incident} had attached to {name_of(role)}"
    return f"{what}, was taken off by somebody{seen}."


def missing_findings(permissions: RolePermissions) -> tuple[Finding, ...]:
    """Every declared policy that the role lacks, for a run that has no denied call to go by."""
    role = name_of(permissions.role)
    return tuple(
        Finding("MISSING_ATTACHMENT", f"{role} lacks {name_of(policy.arn)}.", (policy.arn,))
        for policy in permissions.missing
    )


def _finding(group: list[Judged], complete: bool, goes_on: bool, several: bool) -> Finding:
    call, judgement = group[0]
    count = sum(each.count for each, _ in group)
    since, until = (_second(at) for at in (min(e.since for e, _ in group), max(e.until for e, _ in group)))
    when = f"at {since}" if count == 1 else f"from {since} to {until}"
    times = ("" if complete else "at least ") + ("once" if count == 1 else f"{count} times")
    others = {each.denial.resource for each, _ in group} - {call.denial.resource}
    what = "".join(_what(call, len(others)))
    containers = sorted(frozenset[str]().union(*(each.containers for each, _ in group)))
    where = f", logged by {' and '.join(containers)}" if several and containers else ""
    stays = " It stays denied: no grant of this run allows it." if goes_on and _is_left(judgement) else ""
    text = f"{judgement.reason}: {what}, denied {times} {when}{where}.{stays}"
    return Finding(judgement.cause, text, (call.sample,), call.denial.action or UNSET)


def _is_left(judgement: Judgement) -> bool:
    return judgement.cause in IN_THE_WAY


def _second(at: str) -> str:
    return f"{at[:19]}Z"  # all times here are UTC


def _what(call: DeniedCall, others: int) -> Iterator[str]:
    yield call.denial.action or "an action that is not named"
    if call.denial.resource:
        whole = call.denial.resource
        yield f" on {whole if len(whole) <= _RESOURCE else f'{whole[:_RESOURCE]}…'}"
    if others:
        yield f" and {others} other resource{'s' if others > 1 else ''}"
