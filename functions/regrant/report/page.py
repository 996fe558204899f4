"""Page a person: what an undo that did not finish has left, and the commands with which a person finishes
it."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.baseline.facts import attached_before, granted_by_others
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.grants import standing
from regrant.leases import give_back_role, leased_service
from regrant.model.journal import Change
from regrant.model.run import Finding, Report, RunState
from regrant.parallel import within
from regrant.ports import Account
from regrant.report.by_hand import There, look, manual_steps
from regrant.report.compose import make_report
from regrant.report.missing import with_statement
from regrant.report.notify import not_notified, send
from regrant.stored import Holds, Record

LOOK = 20.0
"""Seconds that looking at what is left may take: the function has to page, and record that, in what is left
of its own time."""


def page_operator(state: RunState, aws: Account, now: str) -> Report:
    """The undo did not finish, or could not begin: say what is left, with the commands that finish it.

    A person is paged even if the journal, whose failure may be why, can be neither read nor written, and if
    AWS cannot be asked what is there. Raises AwsUnavailable (the topic) when all else is done, so that the
    page is tried again for minutes.
    """
    changes, left, there = _planned_changes(state), None, None
    troubles, not_begun = list[Finding](), tuple[str, ...]()
    try:
        record = aws.journal.load(state.incident.subject)
        changes, not_begun = record.changes, record.not_begun
        left = left_by(state, record, aws.holds)
        there, troubles = _there(state, left, aws, now)
    except (AwsRefused, AwsUnavailable) as error:
        where = "is taken from the plan" if changes else f"is in the journal, at {state.incident.subject}"
        troubles.append(Finding("JOURNAL_UNREADABLE", f"What was done {where}: {error}"))
    steps = manual_steps(state, left, there, aws.settings.region)
    steps = with_statement(steps, state.diagnosis)
    report = make_report(state, "ROLLBACK_INCOMPLETE", changes, steps, now)
    report, unsent = replace(report, findings=(*report.findings, *troubles)), None
    try:
        send(report, aws.topic)
    except (AwsRefused, AwsUnavailable) as error:
        report, unsent = not_notified(report, error), error
    give_back_role(state, aws, now)
    report = _record(state, report, aws, now, not_begun)
    if isinstance(unsent, AwsUnavailable):
        raise unsent
    return report


def _record(state: RunState, report: Report, aws: Account, now: str, drop: tuple[str, ...]) -> Report:
    lease, subject = leased_service(state.incident), state.incident.subject
    try:
        aws.journal.close(report.incident, report, now, lease, subject, drop)
    except (AwsRefused, AwsUnavailable) as error:
        missed = Finding("NOT_RECORDED", f"The journal does not have this report: {error}")
        return replace(report, findings=(*report.findings, missed))
    return report


def _there(
    state: RunState, left: tuple[Change, ...], aws: Account, now: str
) -> tuple[There | None, list[Finding]]:
    """What is there of what is left, or why that is not known."""
    try:
        return within(LOOK, lambda: look(state.incident.service, left, aws, now)), []
    except (AwsRefused, AwsUnavailable, TimeoutError) as error:
        why = str(error) or f"no answer in {LOOK:.0f} s"
        return None, [Finding("NOT_CHECKED", f"The commands are not checked against what is there: {why}")]


def _planned_changes(state: RunState) -> tuple[Change, ...]:
    diagnosis = state.diagnosis
    if diagnosis is None or diagnosis.plan is None:
        return ()
    role, policies = diagnosis.plan.role, diagnosis.plan.attach
    return tuple(Change("attach", role, policy, intended_at=diagnosis.at) for policy in policies)


def left_by(state: RunState, record: Record, holds: Holds) -> tuple[Change, ...]:
    """What is not undone, without what was there before us, another incident needs, or is not ours any more:
    somebody took it off, or another run has ended it."""
    subject, role = state.incident.subject, state.role
    held, dropped = (holds.of(role), holds.dropped(role)) if role else ((), ())
    standing_now = standing(held)
    own = {hold.policy for hold in standing_now if hold.incident == subject}
    gone = {hold.policy for hold in (*held, *dropped) if hold.incident == subject} - own
    not_ours = {*attached_before(record.baseline), *granted_by_others(standing_now, subject), *gone}
    return tuple(
        change
        for change in record.changes
        if change.undone_at is None and not (change.kind == "attach" and change.value in not_ours)
    )
