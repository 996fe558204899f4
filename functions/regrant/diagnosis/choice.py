"""Which policies a containment attaches, which denied calls it leaves as they are, or why it does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from regrant.denials.calls import DeniedCall
from regrant.denials.own import asked_resource, kind_of
from regrant.diagnosis.cause import IN_THE_WAY, Judgement
from regrant.diagnosis.findings import Judged
from regrant.iam.cover import least_cover
from regrant.iam.permissions import RolePermissions
from regrant.model.aws import name_of
from regrant.model.denial import StaysDenied
from regrant.model.results import Refusal
from regrant.model.run import Finding

# Kinds of calls that may stay denied beside a repair: whatever is denied more than these is not harmless.
MOST_KINDS = 20
# What the role may do, or is to do after the repair.
_WORKING = ("MISSING_ATTACHMENT", "ALREADY_GRANTED")


class Choice(NamedTuple):
    """The policies (ARNs) to attach, the kinds of calls that stay denied all the same, why none will do."""

    attach: tuple[str, ...] = ()
    stays_denied: tuple[StaysDenied, ...] = ()
    refusal: Refusal | None = None


def choose(judged: Sequence[Judged], permissions: RolePermissions) -> Choice:
    """What to attach for these calls, which are ranked.

    Where no call can be read, what the catalogue declares and the role lacks is the plan. A call that no
    declared policy allows refuses the run only where there is nothing to attach for another.
    """
    counted = [j for j in judged if j[1].cause != "IGNORED"]
    if judged and not counted:
        return Choice(refusal=_all_ignored())
    staying = dict.fromkeys(_staying(counted, permissions))
    attach, refusal = _attach([j for j in counted if j not in staying], permissions)
    if staying and not attach:
        return Choice(refusal=_attach(counted, permissions)[1])
    return Choice(attach, kinds_of(staying), refusal)


def kinds_of(judged: Iterable[Judged]) -> tuple[StaysDenied, ...]:
    """The kinds of these calls, each once."""
    kinds = dict.fromkeys(kind_of(call.denial) for call, _ in judged)
    return tuple(kind for kind in kinds if kind is not None)


def _staying(judged: Sequence[Judged], permissions: RolePermissions) -> Sequence[Judged]:
    """The calls that may stay denied while the others are repaired; none if there is nothing to repair."""
    repaired = [call for call, judgement in judged if judgement.covering]
    unreadable = any(judgement.cause == "UNREADABLE" for _, judgement in judged)
    if not repaired and not (unreadable and permissions.missing):
        return ()
    return bounded([j for j in judged if _may_stay(*j, repaired)], judged)


def bounded(staying: Sequence[Judged], judged: Sequence[Judged]) -> Sequence[Judged]:
    """Those that the proof cannot confuse with a call that has to work; none if they are of many kinds."""
    working = set(kinds_of(j for j in judged if j[1].cause in _WORKING))
    apart = [j for j in staying if kind_of(j[0].denial) not in {None, *working}]
    return apart if len(kinds_of(apart)) <= MOST_KINDS else ()


def _may_stay(call: DeniedCall, judgement: Judgement, repaired: Sequence[DeniedCall]) -> bool:
    """Nobody declared it; or only other containers than the repaired ones are denied, and for another call.

    A call that a Deny, a boundary or another layer is in the way of, and that the service itself makes, is
    a reason to refuse: what is in the way of one may be in the way of all.
    """
    if judgement.cause == "NOT_DECLARED":
        return True
    containers = frozenset[str]().union(*(other.containers for other in repaired))
    elsewhere = call.containers and containers and not call.containers & containers
    same = any(call.denial.action == other.denial.action for other in repaired)
    return judgement.cause in IN_THE_WAY and bool(elsewhere) and not same


def _attach(judged: Sequence[Judged], permissions: RolePermissions) -> tuple[tuple[str, ...], Refusal | None]:
    """The policies that these calls need, or why none will do."""
    absent = [_policy_missing(finding) for finding in nonexistent(permissions)]
    own = [j for j in judged if j[1].cause not in ("OTHER_PRINCIPAL", "UNREADABLE", "ALREADY_GRANTED")]
    # Tasks of an earlier role may still be in the log, so another principal counts only if it is alone.
    hopeless = [j for j in judged if j[1].cause in (IN_THE_WAY if own else (*IN_THE_WAY, "OTHER_PRINCIPAL"))]
    if hopeless:
        # A policy that does not exist may be the one that would allow it.
        undeclared = hopeless[0][1].cause == "NOT_DECLARED"
        return (), absent[0] if absent and undeclared else _hopeless(*hopeless[0])
    fixable = [call.denial for call, judgement in own if judgement.covering]
    if fixable:
        wanted = tuple((denial.action or "", asked_resource(denial)) for denial in fixable)
        attach = least_cover(permissions.missing, wanted)
        if not attach:
            return (), _contradiction(permissions)
        return tuple(sorted({*attach, *_for_any_resource(own)})), None
    if absent:
        return (), absent[0]
    if judged and all(judgement.cause == "ALREADY_GRANTED" for _, judgement in judged):
        return (), None
    if judged and not permissions.missing:
        return (), _hopeless(*judged[0])
    return tuple(policy.arn for policy in permissions.missing), None


def _for_any_resource(judged: Sequence[Judged]) -> Iterator[str]:
    """Whichever policy may allow a call whose resource is not known, so that one run is enough."""
    for call, judgement in judged:
        if not judgement.certain and asked_resource(call.denial) is None:
            yield from judgement.covering


def nonexistent(permissions: RolePermissions) -> tuple[Finding, ...]:
    """The declared policies that do not exist, if there are any."""
    if not permissions.nonexistent:
        return ()
    text = f"The catalogue declares policies that do not exist: {', '.join(permissions.nonexistent)}."
    return (Finding("POLICY_MISSING", text),)


def _policy_missing(finding: Finding) -> Refusal:
    return Refusal("POLICY_MISSING", finding.text, "Create them, or correct the catalogue entry.")


def _hopeless(call: DeniedCall, judgement: Judgement) -> Refusal:
    what = call.denial.action or "a call"
    on = f" on {call.denial.resource}" if call.denial.resource else ""
    return Refusal(judgement.cause, f"{judgement.reason}: {what}{on}.", judgement.next)


def _contradiction(permissions: RolePermissions) -> Refusal:
    names = ", ".join(name_of(policy.arn) for policy in permissions.missing)
    return Refusal(
        "POLICIES_CONFLICT",
        f"Of the declared policies {names}, those that allow one denied call deny another.",
        "Take the Deny out of them, or declare other policies.",
    )


def _all_ignored() -> Refusal:
    return Refusal(
        "IGNORED",
        "Every denied call is one that the enrolment ignores.",
        "Nothing, if that is meant. If not, take the action out of the enrolment's IgnoreActions, and start"
        " again.",
        outcome="NOTHING_TO_FIX",
    )
