"""Close an incident: the outcome, the report that is the run's output, and what a person does next."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.errors import AwsRefused, AwsUnavailable, GrantWithdrawn
from regrant.leases import release_all
from regrant.model.aws import name_of
from regrant.model.journal import Change, Outcome
from regrant.model.run import Finding, Plan, Refusal, Report, RunState, Stage
from regrant.ports import Holds, Journal, Leases, Topic
from regrant.report.approval import judge_answer
from regrant.report.by_hand import finish_by_hand, left_by
from regrant.report.render import render


def close_incident(state: RunState, journal: Journal, leases: Leases, topic: Topic, now: str) -> Report:
    """Record the outcome, give the leases back and tell the topic.

    Raises GrantWithdrawn if a rollback of this incident took the grant away while the run was proving it.
    """
    changes = journal.load(state.incident.subject).changes
    outcome = decide_outcome(state)
    lasting = [c for c in changes if c.kind in ("attach", "withdraw", "register")]
    if outcome in ("CONTAINED", "CURED") and any(change.undone_at for change in lasting):
        raise GrantWithdrawn("Another run undid this incident before it was closed.")
    report = _report(state, outcome, changes, _next_step(state, outcome), now)
    journal.close(report.incident, report, now)
    release_all(state, leases, now)
    return _tell(report, topic)


def page_operator(
    state: RunState, journal: Journal, holds: Holds, leases: Leases, topic: Topic, now: str
) -> Report:
    """The undo did not finish: say what is left, with the commands that finish it.

    A person is told even if the journal, whose failure may be why, can be neither read nor written.
    """
    changes, left, troubles = _planned_changes(state), tuple[Change, ...](), []
    try:
        record = journal.load(state.incident.subject)
        changes, left = record.changes, left_by(state, record, holds)
    except (AwsRefused, AwsUnavailable) as error:
        where = "is taken from the plan" if changes else f"is in the journal, at {state.incident.subject}"
        troubles.append(Finding("JOURNAL_UNREADABLE", f"What was done {where}: {error}"))
    report = _report(state, "ROLLBACK_INCOMPLETE", changes, finish_by_hand(state, left), now)
    report = _tell(replace(report, findings=(*report.findings, *troubles)), topic)
    release_all(state, leases, now)
    try:
        journal.close(report.incident, report, now)
    except (AwsRefused, AwsUnavailable) as error:
        missed = Finding("NOT_RECORDED", f"The journal does not have this report: {error}")
        return replace(report, findings=(*report.findings, missed))
    return report


def decide_outcome(state: RunState) -> Outcome:
    """The outcome of a run that comes to CloseIncident."""
    diagnosis = state.diagnosis
    if refusal := _refusal(state):
        return refusal.outcome
    if state.receipt:
        return "ROLLED_BACK"
    if diagnosis and diagnosis.decision == "NOTHING_TO_FIX":
        return "NOTHING_TO_FIX"
    if diagnosis and diagnosis.decision == "PLAN":
        return "PLANNED"
    if state.withdrawal and not _only_renewed(state):
        return "CURED"
    if state.grant and state.health and state.health.verdict == "HEALTHY":
        return "CONTAINED"
    return "REFUSED"  # nothing was changed: `$.error`, or the grant's reason to stay, says why


def _only_renewed(state: RunState) -> bool:
    """An expiry whose grant is still needed: nothing was taken off, and it is tried again."""
    withdrawal = state.withdrawal
    renewed = withdrawal and not withdrawal.removed and all(stay.until for stay in withdrawal.stays)
    return bool(renewed) and state.incident.mode == "expire"


def _refusal(state: RunState) -> Refusal | None:
    """Why the run does not go on: a step of it, or a person, said no. What was undone was not refused."""
    return None if state.receipt else state.refusal or judge_answer(state)


def _planned_changes(state: RunState) -> tuple[Change, ...]:
    diagnosis = state.diagnosis
    if diagnosis is None or diagnosis.plan is None:
        return ()
    role, policies = diagnosis.plan.role, diagnosis.plan.attach
    return tuple(Change("attach", role, policy, intended_at=diagnosis.at) for policy in policies)


def _tell(report: Report, topic: Topic) -> Report:
    try:
        topic.publish(f"{report.outcome} {report.service or ''}".strip(), render(report))
    except (AwsRefused, AwsUnavailable) as error:
        # A topic that cannot be told does not undo a good fix.
        missed = Finding("NOT_NOTIFIED", f"The topic could not be told: {error}")
        return replace(report, findings=(*report.findings, missed))
    return report


def _report(
    state: RunState, outcome: Outcome, changes: tuple[Change, ...], next_step: str, now: str
) -> Report:
    return Report(
        incident=state.incident.id,
        service=str(state.incident.service) if state.incident.service else None,
        mode=state.incident.mode,
        outcome=outcome,
        findings=tuple(_findings(state, outcome)),
        changes=changes,
        health=state.health,
        receipt=state.receipt,
        timeline=tuple(_timeline(state, now)),
        next=next_step,
    )


def _findings(state: RunState, outcome: Outcome) -> list[Finding]:
    found = [Finding("TRIGGER", f"Started by {state.incident.trigger}.")]
    diagnosis = state.diagnosis
    found += diagnosis.findings if diagnosis else ()
    refusal = _refusal(state)
    if refusal and refusal.code not in (finding.code for finding in found):
        found.append(Finding(refusal.code, refusal.message))
    if diagnosis and diagnosis.plan and outcome == "PLANNED":
        found += _planned(diagnosis.plan)
        if state.incident.entry and state.incident.entry.approval == "required":
            found.append(Finding("WOULD_ASK", "Would first ask for a person's approval on the topic."))
    found += _staying(state)
    if outcome in ("ROLLED_BACK", "ROLLBACK_INCOMPLETE") and state.incident.mode != "rollback":
        found.append(_why_undone(state))
    if _is_overdue(state) and not state.error:
        found.append(_overdue(state))
    if state.error:
        found.append(Finding(state.error.Error, state.error.Cause[:1000]))
    return found


def _staying(state: RunState) -> list[Finding]:
    """Why a temporary grant was not taken off."""
    stays = state.withdrawal.stays if state.withdrawal else ()
    return [
        Finding(
            "GRANT_STAYS",
            f"{name_of(stay.policy)} stays attached: {stay.why}."
            + (f" It is tried again at {stay.until}." if stay.until else ""),
            (stay.policy,),
        )
        for stay in stays
    ]


def _is_overdue(state: RunState) -> bool:
    """The grant's time is over, and the service itself still lives on it, or on a part of it."""
    plan, withdrawal = state.diagnosis.plan if state.diagnosis else None, state.withdrawal
    if state.incident.mode != "expire" or plan is None or not plan.watch:
        return False
    renewed = withdrawal is not None and any(stay.until for stay in withdrawal.stays)
    return renewed or state.reattachment is not None


def _overdue(state: RunState) -> Finding:
    entry, incident = state.incident.entry, state.incident
    role = name_of(entry.task_role) if entry else "its declared role"
    text = f"The time of the grant of run {incident.expires} is over, and the service still needs it."
    return Finding("CURE_OVERDUE", f"{text} It is there for longer. Move the service to {role}.")


def _planned(plan: Plan) -> list[Finding]:
    role = name_of(plan.role)
    would = [
        Finding("WOULD_ATTACH", f"Would attach {name_of(policy)} to {role}.", (policy,))
        for policy in plan.attach
    ]
    if plan.redeploy or plan.redeploy_if_needed:
        soon = "" if plan.redeploy else ", unless the tasks recover by themselves"
        text = f"Would force a new deployment of the same task definition{soon}."
        would.append(Finding("WOULD_REDEPLOY", text))
    return would


def _why_undone(state: RunState) -> Finding:
    if state.health and state.health.verdict != "HEALTHY" and not _rolled_out_since(state):
        text = f"The service was not proved healthy in {state.health.checks} samples."
        return Finding("NOT_HEALTHY", text, state.health.evidence)
    if state.rollout and state.rollout.verdict != "HEALTHY":
        text = f"The rollout did not finish in {state.rollout.checks} checks."
        return Finding("ROLLOUT_FAILED", text, state.rollout.evidence)
    evidence = state.withdrawal.evidence if state.withdrawal else ()
    return Finding("STEP_FAILED", "A step failed, so the run could not be completed.", evidence)


def _rolled_out_since(state: RunState) -> bool:
    """The samples are of before the tasks were replaced."""
    return bool(state.rollout and state.health and state.rollout.at > state.health.at)


def _timeline(state: RunState, now: str) -> list[Stage]:
    """Seconds by stage, from the times at which the states were entered."""
    opened, marks = state.incident.opened_at, []
    if state.diagnosis:
        marks.append(("diagnose", state.baseline.at if state.baseline else now))
    if state.access:
        marks.append(("grant", state.access.at))
    if state.revision:
        marks.append(("register", state.revision.at))
    if state.rollout:
        marks.append(("rollout", state.rollout.at))
    if state.withdrawal:
        marks.append(("withdraw", state.withdrawal.at))
    if state.health:
        marks.append(("verify", state.health.at))
    if state.receipt:
        marks.append(("undo", state.receipt.at))
    stages, last = [], opened
    for stage, at in sorted(marks, key=lambda mark: mark[1]):
        stages.append(Stage(stage, seconds_between(last, at)))
        last = at
    stages.append(Stage("close", seconds_between(last, now)))
    return [*stages, Stage("total", seconds_between(opened, now))]


def _next_step(state: RunState, outcome: Outcome) -> str:
    incident, refusal = state.incident, _refusal(state)
    if refusal:
        return refusal.next
    if _is_overdue(state) and not state.error:
        return f'Cure it: {{"service": "{incident.service}", "mode": "cure"}}'
    if incident.mode == "expire" and outcome == "REFUSED" and not state.error:
        return "The findings say what else lives on the grant: cure that. The grant is tried again then."
    if outcome == "CURED":
        return _after_the_cure(state)
    if outcome == "CONTAINED" and state.grant and not state.grant.attached:
        return "Nothing: somebody else attached what was missing, so it has no end and no undo here."
    if outcome == "CONTAINED":
        undo = f'{{"mode": "rollback", "incident": "{incident.subject}"}}'
        cure = f'{{"service": "{incident.service}", "mode": "cure"}}'
        hours = f"{incident.entry.grant_ttl_hours} hours" if incident.entry else "its time"
        return (
            f"The grant is temporary: after {hours} the service is tried without it. Cure the cause before,"
            f" with {cure}. To undo this run: {undo}."
        )
    if outcome == "PLANNED":
        return f'Nothing was changed. To do it: {{"service": "{incident.service}", "mode": "contain"}}'
    if outcome == "NOTHING_TO_FIX":
        return "If it is still denied, the cause is another layer: resource policy, boundary, SCP or KMS key."
    if outcome == "ROLLED_BACK" and incident.mode == "rollback":
        return "Everything that the incident changed is undone."
    if outcome == "ROLLED_BACK" and incident.mode == "cure":
        return (
            "The service is back on its old revision, with its grant. See why it did not work with"
            " its declared role, mend that, and start the cure again before the grant's time is over."
        )
    if outcome == "ROLLED_BACK":
        return f"{_why_again(state)}{_left_behind(state)}"
    return "AWS or the runbook failed before anything was changed: see the error, and start again."


def _after_the_cure(state: RunState) -> str:
    stays = state.withdrawal.stays if state.withdrawal else ()
    if stays:
        return "Nothing of this service is left to do. A grant stays for others: see the findings."
    if state.revision:
        return f"Nothing. {state.revision.task_definition} is in use; keep later revisions on the same role."
    return "Nothing: no temporary grant of the service is left."


def _why_again(state: RunState) -> str:
    if state.error:
        return f"The run could not go on: see {state.error.Error}, repair that, and start again."
    if state.health and not _rolled_out_since(state):
        return "The permission was not the whole cause: see the evidence, repair that, and start again."
    return "The new deployment did not get as far as a proof: see the evidence, repair that, and start again."


def _left_behind(state: RunState) -> str:
    """What no rollback can take back: messages that were received while the permission was there."""
    last, baseline = state.health.last if state.health else None, state.baseline
    if last is None or baseline is None or last.dead_letters is None or baseline.dead_letters is None:
        return ""
    moved = last.dead_letters - baseline.dead_letters
    return f" Then redrive the {moved} messages that went to the dead-letter queue." if moved > 0 else ""
