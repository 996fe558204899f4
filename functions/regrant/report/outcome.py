"""How a run ended, decided from what its steps returned."""

from __future__ import annotations

from regrant.model.journal import Outcome
from regrant.model.results import Refusal
from regrant.model.run import RunState
from regrant.report.approval import judge_answer


def decide_outcome(state: RunState) -> Outcome:
    """The outcome of a run that comes to CloseIncident."""
    diagnosis = state.diagnosis
    if refusal := refusal_of(state):
        return refusal.outcome
    if state.receipt:
        return "ROLLED_BACK"
    if diagnosis and diagnosis.next == "NOTHING_TO_FIX":
        return "NOTHING_TO_FIX"
    if diagnosis and diagnosis.next == "PLAN":
        return "PLANNED"
    if state.withdrawal and state.withdrawal.next != "WAIT" and not _only_renewed(state):
        return "NOTHING_TO_FIX" if _only_lost(state) else "CURED"
    if state.grant and state.seen and state.seen.verdict == "HEALTHY":
        return "CONTAINED"
    return "REFUSED"  # nothing was changed: `$.error`, or the grant's reason to stay, says why


def _only_renewed(state: RunState) -> bool:
    """An expiry whose grant is still needed: nothing was taken off, and it is tried again."""
    withdrawal = state.withdrawal
    if withdrawal is None or withdrawal.removed or withdrawal.for_good or not withdrawal.kept:
        return False
    return all(grant.until for grant in withdrawal.kept) and state.incident.mode == "expire"


def _only_lost(state: RunState) -> bool:
    """What was to end had been taken off by somebody."""
    withdrawal = state.withdrawal
    if withdrawal is None or withdrawal.removed or withdrawal.for_good or withdrawal.kept:
        return False
    return bool(withdrawal.lost) and state.rollout is None


def refusal_of(state: RunState) -> Refusal | None:
    """Why the run does not go on: a step of it, or a person, said no. What was undone was not refused."""
    return None if state.receipt else state.refusal or judge_answer(state)


def is_overdue(state: RunState) -> bool:
    """The grant's time is over, and the service itself still depends on it, or on a part of it."""
    plan, withdrawal = state.diagnosis.plan if state.diagnosis else None, state.withdrawal
    if state.incident.mode != "expire" or plan is None or not plan.watch or state.incident.entry is None:
        return False
    renewed = withdrawal is not None and any(grant.until for grant in withdrawal.kept)
    return renewed or (state.undo is not None and bool(state.undo.put_back))


def deployed_since(state: RunState) -> bool:
    """The last samples are of before the tasks were replaced, so they say nothing of the new ones."""
    rollout = state.rollout or follows(state)
    return bool(rollout and state.seen and state.seen.deployed_at is None)


def follows(state: RunState) -> str | None:
    """Somebody else's deployment (id) that this run left to end with its grant."""
    plan = state.diagnosis.plan if state.diagnosis else None
    return plan.deployment if plan and state.grant else None
