"""Close an incident: record the outcome, give the leases back, notify the topic, and make the report."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from regrant.errors import GrantWithdrawn
from regrant.leases import give_back_role, leased_service
from regrant.model.run import CloseEvent, Failure, Finding, Report, RunState, Stage
from regrant.opening.trigger import mode_of
from regrant.ports import Account
from regrant.report.compose import make_report
from regrant.report.left_over import LeftOver, left_over
from regrant.report.next_step import next_step
from regrant.report.notify import notify
from regrant.report.outcome import decide_outcome
from regrant.report.render import render


def close_incident(event: CloseEvent, aws: Account) -> Report:
    """The run's report. Of a run that could not be opened, one that says so, with the input to start it
    again.

    Raises GrantWithdrawn if a rollback of this incident took the grant away while the run was proving it;
    msgspec.ValidationError for a state that is none; AwsUnavailable, AwsRefused (the journal, or the topic of
    a run that could not be opened).
    """
    if isinstance(event.state, Mapping) and "incident" not in event.state:
        return _close_unopened(msgspec.convert(event.state, Failure), event, aws)
    state, now = msgspec.convert(event.state, RunState), event.now
    changes = aws.journal.load(state.incident.subject).changes
    outcome = decide_outcome(state)
    lasting = [c for c in changes if c.kind in ("attach", "withdraw", "register")]
    if outcome in ("CONTAINED", "CURED") and any(change.undone_at for change in lasting):
        raise GrantWithdrawn("Another run undid this incident before it was closed.")
    left = left_over(state, outcome, aws, now) if _ends_grants(state) else LeftOver()
    report = make_report(state, outcome, changes, next_step(state, outcome, left), now, left)
    give_back_role(state, aws, now)
    aws.journal.close(report.incident, report, now, leased_service(state.incident))
    return report if left.notified_before else notify(report, aws.topic)


def _ends_grants(state: RunState) -> bool:
    """A run whose report says which temporary grants are left."""
    return state.incident.mode in ("cure", "expire", "keep") and state.incident.refusal is None


def _close_unopened(failure: Failure, event: CloseEvent, aws: Account) -> Report:
    """Nothing is known of the run but its input. An undo that could not be opened left what it was to undo.

    The journal has nothing of it, so the topic has to be notified: that is tried again with this step.
    """
    given = json.dumps(event.input, ensure_ascii=True)
    nothing = "This run changed nothing. If it was to undo or to end something, that is still there."
    again = "When AWS answers again, start the state machine once more with the same input:"
    report = Report(
        incident=event.execution,
        service=None,
        mode=mode_of(event.input),
        outcome="REFUSED",
        findings=(Finding("NOT_OPENED", f"The run could not be opened: {failure.name}.", (failure.cause,)),),
        changes=(),
        health=None,
        receipt=None,
        timeline=(Stage("total", 0.0),),
        next=f"{nothing} {again}\n  {given[:2000]}",
    )
    # The input on a line of its own, however long, because a text in it may break nowhere.
    message = f"{render(replace(report, next=nothing))}\n\n{again}\n{given[:8000]}"
    aws.topic.publish(f"NOT_OPENED {event.execution}", message)
    return report
