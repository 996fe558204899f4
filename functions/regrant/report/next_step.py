"""What a person does next, by how the run ended: with the input or the commands to copy."""

from __future__ import annotations

from regrant.model.journal import Outcome
from regrant.model.run import RunState
from regrant.report.no_work import NO_WORK, had_no_work
from regrant.report.outcome import deployed_since, is_overdue, refusal_of


def next_step(state: RunState, outcome: Outcome) -> str:
    incident, refusal = state.incident, refusal_of(state)
    if refusal:
        return refusal.next
    if is_overdue(state) and not state.failure:
        return f'Cure it: {{"service": "{incident.service}", "mode": "cure"}}'
    if incident.mode == "expire" and outcome == "REFUSED" and not state.failure:
        return "The findings say what else depends on the grant: cure that. Until then it is renewed."
    if outcome == "CURED":
        return _after_the_cure(state)
    if outcome == "CONTAINED" and state.grant and not state.grant.attached:
        return "Nothing: somebody else attached what was missing, so it has no end and no undo here."
    if outcome == "CONTAINED":
        undo = f'{{"mode": "rollback", "incident": "{incident.subject}"}}'
        cure = f'{{"service": "{incident.service}", "mode": "cure"}}'
        hours = f"{incident.entry.grant_ttl_hours} hours" if incident.entry else "its time"
        return (
            f"The grant is temporary: after {hours} the service is tried without it. Before that, cure the"
            f" cause: {cure}. To undo this run: {undo}."
        )
    if outcome == "PLANNED":
        return f'Nothing was changed. To do it: {{"service": "{incident.service}", "mode": "contain"}}'
    if outcome == "NOTHING_TO_FIX":
        return "If it is still denied, the cause is another layer: resource policy, boundary, SCP or KMS key."
    if outcome == "ROLLED_BACK" and incident.mode == "rollback":
        return "Everything that the incident changed is undone."
    if outcome == "ROLLED_BACK" and incident.mode == "cure":
        return (
            f"The service is back on its old revision, with its grant. {_why_not_cured(state)}, and start"
            " the cure again before the grant's time is over."
        )
    if outcome == "ROLLED_BACK":
        return f"{_why_again(state)}{_left_behind(state)}"
    return "AWS or the runbook failed before anything was changed: see the error, and start again."


def _after_the_cure(state: RunState) -> str:
    kept = state.withdrawal.kept if state.withdrawal else ()
    if kept:
        return "Nothing of this service is left to do. A grant stays for others: see the findings."
    if state.rollout and state.rollout.revision:
        return f"Nothing. {state.rollout.revision} is in use; keep later revisions on the same role."
    return "Nothing: no temporary grant of the service is left."


def _why_not_cured(state: RunState) -> str:
    if state.failure:
        return f"The run could not go on: see {state.failure.name}, repair that"
    if had_no_work(state):
        return f"{NO_WORK} Wait until there is some"
    return "See why it did not work with its declared role, fix that"


def _why_again(state: RunState) -> str:
    if state.failure:
        return f"The run could not go on: see {state.failure.name}, repair that, and start again."
    if state.seen and not state.seen.answered:
        return "AWS could not be asked whether the service works: start again when it answers."
    if had_no_work(state):
        return f"{NO_WORK} Start again when there is some: the permission may have been the whole cause."
    if state.seen and not deployed_since(state):
        return "The permission was not the whole cause: see the evidence, repair that, and start again."
    return "The new deployment did not finish, so nothing was proved: see the evidence, and start again."


def _left_behind(state: RunState) -> str:
    """What no rollback can take back: messages that were received while the permission was there."""
    last, baseline = state.seen.last if state.seen else None, state.baseline
    if last is None or baseline is None or last.dead_letters is None or baseline.dead_letters is None:
        return ""
    moved = last.dead_letters - baseline.dead_letters
    return f" Then redrive the {moved} messages that went to the dead-letter queue." if moved > 0 else ""
