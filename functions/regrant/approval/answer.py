"""Take a person's answer: four eyes, one plan, once.

The journal's answer is what counts: it is written before Step Functions is notified, and CaptureBaseline
changes nothing without it. So the task token alone says no more than that the run may look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from regrant.approval.people import approvers, is_certain, same_person
from regrant.approval.request import Asked, Caller, asked_of, caller_of
from regrant.clock import seconds_between
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.approval import Answer, Question
from regrant.ports import Account

AGAIN = 60
"""Seconds after which to try again, where nothing is known yet."""
USUAL = 15 * 60.0
"""Seconds in which an event is in CloudTrail's history (user guide, Working with CloudTrail event history: it
says on average about five minutes for logs, and up to fifteen for the history)."""


class Reply(msgspec.Struct, frozen=True):
    """What the person reads. Only 200 has changed anything."""

    status: int
    code: str
    message: str
    retry_after: int | None = None


def answer_approval(event: Mapping[str, Any], aws: Account, now: str) -> Reply:
    """The reply to one request. Raises AwsUnavailable, AwsRefused."""
    caller, asked = caller_of(event), asked_of(event)
    if caller is None:
        return Reply(403, "NO_IDENTITY", "The request is not signed by a user or a role of IAM.")
    refused = _may_not_answer(caller, aws)
    if refused:
        return refused
    if asked is None:
        wanted = '{"run": NAME, "plan": SHA-256, "answer": "approve" or "reject"}'
        return Reply(400, "BAD_REQUEST", f"POST {wanted}.")
    question = aws.approvals.last(asked.run)
    if question is None:
        return Reply(404, "UNKNOWN_RUN", "No run of that name has asked for approval here.")
    return _not_open(question, asked, caller, aws, now) or _answer(question, asked, caller, aws, now)


def _may_not_answer(caller: Caller, aws: Account) -> Reply | None:
    listed = approvers(aws.settings.approvers)
    if listed.nobody:
        text = "The stack's ApproverArns is empty, so nobody may answer. Its owner can set it now."
        return Reply(403, "NOBODY_MAY_APPROVE", text)
    if not listed.admit(caller.who):
        return Reply(403, "NOT_AN_APPROVER", f"{caller.arn} is not in the stack's ApproverArns.")
    return None


def _not_open(question: Question, asked: Asked, caller: Caller, aws: Account, now: str) -> Reply | None:
    """Why the question takes no answer: an end comes first, whatever plan the answer is to."""
    given = question.answer
    if given and given.delivered == "LATE":
        return _too_late(question, now)
    if given and not _is_again(given, asked, caller):
        word = "yes" if given.approved else "no"
        return Reply(409, "ALREADY_ANSWERED", f"{given.by} said {word} at {given.at}.")
    if seconds_between(question.until, now) >= 0 or (given is None and _has_ended(question, aws)):
        return _too_late(question, now)
    if question.plan != asked.plan:
        # Without its hash: a yes is for who has read the question.
        text = "The run asks about another plan. Read its newest question, and answer that."
        return Reply(409, "OTHER_PLAN", text)
    return None


def _has_ended(question: Question, aws: Account) -> bool:
    """Whether somebody stopped the run, say. Where AWS does not say so, SendTaskSuccess will."""
    try:
        return aws.executions.ended_at(question.run) is not None
    except (AwsUnavailable, AwsRefused):
        return False


def _is_again(given: Answer, asked: Asked, caller: Caller) -> bool:
    """The same answer of the same person, which may not have reached the run."""
    return given.by_id == caller.id and given.approved == (asked.answer == "approve") and not given.delivered


def _too_late(question: Question, now: str) -> Reply:
    over = seconds_between(question.until, now) >= 0
    waited = f"waited until {question.until}, and does not any more" if over else "has ended or been stopped"
    return Reply(410, "TIMED_OUT", f"The run {waited}. Start it again to be asked again.")


def _answer(question: Question, asked: Asked, caller: Caller, aws: Account, now: str) -> Reply:
    approved, again = asked.answer == "approve", question.answer is not None
    if not again:
        # A no changes nothing, so it takes one person, who may have started the run.
        if approved and (refused := _not_by_another(question, caller, aws, now)):
            return refused
        given = Answer(approved, caller.arn, caller.id, now)
        if not aws.approvals.answer(question, given):
            # Or the SDK has written it twice, because the first response was lost.
            standing = aws.approvals.last(question.run)
            if standing != replace(question, answer=given):
                return Reply(409, "ALREADY_ANSWERED", "Somebody has just answered, or the run asks again.")
        question = replace(question, answer=given)
    assert question.answer is not None
    if not aws.waiting.answer(question.token, approved):
        if again:
            text = "You have answered before, and the run does not wait for it any more: see how it goes on."
            return Reply(409, "ALREADY_ANSWERED", text)
        aws.approvals.settle(question, "LATE")
        return _too_late(question, now)
    aws.approvals.settle(question, "SENT")
    if approved:
        return Reply(200, "APPROVED", f"Run {question.run} goes on. {caller.arn} said yes.")
    return Reply(200, "REJECTED", f"Run {question.run} ends without a change. {caller.arn} said no.")


def _not_by_another(question: Question, caller: Caller, aws: Account, now: str) -> Reply | None:
    """Why a yes is not that of a second person, or not known to be."""
    starters = aws.trail.starters(question.run, question.started)
    if starters is None or not starters:
        return _not_known_yet(question, now, complete=starters is not None)
    sessions = approvers(aws.settings.approvers).separates_sessions(caller.who)
    for starter in starters:
        if not is_certain(starter):
            text = f"It is not certain that somebody else started the run: {starter.kind} {starter.arn} did."
            return Reply(403, "STARTER_UNCLEAR", text)
        if same_person(caller.who, caller.id, starter, sessions=sessions):
            text = f"{starter.arn or caller.arn} has started the run. Somebody else has to say yes."
            return Reply(403, "SAME_PERSON", text)
    return None


def _not_known_yet(question: Question, now: str, *, complete: bool) -> Reply:
    passed = seconds_between(question.started, now)
    if not complete:
        text = "CloudTrail has more starts of that minute than are read here."
    elif passed > USUAL:
        text = (
            f"CloudTrail still does not say who started the run, {passed / 60:.0f} minutes ago. See whether"
            " its event history has the StartExecution."
        )
    else:
        usual = f"{USUAL / 60:.0f} minutes at most, as a rule"
        text = f"CloudTrail does not know yet who started the run; that takes {usual}."
    return Reply(503, "STARTER_NOT_KNOWN_YET", f"{text} Nothing was changed. Try again in a minute.", AGAIN)
