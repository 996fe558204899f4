"""Promises of the outcomes: README, "What an outcome means"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sandbox.people.facts import PERSON, Deed, Look, RunSeen, Seen
from sandbox.people.promises.common import (
    ATTACHES,
    OTHERS,
    WITHDRAWS,
    closed,
    deeds_of,
    is_kept,
    pair_of,
    seconds,
    since,
)

_ENDS = (None, "NothingChanged", "RolledBack", "RollbackIncomplete")
_STANDS = re.compile(r"\b(temporary|still|stays?|left|held|holds|until|needs)\b")
_SAMPLE = 20
"""Seconds between two samples of a service's health."""
_FRESH = 150
"""Seconds in which a service feels what somebody did to its role."""


def a_run_ends_as_documented(seen: Seen, run: RunSeen) -> Iterator[str]:
    if run.status != "ABORTED" and run.error not in _ENDS:
        yield f"{run.status} {run.error}: {run.report}"


def contained_is_so(seen: Seen, run: RunSeen) -> Iterator[str]:
    """The policies are attached, for a time, and the service was proved to work."""
    look = closed(run)
    if look is None or run.outcome != "CONTAINED":
        return
    service = look.services.get(run.report["service"])
    for change in run.report["changes"]:
        role, policy = pair_of(change)
        if change["kind"] != "attach" or change["undone_at"] or _just_changed(seen, look, role):
            continue
        held = [h for h in look.holds if (h.role, h.policy, h.incident) == (role, policy, run.name)]
        if look.find(role, policy) is None:
            yield f"{policy} is not on {role}"
        elif not any(hold.expires_at for hold in held) and not is_kept(seen, role, policy, look.deeds):
            yield f"{policy} on {role} has no hold of this run with an end"
        elif service is None or service.role != role:
            yield f"{policy} is on {role}, and the service runs with {service and service.role}"
    if service and not service.works and not _just_changed(seen, look, service.role):
        yield f"last success {service.success} s ago, last denial {service.denial} s"


def cured_leaves_none_unnamed(seen: Seen, run: RunSeen) -> Iterator[str]:
    """CURED, and nothing to cure: no grant of the service is left, or the report names it."""
    look = closed(run)
    says = run.outcome == "CURED" or (run.outcome == "NOTHING_TO_FIX" and "NO_GRANT" in run.codes)
    if look is None or not says or run.mode == "keep":
        return
    for hold in look.holds:
        there = look.find(hold.role, hold.policy)
        stands = there and there.owner not in OTHERS and not hold.lost
        if hold.service != run.report["service"] or not stands:
            continue
        if not is_kept(seen, hold.role, hold.policy, look.deeds) and not _names(run, hold.role, hold.policy):
            yield f"{hold} until {hold.expires_at}, stands unnamed; next: {run.report['next']}"


def _names(run: RunSeen, role: str, policy: str) -> bool:
    """Whether a text says that it is still there."""
    texts = [f"{finding['text']} {finding['evidence']}" for finding in run.findings()]
    there = [text for text in (*texts, run.report["next"]) if _STANDS.search(text) and policy in text]
    return any(role in text for text in there) or any(policy in str(f) for f in run.findings("GRANT_STAYS"))


def cured_runs_as_declared(seen: Seen, run: RunSeen) -> Iterator[str]:
    """CURED by a cure: the service runs with its declared role, as declared when the plan was confirmed."""
    look, planned = closed(run), run.looks.get("CaptureBaseline")
    if look is None or planned is None or run.outcome != "CURED" or run.mode != "cure":
        return
    service, entry = look.services.get(run.report["service"]), planned.entries.get(run.report["service"])
    deployed = any(
        d.who == PERSON and d.call == "ecs:UpdateService" for d in since(seen, planned.deeds, look)
    )
    if service and entry and not deployed and service.role != entry.task_role:
        yield f"the service runs with {service.role}, and {entry.task_role} is declared"


def cured_works(seen: Seen, run: RunSeen) -> Iterator[str]:
    """CURED: the service works without its grant, then and until somebody changes something."""
    look = closed(run)
    if look is None or run.outcome != "CURED" or run.mode == "keep":  # which proves nothing
        return
    if {"NOT_IN_USE", "WRONG_TASK_ROLE"} <= {*run.codes}:  # the page says that nobody looked
        return
    name = run.report["service"]
    later = [rest.look for rest in seen.rests if rest.look.at >= look.at and rest.look.deeds == look.deeds]
    for each in (look, *later):
        service = each.services.get(name)
        if service is None or not service.running or _just_changed(seen, each, service.role):
            continue
        if service.is_denied:
            denied = f"were denied {service.denial:.0f} s ago"
            yield f"{service.running} tasks run with {service.role} and {denied}"
            return


def a_trial_is_one(seen: Seen, run: RunSeen) -> Iterator[str]:
    """CURED by an expiry: the service was tried without the grant. If somebody attached it, that is said."""
    look = closed(run)
    if look is None or run.outcome != "CURED" or run.mode != "expire" or not run.report.get("health"):
        return
    for off in deeds_of(seen, run):
        later = [d for d in since(seen, off.number, look) if d.attaches and d.is_of(off.role, off.policy)]
        tried = [d for d in later if d.who == PERSON and seconds(d.at, look.at) > _SAMPLE]
        if off.detaches and tried and "somebody" not in run.page.lower():
            yield f"a person attached {off.policy} to {off.role} at {tried[0].at}, and nothing says so"


def nothing_was_changed(seen: Seen, run: RunSeen) -> Iterator[str]:
    """REFUSED, NOTHING_TO_FIX, PLANNED: nothing was changed."""
    if closed(run) and run.outcome in ("REFUSED", "NOTHING_TO_FIX", "PLANNED"):
        for deed in deeds_of(seen, run):
            yield f"{deed.function}: {deed.call} {deed.policy} {deed.role} {deed.about}"


def what_was_approved_is_applied(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Operations, Approval: the approved plan is the applied plan; a policy is its text."""
    asked, confirmed = run.looks.get("AskApproval"), run.looks.get("CaptureBaseline")
    if asked is None or confirmed is None:
        return
    for deed in deeds_of(seen, run):
        was, now = asked.texts.get(deed.policy), confirmed.texts.get(deed.policy)
        if deed.attaches and deed.function == ATTACHES and was != now:
            yield f"approved was {was}, attached is {now}"


def a_receipt_is_equal(seen: Seen, run: RunSeen) -> Iterator[str]:
    """ROLLED_BACK: the receipt has equal hashes."""
    receipt = run.report.get("receipt") or {}
    if run.outcome == "ROLLED_BACK" and not (
        receipt.get("equal") and receipt.get("before") == receipt.get("after")
    ):
        yield str(receipt)


def keep_keeps(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Mode keep: the attachment is its owner's; no hold of it is left, and no later run takes it off. Nor
    does a run that reads the role after its tag was set."""
    if run.given.get("mode") == "keep" and {"UNKNOWN_MODE", "INVALID_INPUT"} & {*run.codes}:
        yield f"is not known: {run.codes}"
    look = closed(run)
    if look and run.mode == "keep" and run.outcome == "CURED":
        for hold in look.holds:
            if hold.incident == run.subject:
                yield f"{hold}, is still on record"
        if run.subject in look.scheduled:
            yield f"the end of {run.subject} is still scheduled"
    for deed in deeds_of(seen, run):
        if deed.detaches and is_kept(seen, deed.role, deed.policy, _last_read(run, deed), for_certain=True):
            yield f"{deed.function} detached {deed.policy} from {deed.role}, where it is for good"


def _last_read(run: RunSeen, deed: Deed) -> int:
    """How many deeds came before the run read the role for what it did there: a withdrawal reads it when its
    state is entered."""
    entered = run.looks.get("WithdrawGrants") if deed.function == WITHDRAWS else None
    return entered.deeds if entered and entered.deeds <= deed.number else run.began


def _just_changed(seen: Seen, look: Look, role: str) -> bool:
    """Whether a person changed the role so shortly before that nobody could have felt it."""
    recent = (d for d in seen.deeds[: look.deeds] if d.who == PERSON and d.role == role)
    return any(seconds(deed.at, look.at) < _FRESH for deed in recent)


PROMISES = (
    *(a_run_ends_as_documented, contained_is_so, cured_leaves_none_unnamed, cured_runs_as_declared),
    *(
        cured_works,
        a_trial_is_one,
        nothing_was_changed,
        what_was_approved_is_applied,
        a_receipt_is_equal,
        keep_keeps,
    ),
)
