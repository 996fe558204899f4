"""Promises about single words of a report: whoever reads only the page must not be misled."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sandbox.people.facts import PERSON, Look, RunSeen, Seen, name_of
from sandbox.people.place import ROLES
from sandbox.people.promises.common import OTHERS, closed, is_kept, is_undo_of, seconds, since

_MOMENT = 5
"""Seconds in which a report is made: one look at IAM in them may be stale."""
_RUN = re.compile(r"run ([\w-]+)")
_CHANGE = re.compile(r"(attached|withdrew) (\S+) (?:to|from) (\S+) \(([^)]*)\)")


def again_is_true(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Detached again is said of what an undo took off and is off; attached again of what is on."""
    look = closed(run)
    if look is None:
        return
    for verb, policy, role, state in _CHANGE.findall(" ".join(run.page.split())):
        there = look.find(role, policy)
        if verb == "attached" and "detached again" in state:
            if there and there.owner not in OTHERS:
                yield f"{there} is attached, by {there.owner}; the page says: {state}"
            elif not _detached(seen, run, look, role, policy):
                yield f"no run detached {policy} from {role}; the page says: {state}"
        if verb == "withdrew" and "attached again" in state and there is None:
            last = [d for d in seen.deeds[: look.deeds] if d.is_of(role, policy)]
            person = "taken off since by somebody" in state or "taken off since" not in state
            if not last or (last[-1].who == PERSON) != person:
                yield f"{policy} is not on {role}; the page says: {state}"
            named = _RUN.findall(state)
            if named and last and _incident_of(seen, seen.run(last[-1].who) or run) not in named:
                yield f"{policy} was taken off {role} by {last[-1].who}; the page says: {state}"


def _detached(seen: Seen, run: RunSeen, look: Look, role: str, policy: str) -> bool:
    """Whether a run took it off that is about the same incident."""
    root = _incident_of(seen, run)
    about = {r.name for r in seen.runs if _incident_of(seen, r) == root}
    deeds = (d for d in seen.deeds[: look.deeds] if d.detaches and d.is_of(role, policy))
    return any(deed.who in about for deed in deeds)


def _incident_of(seen: Seen, run: RunSeen) -> str:
    """What the run is about: of the undo of an undo, what that one undid."""
    subject = seen.run(run.subject)
    return run.subject if subject is None or subject is run else _incident_of(seen, subject)


def what_is_said_to_stay_is_there(seen: Seen, run: RunSeen) -> Iterator[str]:
    """GRANT_STAYS names what is attached where a run attached it."""
    look = closed(run)
    if look is None:
        return
    for finding in run.findings("GRANT_STAYS"):
        for policy in (name_of(arn) for arn in finding["evidence"] if ":policy/" in arn):
            roles = {d.role for d in seen.deeds if d.attaches and d.policy == policy and d.who not in OTHERS}
            before = [d for d in seen.deeds[: look.deeds] if d.detaches and d.policy == policy]
            if before and seconds(before[-1].at, look.at) < _MOMENT:
                continue
            if not any(look.find(role, policy) for role in roles):
                yield f"{finding['text']} It is not attached."


def whoever_is_named_is_so(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Taken off by somebody: a person did it. Left for a run: that run needs it."""
    look = closed(run)
    for _, policy, role, state in _CHANGE.findall(" ".join(run.page.split())) if look else ():
        if look is None:
            continue
        persons = [d for d in seen.deeds[: look.deeds] if d.who == PERSON and d.role == role]
        if "taken off by somebody" in state and not any(
            d.call == "iam:DeleteRole" or (d.detaches and d.policy == policy) for d in persons
        ):
            yield f"nobody took {policy} off {role}; the page says: {state}"
        held = {h.incident for h in look.holds if (h.role, h.policy) == (role, policy) and not h.lost}
        needed = state.startswith("left") and not is_kept(seen, role, policy, look.deeds)
        for name in _RUN.findall(state) if needed else ():
            if name not in held:
                yield f"run {name} does not hold {policy} on {role}; the page says: {state}"


def kept_for_good_is_true(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Left since a run kept it for good: it is there, and that keep was not undone before."""
    look = closed(run)
    for _, policy, role, state in _CHANGE.findall(" ".join(run.page.split())) if look else ():
        if look is None or "kept it for good" not in state:
            continue
        taken = [d for d in seen.deeds[: look.deeds] if d.detaches and d.is_of(role, policy)]
        if look.find(role, policy) is None and not (taken and seconds(taken[-1].at, look.at) < _MOMENT):
            yield f"{policy} is not on {role}; the page says: {state}"
        earlier = seen.runs[: seen.runs.index(run)]
        for keep in (seen.run(name) for name in _RUN.findall(state)):
            if keep and any(is_undo_of(other, keep) and other.outcome == "ROLLED_BACK" for other in earlier):
                yield f"run {keep.name} has been undone; the page says: {state}"


def no_task_is_overlooked(seen: Seen, run: RunSeen) -> Iterator[str]:
    """NOT_IN_USE: no task of the service runs with the role of the grant."""
    look = closed(run)
    if look is None or not run.findings("NOT_IN_USE"):
        return
    service = look.services.get(run.report["service"])
    roles = {d.role for d in seen.deeds if d.who == run.subject and d.attaches}
    moved = any(d.who == PERSON and d.call == "ecs:UpdateService" for d in since(seen, run.began, look))
    if service and service.running and service.role in roles and not moved:
        yield f"{run.findings('NOT_IN_USE')[0]['text']} {service.running} tasks run with {service.role}"


def changes_by_others_are_named(seen: Seen, run: RunSeen) -> Iterator[str]:
    """Operations, Undo: what others changed on the role since the baseline is in the receipt."""
    look = closed(run)
    subject = seen.run(run.subject) if run.mode == "rollback" else run
    baseline = subject.looks.get("CaptureBaseline") if subject else None
    if look is None or baseline is None or run.outcome != "ROLLED_BACK":
        return
    deeds = since(seen, baseline.deeds, look)
    roles = {d.role for d in deeds if d.who == run.subject and d.policy}
    for role, policy in {
        (d.role, d.policy) for d in deeds if d.who == PERSON and d.policy and d.role in roles
    }:
        runs = any(d.is_of(role, policy) and d.who not in OTHERS for d in deeds)
        was, now = baseline.find(role, policy), look.find(role, policy)
        named = f"{run.report.get('receipt')} {run.report['changes']}"
        if not runs and (was is None) != (now is None) and policy not in named:
            yield f"a person {'attached' if now else 'detached'} {policy} ({role}), which is not named"
    receipt = run.report.get("receipt") or {}
    for line in receipt.get("changed_by_others", ()):
        policy = line.split(" = ")[0].rpartition("/")[2]
        theirs = any(d.who == PERSON and d.policy == policy for d in deeds)
        kept = any(is_kept(seen, role, policy, look.deeds) for role in {*roles, *ROLES.values()})
        if ".attached." in line and not theirs and not kept:
            yield f"no person changed that since the baseline: {line}"


PROMISES = (
    *(again_is_true, what_is_said_to_stay_is_there, whoever_is_named_is_so, no_task_is_overlooked),
    *(kept_for_good_is_true, changes_by_others_are_named),
)
