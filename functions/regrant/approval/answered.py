"""Who answered the question for approval, as the journal has it: a state's output may be anybody's."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET
from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.model.approval import Question
from regrant.model.run import Diagnosis, Finding, Report, RunState, Stage
from regrant.ports import Account
from regrant.visible import visible


def with_answer(report: Report, state: RunState, aws: Account) -> Report:
    """The report, and who said yes or no: after what started the run, before what a log has filled.

    Raises AwsUnavailable, AwsRefused.
    """
    if not _was_asked(state.diagnosis):
        return report
    question = aws.approvals.last(state.incident.id)
    if question is None or question.started != state.incident.opened_at:
        return report  # nothing was asked, or that was an earlier run of the same name
    report, given = replace(report, timeline=tuple(_with_wait(report, question))), question.answer
    if given is None or given.delivered == "LATE":
        return report
    word = "yes" if given.approved else "no"
    found = Finding("ANSWERED", f"{visible(given.by)} said {word} to the plan at {given.at}.")
    first, *rest = report.findings
    return replace(report, findings=(first, found, *rest))


def _with_wait(report: Report, question: Question) -> Iterator[Stage]:
    """The stages, with the wait for a person apart from the diagnosis that it follows. Of an earlier question
    the time stays where it was."""
    until = question.answer.at if question.answer else question.until
    waited = seconds_between(question.asked_at, until)
    for stage in report.timeline:
        if stage.stage == "diagnose":
            waited = min(waited, stage.seconds)
            yield Stage("diagnose", stage.seconds - waited)
            yield Stage("approval", waited)
        else:
            yield stage


def _was_asked(diagnosis: Diagnosis | None) -> bool:
    """About this plan, or about an earlier one of the run."""
    return diagnosis is not None and not (diagnosis.answer is UNSET and diagnosis.moved is UNSET)
