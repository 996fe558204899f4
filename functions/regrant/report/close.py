"""Close an incident: record the outcome, give the leases back, notify the topic, and make the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from regrant.approval.answered import with_answer
from regrant.errors import GrantWithdrawn
from regrant.leases import give_back_role, leased_service
from regrant.model.journal import Change, Outcome
from regrant.model.run import CloseEvent, Failure, Report, RunState
from regrant.opening.ended_run import UNDO_STOPPED, stopped
from regrant.opening.muted import mute_to_note, muted
from regrant.origin.planned import digest_of
from regrant.ports import Account
from regrant.refusals import ALARM_SUPPRESSED
from regrant.report.compose import make_report
from regrant.report.left_over import LeftOver, left_over
from regrant.report.next_step import next_step
from regrant.report.notify import notify
from regrant.report.outcome import decide_outcome
from regrant.report.repeated import count, look_back, with_count
from regrant.report.undone import after_undo
from regrant.report.unopened import close_unopened


def close_incident(event: CloseEvent, aws: Account, ask: Callable[[], object]) -> Report:
    """The run's report. Of a run that could not be opened, one that says so, with the input to start it
    again.

    ask: raises unless the run itself has sent this. It is not called where the journal has the state's plan,
    of which CaptureBaseline has asked, and no report yet. Raises what that raises; GrantWithdrawn if a
    rollback of this incident took the grant away while the run was proving it; msgspec.ValidationError for a
    state that is none; AwsUnavailable, AwsRefused (the journal, or the topic of a run that could not be
    opened).
    """
    if isinstance(event.state, Mapping) and "incident" not in event.state:
        ask()
        return close_unopened(msgspec.convert(event.state, Failure), event, aws)
    state, now = msgspec.convert(event.state, RunState), event.now
    record = aws.journal.load(state.incident.subject)
    if record.closed or not state.incident.leased or digest_of(state) not in record.plans:
        ask()
    changes = record.changes
    outcome = decide_outcome(state)
    lasting = [c for c in changes if c.kind in ("attach", "withdraw", "register")]
    if outcome in ("CONTAINED", "CURED") and any(
        change.undone_at and not change.lost_at for change in lasting
    ):
        raise GrantWithdrawn("Another run undid this incident before it was closed.")
    left = left_over(state, outcome, aws, now) if _ends_grants(state) else LeftOver()
    repeat = look_back(state, outcome, aws, now)
    step = next_step(state, outcome, left, _undone(state, outcome, changes, aws, now))
    report = make_report(state, outcome, changes, step, now, left)
    report = with_count(with_answer(report, state, aws), repeat)
    give_back_role(state, aws, now)
    if state.refusal and state.refusal.code == UNDO_STOPPED:
        # So that the audit does not start it either. The lease may still name the run that was to be undone.
        aws.notices.note(stopped(state.incident.subject), now)
    if state.incident.refusal and state.incident.refusal.code == ALARM_SUPPRESSED:
        _note_mute(event, aws)  # no such incident is in a plan, so `ask` was called
    lease, subject = leased_service(state.incident), state.incident.subject
    aws.journal.close(report.incident, report, now, lease, subject, record.not_begun)
    if left.notified_before or not repeat.notify:
        count(repeat, aws.journal, report.incident, now, sent=False)
        return report
    known = notify(report, aws.topic)
    count(repeat, aws.journal, report.incident, now, sent=known is report)
    return known


def _undone(
    state: RunState, outcome: Outcome, changes: tuple[Change, ...], aws: Account, now: str
) -> tuple[str, ...]:
    """What there is to know after an undo that somebody asked for. The undo of a run that attached nothing
    (it ended grants, or kept them) has put holds back, and those are read."""
    incident = state.incident
    if outcome != "ROLLED_BACK" or incident.mode != "rollback":
        return ()
    attached = any(change.kind == "attach" for change in changes)
    held = () if attached or incident.role is None else aws.holds.of(incident.role)
    return tuple(after_undo(state, changes, held, now))


def _note_mute(event: CloseEvent, aws: Account) -> None:
    """So that the audit does not start the run before the mute ends."""
    if found := mute_to_note(event.input, event.now):
        alarm, until = found
        aws.notices.note(muted(alarm), until)


def _ends_grants(state: RunState) -> bool:
    """A run whose report says which temporary grants are left."""
    return state.incident.mode in ("cure", "expire", "keep") and state.incident.refusal is None
