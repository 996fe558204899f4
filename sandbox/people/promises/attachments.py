"""Promises about what is attached: others' stays as they want it, and a failed fix goes."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.people.facts import PERSON, Attachment, Deed, Look, RunSeen, Seen
from sandbox.people.promises.common import (
    ATTACHES,
    OTHERS,
    UNDOES,
    before,
    changed,
    closed,
    deeds_of,
    is_kept,
    pair_of,
    since,
)


def what_others_attached_stays(seen: Seen, run: RunSeen) -> Iterator[str]:
    """README: it never detaches what was attached before it came. Nor what came after an absence it saw."""
    for deed in deeds_of(seen, run):
        if deed.detaches and deed.owner in OTHERS and _could_know(seen, deed):
            yield f"{deed.function} detached {deed.policy} from {deed.role}, which {deed.owner} had attached"


def _could_know(seen: Seen, deed: Deed) -> bool:
    """Whether the runbook could see that what it detaches is not its grant any more.

    One look in which its own detachment shows is enough; a person's has to be seen twice, since reads of IAM
    can be stale. What no run ever attached is known from the start.
    """
    history = before(seen, deed)
    attached = [d for d in history if d.attaches]
    if not any(d.who not in OTHERS for d in attached):
        return True
    detached = [d for d in history if d.detaches]
    needed = 1 if detached and detached[-1].who != PERSON else 2
    return attached[-1].missed >= needed


def what_others_detached_stays_off(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Operations, Undo: what others changed is left alone. An undo attaches only what a run took off."""
    for deed in deeds_of(seen, run):
        history = before(seen, deed)
        if not deed.attaches or not history or history[-1].who != PERSON:
            continue
        by_subject = any(d.detaches and d.who == run.subject for d in history)
        twice = any(d.attaches and d.who == run.name for d in history)
        undo = deed.function == UNDOES
        if (undo and not by_subject) or (not undo and twice):
            yield f"{deed.function} attached {deed.policy} to {deed.role}, from which a person had taken it"


def every_change_has_its_line(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Operations, the report: `changes` has what was intended, done and undone; the page shows it."""
    if closed(run) is None:
        return
    shown = changed(run)
    for deed in deeds_of(seen, run):
        if not deed.policy:
            continue
        changes = [c for c in run.report["changes"] if pair_of(c) == (deed.role, deed.policy)]
        undone = "withdraw" if deed.attaches else "attach"
        done = [c for c in changes if c["kind"] != undone or c["undone_at"]]
        verb = "attached" if deed.attaches else "detached"
        if not done:
            yield f"{deed.function} {verb} {deed.policy} ({deed.role}), and no change of the report says so"
        elif not (deed.policy in shown and deed.role in shown):
            yield f"{deed.function} {verb} {deed.policy} ({deed.role}), and the page says only: {shown}"


def a_failed_fix_comes_off(seen: Seen, run: RunSeen) -> Iterator[str]:
    """README, ROLLED_BACK: everything this run changed is undone. It stays only for a later run."""
    look = closed(run)
    if look is None or run.outcome != "ROLLED_BACK":
        return
    for there in look.attached:
        if there.owner != run.subject or is_kept(seen, there.role, there.policy, look.deeds):
            continue
        if seen.deeds[there.deed].function != ATTACHES:
            continue  # it put back what it had withdrawn
        if _was_known_absent(seen, there):
            needs = _needs(seen, look, there)
            if not needs:
                yield f"{there} is still there, which {run.subject} attached, and no run has needed it since"
            elif not any(name in " ".join(run.page.split()) for name in needs):
                yield f"{there} is left, and the page does not say that {needs} needs it"


def _was_known_absent(seen: Seen, there: Attachment) -> bool:
    history = [d for d in seen.deeds[: there.deed] if d.is_of(there.role, there.policy)]
    return not history or history[-1].who != PERSON or there.missed >= 2


def _needs(seen: Seen, look: Look, there: Attachment) -> list[str]:
    """The runs that have held it since it was attached."""
    at = seen.deeds[there.deed].at
    return [
        hold.incident
        for hold in look.holds
        if (hold.role, hold.policy) == (there.role, there.policy)
        and not hold.lost
        and hold.incident != there.owner
        and hold.held_at[:19] >= at[:19]
    ]


def what_was_withdrawn_is_back(seen: Seen, run: RunSeen) -> Iterator[str]:
    """README, ROLLED_BACK: so is what it took off, unless somebody has changed or ended that since."""
    look = closed(run)
    if look is None or run.outcome != "ROLLED_BACK":
        return
    for deed in seen.deeds[: look.deeds]:
        if deed.who != run.subject or not deed.detaches or deed.owner in (*OTHERS, "", run.subject):
            continue
        later = [d for d in since(seen, deed.number + 1, look) if d.is_of(deed.role, deed.policy)]
        others = [d for d in later if d.who not in (run.name, run.subject)]
        undone = any(r.subject == deed.owner and r.mode == "rollback" for r in seen.runs)
        there = deed.role in look.roles and look.texts.get(deed.policy)
        if there and not others and not undone and look.find(deed.role, deed.policy) is None:
            yield f"{deed.policy} was on {deed.role} before {run.subject}, and is not there again"


def what_another_run_needs_stays(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Operations, Undo and Cure: a policy that another run has on record stays, and the report names that."""
    look = closed(run)
    for hold in look.holds if look else ():
        history = [d for d in seen.deeds[: look.deeds] if d.is_of(hold.role, hold.policy)] if look else []
        if hold.incident == run.subject or hold.lost or not history or not history[-1].detaches:
            continue
        if history[-1].who == run.name and run.outcome in ("CURED", "ROLLED_BACK"):
            yield f"{history[-1].function} detached {hold}"


def what_is_attached_is_declared(seen: Seen, run: RunSeen) -> Iterator[str]:
    """README: it attaches what the enrolment declares, as it was when the plan was confirmed."""
    confirmed = run.looks.get("CaptureBaseline")
    if confirmed is None or not run.report.get("service"):
        return
    entry = confirmed.entries.get(run.report["service"])
    for deed in deeds_of(seen, run):
        if (
            deed.attaches
            and deed.function == ATTACHES
            and deed.policy not in (entry.policies if entry else ())
        ):
            yield f"{deed.policy} was attached to {deed.role}, and is not declared: {entry}"


PROMISES = (
    *(what_another_run_needs_stays, what_is_attached_is_declared),
    *(what_others_attached_stays, what_others_detached_stays_off, every_change_has_its_line),
    *(a_failed_fix_comes_off, what_was_withdrawn_is_back),
)
