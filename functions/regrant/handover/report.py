"""The end of a handover: its report, who is notified, and what a person does next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.handover.ask import judge_answer
from regrant.handover.cures import GOES_ON
from regrant.handover.ports import HandoverAccount
from regrant.handover.result import short
from regrant.handover.services import release_all
from regrant.model.handover import (
    CloseHandoverEvent,
    HandoverOutcome,
    HandoverReport,
    HandoverState,
    Opened,
    Spec,
)
from regrant.model.journal import Change
from regrant.model.results import Refusal
from regrant.model.run import Failure, Finding
from regrant.model.runs import run_of
from regrant.opening.request import as_input
from regrant.visible import visible


def close_handover(event: CloseHandoverEvent, aws: HandoverAccount) -> HandoverReport:
    """The report, stored and sent, with the services given back. Raises AwsUnavailable, AwsRefused."""
    state = _state_of(event)
    return _end(state, outcome_of(state), event, aws)


def page_handover(event: CloseHandoverEvent, aws: HandoverAccount) -> HandoverReport:
    """The same of an undo that did not finish. Raises AwsUnavailable, AwsRefused."""
    return _end(_state_of(event), "UNDO_INCOMPLETE", event, aws)


def _state_of(event: CloseHandoverEvent) -> HandoverState:
    """The execution's state; of one that could not be opened only the failure."""
    try:
        return msgspec.convert(event.state, HandoverState)
    except msgspec.ValidationError:
        opened = Opened(event.execution, event.execution, "handover", "not opened", event.started)
        return HandoverState(opened, error=_failure_of(event.state))


def _failure_of(caught: Any) -> Failure:
    try:
        return msgspec.convert(caught, Failure)
    except msgspec.ValidationError:
        return Failure("UNNAMED_FAILURE", "The step that opens a handover failed.")


def _end(
    state: HandoverState, outcome: HandoverOutcome, event: CloseHandoverEvent, aws: HandoverAccount
) -> HandoverReport:
    opened, run = state.handover, run_of(state.handover.subject)
    changes = aws.journal.load(run).changes
    report = compose(state, outcome, changes, _answered(state, aws), event.now)
    spec = _spec_of(opened, aws)
    if spec is not None:
        release_all(opened, spec, aws, event.now)
    aws.kept.close(run_of(opened.id), report)
    return _notify(report, aws)


def _spec_of(opened: Opened, aws: HandoverAccount) -> Spec | None:
    kept = None if opened.spec else aws.kept.load(run_of(opened.subject))
    return opened.spec or (kept.spec if kept else None)


def _answered(state: HandoverState, aws: HandoverAccount) -> Finding | None:
    """Who said yes or no, as the journal has it: a state's data may be anybody's."""
    question = aws.approvals.last(run_of(state.handover.id))
    if question is None or question.answer is None or question.started != state.handover.opened_at:
        return None
    given = question.answer
    if given.delivered == "LATE":
        return None
    word = "yes" if given.approved else "no"
    return Finding("ANSWERED", f"{visible(given.by)} said {word} to the plan at {given.at}.")


def outcome_of(state: HandoverState) -> HandoverOutcome:
    """Of a run that comes to CloseHandover."""
    if state.restore and (state.restore.receipt or state.handover.mode == "undo"):
        return "UNDONE"
    if refusal := refusal_of(state):
        return refusal.outcome
    if state.cures and state.cures.next == "DRIFT" and state.error is None:
        return "HANDED_OVER"
    return "REFUSED"  # nothing was deployed: `$.error` says why


def refusal_of(state: HandoverState) -> Refusal | None:
    return state.handover.refusal or (state.reading.refusal if state.reading else None) or judge_answer(state)


def compose(
    state: HandoverState,
    outcome: HandoverOutcome,
    changes: tuple[Change, ...],
    answered: Finding | None,
    now: str,
) -> HandoverReport:
    """The report; says what is so, and nothing that was not looked at."""
    opened = state.handover
    findings = (*_findings(state), *((answered,) if answered else ()))
    services = tuple(map(str, opened.spec.services)) if opened.spec else ()
    return HandoverReport(
        handover=opened.id,
        mode=opened.mode,
        services=services,
        outcome=outcome,
        findings=findings,
        changes=changes,
        stays=tuple(_stays(state, outcome, changes)),
        receipt=state.restore.receipt if state.restore else None,
        seconds=seconds_between(opened.opened_at, now),
        next=_next(state, outcome),
    )


def _findings(state: HandoverState) -> Iterator[Finding]:
    yield Finding("TRIGGER", f"Started by {visible(state.handover.trigger)}.")
    if refusal := refusal_of(state):
        yield Finding(refusal.code, short(refusal.message))
    if state.error is not None:
        yield Finding(state.error.name, short(state.error.cause) or "A step failed.")
    yield from state.reading.findings if state.reading else ()
    for each in state.rollout.services if state.rollout else ():
        text = f"{each.service}: {each.evidence}"
        moved = each.verdict == "HANDED_OVER"
        yield Finding("MOVED", text) if moved else Finding("NOT_MOVED", text)
    for cure in state.cures.runs if state.cures else ():
        if cure.outcome in ("CURED", "NOTHING_TO_FIX"):
            yield Finding(
                "GRANTS_WITHDRAWN", f"{cure.service} needs no temporary grant ({cure.run}: {cure.outcome})."
            )
        else:
            how = "goes on" if cure.outcome in ("", GOES_ON) else f"ended {cure.outcome}"
            yield Finding("GRANTS_STAY", f"The cure {cure.run} of {cure.service} {how}: read its report.")


def _stays(state: HandoverState, outcome: HandoverOutcome, changes: tuple[Change, ...]) -> Iterator[str]:
    """What this handover has left, and why."""
    yield from state.removed.kept if state.removed else ()
    yield from state.restore.left if state.restore else ()
    undone = outcome in ("UNDONE", "UNDO_INCOMPLETE")
    for change in changes:
        if change.kind in ("bucket", "table") and change.done_at and not change.undone_at and not undone:
            yield f"{change.kind} {change.target}: Terraform's state is there"
    if any(change.kind == "build" and change.target.startswith("import/") for change in changes) and undone:
        yield "what was imported stays in Terraform's state: nothing at AWS was changed by it"


def _next(state: HandoverState, outcome: HandoverOutcome) -> str:
    opened = state.handover
    if outcome == "HANDED_OVER":
        return (
            "Merge the HCL's version after, and let its owner's pipeline plan: it shows no change. An undo:"
            + as_input(mode="undo", handover=opened.subject)
        )
    if outcome == "UNDO_INCOMPLETE":
        return "Read the findings, remove what stands in the way, and start the undo again:" + as_input(
            mode="undo", handover=opened.subject
        )
    if outcome == "UNDONE":
        return "Revert the HCL to its version before. Correct what the findings name, and hand over again."
    if refusal := refusal_of(state):
        return refusal.next
    return "Correct what the findings name, and start the handover again. Nothing was deployed."


def _notify(report: HandoverReport, aws: HandoverAccount) -> HandoverReport:
    try:
        aws.topic.publish(f"{report.outcome} handover {', '.join(report.services)}".strip(), render(report))
    except (AwsRefused, AwsUnavailable) as error:
        missed = Finding("NOT_NOTIFIED", f"The topic could not be notified: {error}")
        return replace(report, findings=(*report.findings, missed))
    return report


def render(report: HandoverReport) -> str:
    """The report as a mail."""
    found = [line for each in report.findings for line in (f"- {each.code}: {each.text}", *_indented(each))]
    stays = ["", "What stays:", *(f"- {each}" for each in report.stays)] if report.stays else []
    receipt = report.receipt
    proof = ["", f"Services as before: {receipt.before}, {receipt.after}"] if receipt else []
    head = f"{report.outcome}: handover {report.handover} ({report.seconds:.0f} s)"
    return "\n".join((head, "", *found, *stays, *proof, "", report.next))


def _indented(finding: Finding) -> Iterator[str]:
    yield from (f"    {line}" for line in finding.evidence)
