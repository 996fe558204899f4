"""Who answered the question for approval, as the journal has it: a state's output may be anybody's."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from regrant.model.run import Diagnosis, Finding, Report, RunState
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
    given = question.answer
    if given is None or given.delivered == "LATE":
        return report
    word = "yes" if given.approved else "no"
    found = Finding("ANSWERED", f"{visible(given.by)} said {word} to the plan at {given.at}.")
    first, *rest = report.findings
    return replace(report, findings=(first, found, *rest))


def _was_asked(diagnosis: Diagnosis | None) -> bool:
    """About this plan, or about an earlier one of the run."""
    return diagnosis is not None and not (diagnosis.answer is UNSET and diagnosis.moved is UNSET)
