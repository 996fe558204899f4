"""What a person does next, by how the run ended: with the input or the commands to copy."""

from __future__ import annotations

import json

from regrant.model.aws import name_of
from regrant.model.journal import Outcome
from regrant.model.run import RunState
from regrant.report.left_over import LeftOver
from regrant.report.missing import with_statement
from regrant.report.no_work import NO_WORK, had_no_work
from regrant.report.outcome import deployed_since, is_overdue, refusal_of

_WHO_INVOKED = (
    "Find out in CloudTrail who invoked the function (SECURITY.md): no run has sent it that event, or the run"
    " had ended by then. Then start the run again."
)
_MADE_UP = {
    "AnswerNotRecorded": (
        "Somebody sent the run a yes that no listed person has given. Find in CloudTrail who called"
        " SendTaskSuccess, and take that right away; then start the run again."
    ),
    "NotOfThisRun": _WHO_INVOKED,
    "ClockAhead": _WHO_INVOKED,
}
"""Errors that are nobody's failure, by name, and what to do: somebody has made something up."""


def next_step(state: RunState, outcome: Outcome, left: LeftOver, undone: tuple[str, ...] = ()) -> str:
    """What to do now; what is to be copied (an input, a command, a statement) stands on lines of its own.

    undone: what an undo has undone, and what there is to know after it, in sentences.
    """
    return with_statement(_step(state, outcome, left, undone), state.diagnosis)


def _step(state: RunState, outcome: Outcome, left: LeftOver, undone: tuple[str, ...]) -> str:
    incident, refusal = state.incident, refusal_of(state)
    if refusal:
        return refusal.next
    if unread := _unread(state):
        return (
            f"Correct the catalogue entry of {', '.join(unread)}. For an entry that cannot be read a grant is"
            " renewed once; it ends then, needed or not."
        )
    if is_overdue(state) and not state.failure:
        first, rest = _before_it_ends(state)[:1], _before_it_ends(state)[1:]
        return f"{first.upper()}{rest}"
    if incident.mode == "expire" and outcome == "REFUSED" and not state.failure:
        return _while_it_stays(state)
    if outcome == "CURED":
        return _after_the_end(state, left)
    if outcome == "CONTAINED" and state.grant and not state.grant.attached:
        return "Nothing: somebody else attached what was missing, so it has no end and no undo here."
    if outcome == "CONTAINED":
        undo = _input(mode="rollback", incident=incident.subject)
        ends = state.baseline.grant_ends_at if state.baseline else None
        hours = f"after {incident.entry.grant_ttl_hours} hours" if incident.entry else "when it ends"
        when = f"at {ends}" if ends else hours
        declared = incident.entry is not None and incident.entry.task_role == state.role
        return (
            f"{_before_the_next_apply(state)}The grant is temporary: {when} the service is tried without it."
            f" Before that: {_before_it_ends(state)}" + ("" if declared else f"\nOr undo this run:\n{undo}")
        )
    if outcome == "PLANNED":
        return f"Nothing was changed. To do it:\n{_input(service=str(incident.service), mode='contain')}"
    if outcome == "NOTHING_TO_FIX" and incident.mode in ("cure", "expire", "keep"):
        return _after_the_end(state, left)
    if outcome == "NOTHING_TO_FIX":
        return "If it is still denied, the cause is another layer: resource policy, boundary, SCP or KMS key."
    if outcome == "ROLLED_BACK" and incident.mode == "rollback":
        return " ".join(undone)
    if outcome == "ROLLED_BACK" and incident.mode == "expire" and not state.failure:
        return (
            "Nothing, if that was meant: what is attached is its owner's, and no record of the grant is left."
        )
    if outcome == "ROLLED_BACK" and incident.mode == "cure":
        return (
            f"The service is back on its old revision, with its grant. {_why_not_cured(state)}, and start"
            " the cure again before the grant's time is over."
        )
    if outcome == "ROLLED_BACK":
        return f"{_why_again(state)}{_left_behind(state)}"
    if state.failure and state.failure.name in _MADE_UP:
        return f"Nothing was changed. {_MADE_UP[state.failure.name]}"
    return "AWS or the runbook failed before anything was changed: see the error, and start again."


def _before_the_next_apply(state: RunState) -> str:
    """Of a grant that the owner's Terraform removes."""
    found = state.diagnosis.findings if state.diagnosis else ()
    lost = [finding for finding in found if finding.code == "GRANT_NOT_DURABLE"]
    where = ", ".join(dict.fromkeys(address for finding in lost for address in finding.evidence))
    if not lost:
        return ""
    return f"After the next apply of Terraform it is denied again: take the grant into the HCL ({where}). "


def _unread(state: RunState) -> tuple[str, ...]:
    """The services for whose entry an expiry took nothing off."""
    withdrawal = state.withdrawal
    if state.incident.mode != "expire" or withdrawal is None or withdrawal.removed or state.failure:
        return ()
    return withdrawal.unread or ()


def _input(**given: str) -> str:
    return f"  {json.dumps(given)}"


def _before_it_ends(state: RunState) -> str:
    """Where the role in use is the declared one there is nothing to move the service to: the grant itself is
    what is missing there, and has to be made to stay."""
    incident, role = state.incident, state.role
    entry = incident.entry
    if entry is None or role is None or entry.task_role != role:
        return f"cure the cause:\n{_input(service=str(incident.service), mode='cure')}"
    plan, grant = state.diagnosis.plan if state.diagnosis else None, state.grant
    policies = grant.attached if grant else plan.withdraw if plan else ()
    names = ", ".join(map(name_of, policies)) or "what is missing"
    keep = _input(mode="keep", incident=incident.expires or incident.subject)
    return f"attach {names} to {name_of(role)} where that role is managed, and then keep it:\n{keep}"


def _while_it_stays(state: RunState) -> str:
    incident = state.incident
    if incident.entry is None:
        keep = _input(mode="keep", incident=incident.expires or "")
        return (
            "Enrol the service, so that it can be tried without the grant, or move its tasks to another role."
            f" If the grant is to stay for good:\n{keep}"
        )
    return "The findings say what else depends on the grant: cure that. Until then it is renewed."


def _after_the_end(state: RunState, left: LeftOver) -> str:
    """From what is left on every managed role, as read at the end."""
    kept = {grant.policy for grant in state.withdrawal.kept} if state.withdrawal else set[str]()
    own = [grant for grant in left.grants if grant.policy not in kept]
    if own:
        roles = ", ".join(sorted({name_of(grant.role) for grant in own}))
        entry = state.incident.entry
        if entry is None:
            return f"A temporary grant is left on {roles} until its end: see the findings."
        lent = [each for each in own if each.role == entry.task_role and each.policy in entry.policies]
        if lent:
            keep = _input(mode="keep", incident=lent[0].incident)
            names = ", ".join(sorted({name_of(each.policy) for each in lent}))
            return f"Attach {names} to {name_of(entry.task_role)} where it is managed, and keep it:\n{keep}"
        cure = _input(service=str(state.incident.service), mode="cure")
        return f"A temporary grant is left on {roles} (see the findings). To end it now:\n{cure}"
    if kept:
        return "Nothing of this service is left to do. A grant stays for others: see the findings."
    if state.withdrawal and state.withdrawal.for_good:
        undo = _input(mode="rollback", incident=state.incident.id)
        return f"Nothing. To have it end after all, undo this run:\n{undo}"
    if state.rollout and state.rollout.revision:
        return f"Nothing. {state.rollout.revision} is in use; keep later revisions on the same role."
    nothing = "Nothing: no temporary grant of the service is left."
    watched = state.diagnosis is not None and state.diagnosis.plan is not None and state.diagnosis.plan.watch
    removed = state.withdrawal is not None and bool(state.withdrawal.removed)
    if (removed and watched) or state.incident.entry is None:
        return nothing  # it was proved to work, or no run can be started for it
    return f"{nothing} If it is denied:\n{_input(service=str(state.incident.service), mode='contain')}"


def _why_not_cured(state: RunState) -> str:
    if state.failure:
        return f"The run could not go on: see {state.failure.name}, repair that"
    if had_no_work(state):
        return f"{NO_WORK} Wait until there is some"
    return "See why it did not work with its declared role, fix that"


def _why_again(state: RunState) -> str:
    if state.failure and state.failure.name in _MADE_UP:
        return _MADE_UP[state.failure.name]
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
