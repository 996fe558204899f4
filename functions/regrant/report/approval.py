"""Approval: what a person is asked before anything is changed, and what the answer means.

The question stands in the journal with its task token, and in the mail without: the answer goes through the
stack's function for answers (regrant.approval), and names the plan by its hash. No answer within the state's
time limit means no change.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET

from regrant.approval.people import approvers
from regrant.approval.plan import plan_digest
from regrant.clock import later
from regrant.leases import release_role
from regrant.model.approval import Question
from regrant.model.aws import name_of
from regrant.model.catalogue import parameter_name
from regrant.model.results import Refusal
from regrant.model.run import AskEvent, Diagnosis, Failure, Plan, PlannedAgainst, RunState
from regrant.opening.request import shown
from regrant.ports import Account
from regrant.settings import Settings
from regrant.visible import visible

TIME_LIMIT = 3600.0
"""Seconds for an answer; the state's TimeoutSeconds (a test ties the two)."""


def ask_approval(event: AskEvent, aws: Account) -> str:
    """Notify the topic of what would be changed and how to say yes or no; until when the answer counts.

    A run that waits for a person has no role to itself. Raises AwsUnavailable, AwsRefused: nobody was asked.
    """
    state, diagnosis = event.state, event.state.diagnosis
    assert diagnosis and diagnosis.plan and diagnosis.planned_against  # DecidePlan sends only plans here
    release_role(diagnosis.plan.role, state.incident, aws, event.now)
    until = later(event.now, TIME_LIMIT)
    plan, service = plan_digest(state), str(state.incident.service)
    question = Question(
        state.incident.id,
        service,
        plan,
        event.now,
        until,
        state.incident.opened_at,
        event.token,
        text=_question(state, diagnosis, plan, until, aws.settings),
    )
    # Before the mail, which may be answered as soon as it is there.
    aws.approvals.ask(question)
    aws.topic.publish(f"APPROVAL NEEDED {service}", question.text)
    return until


def judge_answer(state: RunState) -> Refusal | None:
    """Why the plan is not carried out, if a person was asked and did not say yes."""
    diagnosis = state.diagnosis
    if diagnosis is None or diagnosis.next != "ASK" or diagnosis.answer is UNSET:
        return None
    answer = diagnosis.answer
    if isinstance(answer, Mapping) and answer.get("approved") is True:
        return None
    again = f"To ask again, start the run again for {state.incident.service}."
    if isinstance(answer, Mapping) and answer.get("Error") == "States.Timeout":
        minutes = f"{TIME_LIMIT / 60:.0f}"
        return Refusal("NOT_ANSWERED", f"Nobody approved the plan within {minutes} minutes.", again)
    if isinstance(answer, Mapping) and "Error" in answer:
        return _not_asked(answer, again) or Refusal("NOT_APPROVED", _said_no(answer), again)
    return Refusal("NOT_APPROVED", f"The plan was not approved: {shown(answer)}.", again)


def _not_asked(answer: Mapping[Any, Any], again: str) -> Refusal | None:
    """Where the function failed by an error that the state machine does not name."""
    name, cause = answer.get("Error"), answer.get("Cause")
    failure = Failure(name, cause) if isinstance(name, str) and isinstance(cause, str) else None
    if failure is None or not failure.of_function:
        return None
    return Refusal("NOT_ASKED", f"Nobody could be asked: {shown(name)}: {shown(failure.cause)}.", again)


def _said_no(answer: Mapping[Any, Any]) -> str:
    """SendTaskFailure may leave out error and cause; a Catch has null for each then (API reference)."""
    said = ", ".join(shown(each) for each in (answer.get("Error"), answer.get("Cause")) if each)
    return f"The plan was not approved: SendTaskFailure{f', {said}' if said else ', without a reason'}."


def _question(state: RunState, diagnosis: Diagnosis, digest: str, until: str, settings: Settings) -> str:
    plan, against = diagnosis.plan, diagnosis.planned_against
    assert plan and against
    changes = [f"- attach {name_of(policy)} ({policy}) to {plan.role}" for policy in plan.attach]
    if plan.new_role:
        changes.append(f"- register a copy of {plan.task_definition} with the task role {plan.new_role}")
        changes.append(f"- deploy it to {state.incident.service}")
    elif plan.redeploy or plan.redeploy_if_needed:
        unless = "" if plan.redeploy else ", unless its tasks recover without it"
        unless = f", if its tasks do not work when {plan.deployment} has ended" if plan.deployment else unless
        what = f"{state.incident.service} ({plan.task_definition}){unless}"
        changes.append(f"- force a new deployment of {what}")
    changes += [
        f"- then detach {name_of(policy)} ({policy}) from {plan.role}, unless others need it"
        for policy in plan.withdraw
    ]
    changes += [
        f"- leave {name_of(policy)} ({policy}) on {plan.role} for good, without an end"
        for policy in plan.keep
    ]
    found = [f"- {finding.code}: {visible(finding.text)}" for finding in diagnosis.findings]
    return "\n".join(
        (
            f"Run {state.incident.id} waits until {until} for a yes or a no. Without one nothing is changed.",
            f"Mode {state.incident.mode}, started by {visible(state.incident.trigger)}.",
            *_again(diagnosis),
            "",
            "Found:",
            *found,
            "Would be changed:"
            if state.incident.mode == "keep"
            else "Would be changed, and undone if it does not help:",
            *changes,
            *_how_long(state, plan),
            "As it is now, and a yes is to no other text:",
            *_texts(state, against, settings.catalogue_prefix),
            "",
            "Yes:",
            answer_command(state.incident.id, digest, "approve", settings.stack),
            "No:",
            answer_command(state.incident.id, digest, "reject", settings.stack),
            "",
            *_who(settings),
            "If a role, the task definition or a text changes before that, you are asked again.",
        )
    )


def _again(diagnosis: Diagnosis) -> Iterator[str]:
    """That a person was asked about an earlier plan of this run, to which a yes counts no more."""
    if diagnosis.moved is UNSET:
        return
    moved = ", ".join(map(visible, diagnosis.moved))
    what = f"this has changed: {moved}" if moved else "the account has changed"
    yield f"The run asks again: since the plan that it asked about before, {what}."


def _how_long(state: RunState, plan: Plan) -> Iterator[str]:
    if state.incident.mode == "keep":
        yield "It stays like that until somebody undoes this run (mode rollback)."
    elif plan.attach and state.incident.entry:
        hours = state.incident.entry.grant_ttl_hours
        yield f"The grant is temporary: after {hours} hours the service is tried without it."


def _texts(state: RunState, against: PlannedAgainst, prefix: str) -> Iterator[str]:
    """Each policy that is attached, or that the role of a cure needs, and the entry that says so. A hash on
    a line of its own can be compared with a command's (docs/operations.md, Approval)."""
    for arn, mark in sorted(against.policies.items()):
        yield f"- policy {arn}: id {mark.id}, version {mark.version}, SHA-256"
        yield f"  {mark.sha256}"
    if state.incident.service and against.entry:
        yield f"- catalogue entry {parameter_name(prefix, state.incident.service)}: SHA-256"
        yield f"  {against.entry}"


def answer_command(run: str, plan: str, answer: str, stack: str) -> str:
    """One command, with no more in it than may be read by anybody (docs/operations.md, Approval)."""
    return f"make answer RUN={shlex.quote(run)} PLAN={plan} ANSWER={answer} STACK={stack}"


def _who(settings: Settings) -> tuple[str, ...]:
    if approvers(settings.approvers).nobody:
        return (
            "NOBODY CAN ANSWER NOW: the stack's parameter ApproverArns is empty. Its owner can set it while",
            "the run waits.",
        )
    return (
        "Whoever the stack's ApproverArns names may answer, with that identity's credentials. A yes is for",
        "somebody who has not started the run. It takes some minutes until AWS says who that was.",
    )
