"""The report: what was found, what was changed, the proof, and how long each stage took."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET
from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.model.aws import name_of
from regrant.model.journal import Change, Outcome
from regrant.model.run import Finding, Plan, Report, RunState, Stage
from regrant.report.left_over import LeftOver
from regrant.report.outcome import deployed_since, follows, is_overdue, refusal_of
from regrant.report.undone import as_shown
from regrant.visible import visible_lines


def make_report(
    state: RunState,
    outcome: Outcome,
    changes: tuple[Change, ...],
    next_step: str,
    now: str,
    left: LeftOver | None = None,
) -> Report:
    return Report(
        incident=state.incident.id,
        service=str(state.incident.service) if state.incident.service else None,
        mode=state.incident.mode,
        outcome=outcome,
        findings=tuple(map(_visible, _findings(state, outcome, left or LeftOver()))),
        changes=as_shown(changes, state, outcome),
        health=state.seen,
        receipt=state.receipt,
        timeline=tuple(_timeline(state, now)),
        next=visible_lines(next_step),
        undo_of=state.incident.subject if state.incident.mode == "rollback" else UNSET,
    )


def _visible(finding: Finding) -> Finding:
    evidence = tuple(map(visible_lines, finding.evidence))
    return replace(finding, text=visible_lines(finding.text), evidence=evidence)


def _findings(state: RunState, outcome: Outcome, left: LeftOver) -> list[Finding]:
    """What started the run, why it ended so, and then what was found: lines of a log, which anybody may have
    written, come after what was decided."""
    diagnosis = state.diagnosis
    diagnosed = diagnosis.findings if diagnosis else ()
    found = [Finding("TRIGGER", f"Started by {state.incident.trigger}.")]
    refusal = refusal_of(state)
    if refusal and refusal.code not in (finding.code for finding in diagnosed):
        found.append(Finding(refusal.code, refusal.message))
    if outcome in ("ROLLED_BACK", "ROLLBACK_INCOMPLETE") and state.incident.mode != "rollback":
        found.append(_why_undone(state))
    if state.failure:
        found.append(Finding(state.failure.name, state.failure.cause))
    elif is_overdue(state):
        found.append(_overdue(state))
    found += diagnosed
    if diagnosis and diagnosis.plan and outcome == "PLANNED":
        found += _planned(diagnosis.plan)
        if state.incident.entry and state.incident.entry.approval == "required":
            found.append(Finding("WOULD_ASK", "Would first ask for a person's approval on the topic."))
    found += _staying(state)
    found += _their_rollout(state, outcome)
    found += _given_up(state)
    found += _left(state, left)
    return found


def _staying(state: RunState) -> list[Finding]:
    """Why a temporary grant was not taken off, or was although somebody may need it."""
    kept = state.withdrawal.kept if state.withdrawal else ()
    unread = state.withdrawal.unread if state.withdrawal else UNSET
    found = [
        Finding(
            "GRANT_STAYS",
            f"{name_of(grant.policy)} stays attached: {grant.why}."
            + (f" The service is tried without it at {grant.until}." if grant.until else ""),
            (grant.policy,),
        )
        for grant in kept
    ]
    if unread and state.withdrawal and state.withdrawal.removed and state.undo is None:
        text = f"The grant was renewed once for {', '.join(unread)}, whose catalogue entry still cannot be"
        text = f"{text} read. It has ended now; what needs it there is denied."
        found.append(Finding("ENTRY_UNREADABLE", text, unread))
    return found


def _their_rollout(state: RunState, outcome: Outcome) -> Iterator[Finding]:
    """What was proved, where that is not somebody else's deployment as it ended."""
    theirs, health = follows(state), state.seen
    if outcome != "CONTAINED" or state.rollout or theirs is None or health is None:
        return
    if health.deployment and health.deployment != theirs:
        text = f"{theirs} is not in use any more. {health.deployment} is, with the same role, and was proved."
        yield Finding("ROLLOUT_REPLACED", text)
    if health.unfinished:
        text = f"{health.deployment} had not ended when the run did. The tasks that it had were proved."
        yield Finding("ROLLOUT_UNFINISHED", text)


def _given_up(state: RunState) -> Iterator[Finding]:
    """What is not a temporary grant any more, although nothing of it was taken off by this run."""
    withdrawal, undo, role = state.withdrawal, state.undo, name_of(state.role or "")
    for policy in withdrawal.for_good if withdrawal else ():
        text = (
            f"{name_of(policy)} stays on {role} for good: it is its owner's from now on, and no run ends it."
        )
        yield Finding("KEPT", text, (policy,))
    for lost in withdrawal.lost if withdrawal else ():
        again = " It is there again, by somebody else's doing, and stays." if lost.again else ""
        text = f"{name_of(lost.policy)} was taken off {role} by somebody (seen at {lost.at}).{again}"
        yield Finding("TAKEN_OFF", text, (lost.policy,))
    for policy in undo.lost if undo else ():
        text = f"{name_of(policy)} was taken off {role} by somebody; this undo has not attached it again."
        yield Finding("TAKEN_OFF", text, (policy,))


def _left(state: RunState, left: LeftOver) -> Iterator[Finding]:
    """Temporary grants of the service that are there when the run closes, and are not named otherwise."""
    kept = {grant.policy for grant in state.withdrawal.kept} if state.withdrawal else set[str]()
    for grant in left.grants:
        if grant.role != state.role or grant.policy not in kept:
            text = f"{name_of(grant.policy)} is on {name_of(grant.role)} as the temporary grant of run"
            yield Finding(
                "GRANT_LEFT", f"{text} {grant.incident}, until {grant.until or 'no time'}.", (grant.policy,)
            )


def _overdue(state: RunState) -> Finding:
    entry, incident = state.incident.entry, state.incident
    text = f"The service still needs the grant of run {incident.expires}."
    move = (
        f" Move the service to {name_of(entry.task_role)}." if entry and entry.task_role != state.role else ""
    )
    return Finding("CURE_OVERDUE", f"{text} It {'was put back' if state.undo else 'was renewed'}.{move}")


def _planned(plan: Plan) -> list[Finding]:
    role = name_of(plan.role)
    would = [
        Finding("WOULD_ATTACH", f"Would attach {name_of(policy)} to {role}.", (policy,))
        for policy in plan.attach
    ]
    if plan.redeploy or plan.redeploy_if_needed:
        soon = "" if plan.redeploy else ", unless the tasks recover without it"
        soon = f", if the tasks do not work when {plan.deployment} has ended" if plan.deployment else soon
        text = f"Would force a new deployment of the same task definition{soon}."
        would.append(Finding("WOULD_REDEPLOY", text))
    return would


def _why_undone(state: RunState) -> Finding:
    health, rollout = state.seen, state.rollout
    theirs = None if rollout else follows(state)
    if state.withdrawal and state.withdrawal.next == "WAIT":
        waited = f"The role was not free in {state.withdrawal.checks} tries."
        return Finding("STEP_FAILED", waited, state.withdrawal.evidence)
    if health and not health.answered:
        return Finding("NOT_SEEN", "The service could not be looked at until the end.", health.evidence)
    if health and health.verdict != "HEALTHY" and not deployed_since(state):
        text = f"The service was not proved healthy in {health.samples} samples."
        return Finding("NOT_HEALTHY", text, health.evidence)
    if health and theirs and health.deployed_at is None:
        return Finding("ROLLOUT_FAILED", f"{theirs} did not end with the grant, either.", health.evidence)
    if health and rollout and health.deployed_at is None and seconds_between(rollout.at, health.at) > 0:
        return Finding("ROLLOUT_FAILED", "The rollout did not finish.", health.evidence)
    evidence = state.withdrawal.evidence if state.withdrawal else ()
    return Finding("STEP_FAILED", "A step failed, so the run could not be completed.", evidence)


def _timeline(state: RunState, now: str) -> list[Stage]:
    """Seconds by stage, from the times at which the states were entered."""
    opened, marks = state.incident.opened_at, []
    if state.diagnosis and state.diagnosis.waited:
        marks.append(("wait", state.diagnosis.waited.until))
    if state.diagnosis:
        marks.append(("diagnose", state.baseline.at if state.baseline and state.baseline.sha256 else now))
    if state.grant:
        marks.append(("grant", state.grant.at))
    if state.rollout:
        marks.append(("rollout", (state.seen and state.seen.deployed_at) or state.rollout.at))
    if state.withdrawal:
        marks.append(("withdraw", state.withdrawal.at))
    if state.seen:
        marks.append(("verify", state.seen.at))
    if state.receipt:
        marks.append(("undo", state.receipt.at))
    stages, last = [], opened
    for stage, at in sorted(marks, key=lambda mark: mark[1]):
        stages.append(Stage(stage, seconds_between(last, at)))
        last = at
    stages.append(Stage("close", seconds_between(last, now)))
    return [*stages, Stage("total", seconds_between(opened, now))]
