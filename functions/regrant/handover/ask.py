"""Ask a person before Terraform changes anything: always, and with four eyes (regrant.approval).

A yes is to one plan file, by its SHA-256. The runner takes the hash of that very file again before it applies
it, since the file has come from storage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from regrant.approval.people import approvers
from regrant.clock import later
from regrant.errors import AnswerNotRecorded
from regrant.handover.ports import HandoverAccount
from regrant.handover.result import described
from regrant.model.approval import Question
from regrant.model.aws import name_of
from regrant.model.handover import AskHandoverEvent, HandoverState, Plan, Spec
from regrant.model.results import Refusal
from regrant.model.runs import run_of
from regrant.opening.request import shown
from regrant.report.approval import answer_command
from regrant.settings import Settings

TIME_LIMIT = 3600.0
"""Seconds for an answer; the state's TimeoutSeconds (a test ties the two)."""


def digest_of(state: HandoverState) -> str:
    """SHA-256 of what a yes is to: the run with its begin, what it is to do, and the plan file's own hash."""
    spec, plan = _asked_about(state)
    what = (state.handover.id, state.handover.opened_at, spec, plan.sha256)
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()


def _asked_about(state: HandoverState) -> tuple[Spec, Plan]:
    assert state.handover.spec and state.reading and state.reading.plan  # DecideBuild sends only plans here
    return state.handover.spec, state.reading.plan


def ask_handover(event: AskHandoverEvent, aws: HandoverAccount) -> str:
    """Notify the topic of the plan and how to say yes or no; until when the answer counts. Raises
    AwsUnavailable, AwsRefused: nobody was asked."""
    state = event.state
    spec, _ = _asked_about(state)
    until, digest = later(event.now, TIME_LIMIT), digest_of(state)
    services = ", ".join(map(str, spec.services))
    question = Question(
        run_of(state.handover.id),
        services,
        digest,
        event.now,
        until,
        state.handover.opened_at,
        event.token,
        text=_question(state, digest, until, aws.settings),
    )
    # Before the mail, which may be answered as soon as it is there.
    aws.approvals.ask(question)
    aws.topic.publish(f"APPROVAL NEEDED handover of {services}", question.text)
    return until


def _question(state: HandoverState, digest: str, until: str, settings: Settings) -> str:
    spec, plan = _asked_about(state)
    run = run_of(state.handover.id)
    return "\n".join(
        (
            f"Handover {state.handover.id} waits until {until} for a yes or a no. Without one it ends there.",
            "",
            "Terraform would move these services to their roles, by one deployment of each:",
            *(
                f"- {each.service}: from {name_of(each.revision)} to the role {each.role}"
                for each in spec.targets
            ),
            "",
            "The plan, as the runner reports it; its gate refuses everything else:",
            *(f"- {line}" for line in described(plan.changes)),
            f"HCL: {spec.source.after} of the source, directory {spec.directory}. The plan file's SHA-256:",
            f"  {plan.sha256}",
            "",
            "Yes:",
            answer_command(run, digest, "approve", settings.stack),
            "No:",
            answer_command(run, digest, "reject", settings.stack),
            "",
            *_who(settings),
        )
    )


def _who(settings: Settings) -> Iterator[str]:
    if approvers(settings.approvers).nobody:
        yield "NOBODY CAN ANSWER NOW: the stack's parameter ApproverArns is empty. Its owner can set it while"
        yield "the handover waits."
        return
    yield "Whoever the stack's ApproverArns names may answer, and has not started the handover."


def demand_yes(state: HandoverState, aws: HandoverAccount) -> None:
    """Raises AnswerNotRecorded unless the newest question is of this very plan, and a listed person who did
    not start the handover said yes to it; AwsUnavailable, AwsRefused."""
    question = aws.approvals.last(run_of(state.handover.id))
    if question is None or question.answer is None or not question.answer.approved:
        raise AnswerNotRecorded("The yes did not come through the stack's function for answers.")
    if question.plan != digest_of(state):
        raise AnswerNotRecorded("The yes in the journal is to another plan.")


def judge_answer(state: HandoverState) -> Refusal | None:
    """Why the plan was not applied, if a person was asked and did not say yes."""
    answer = state.reading.answer if state.reading else UNSET
    if answer is UNSET or (isinstance(answer, Mapping) and answer.get("approved") is True):
        return None
    again = "To ask again, start the handover again: what is imported already stays so."
    if isinstance(answer, Mapping) and answer.get("Error") == "States.Timeout":
        minutes = f"{TIME_LIMIT / 60:.0f}"
        return Refusal("NOT_ANSWERED", f"Nobody approved the plan within {minutes} minutes.", again)
    return Refusal("NOT_APPROVED", f"The plan was not approved: {_said(answer)}.", again)


def _said(answer: Any) -> str:
    if isinstance(answer, Mapping) and "Error" in answer:
        return ", ".join(shown(each) for each in (answer.get("Error"), answer.get("Cause")) if each) or "a no"
    return (
        "a person said no"
        if isinstance(answer, Mapping) and answer.get("approved") is False
        else shown(answer)
    )
