"""Four eyes: each answer to a question, with its status and what it changed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec.structs import replace

from regrant.approval.answer import AGAIN, Reply, answer_approval
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.approval import Answer, Question, Starter
from regrant.settings import Settings
from tests.unit.fakes import ACCOUNT, APPROVER, INCIDENT, OPENED, WORKER, World, at

PLAN, TOKEN = "a" * 64, "token-of-the-run"
CAROL = f"arn:aws:sts::{ACCOUNT}:assumed-role/approver/carol"
DAVE = f"arn:aws:sts::{ACCOUNT}:assumed-role/other-approver/dave"
BOTH = f"{APPROVER},arn:aws:iam::{ACCOUNT}:role/other-approver"
ALICE = Starter("IAMUser", f"arn:aws:iam::{ACCOUNT}:user/alice", "AIDAALICE")
QUESTION = Question(INCIDENT, str(WORKER), PLAN, at(3), at(3603), OPENED, TOKEN)


def waiting(approvers: str = APPROVER, *starters: Starter) -> World:
    """The run waits for a person; alice has started it, if nobody else has."""
    world = World(settings=Settings({"APPROVERS": approvers}))
    world.approvals.ask(QUESTION)
    world.waiting.tokens.add(TOKEN)
    world.trail.known[INCIDENT] = starters or (ALICE,)
    return world


def request(caller: str | None = CAROL, **body: Any) -> dict[str, Any]:
    """As events/answer_approval.json, as far as it is read."""
    given = {"run": INCIDENT, "plan": PLAN, "answer": "approve"} | body
    iam = {"userArn": caller, "callerId": f"AROA:{caller}", "accountId": ACCOUNT}
    authorizer = {"iam": iam} if caller else None
    context = {"http": {"method": "POST"}, "authorizer": authorizer}
    return {"requestContext": context, "body": json.dumps(given), "isBase64Encoded": False}


def ask(world: World, given: dict[str, Any] | None = None, seconds: float = 600) -> Reply:
    return answer_approval(request() if given is None else given, world, at(seconds))


def refused(world: World, given: dict[str, Any] | None = None, seconds: float = 600) -> tuple[int, str]:
    """The reply, which has changed nothing."""
    before = json.dumps([repr(each) for each in world.approvals.questions.values()])
    reply = ask(world, given, seconds)
    assert json.dumps([repr(each) for each in world.approvals.questions.values()]) == before
    assert world.waiting.answered == []
    assert TOKEN not in reply.message
    return reply.status, reply.code


def test_a_listed_person_who_did_not_start_the_run_says_yes() -> None:
    world = waiting()
    reply = ask(world)
    assert (reply.status, reply.code) == (200, "APPROVED") and CAROL in reply.message
    assert world.waiting.answered == [(TOKEN, True)]
    question = world.approvals.last(INCIDENT)
    assert question == replace(
        QUESTION, token="", answer=Answer(True, CAROL, f"AROA:{CAROL}", at(600), "SENT")
    )


def test_a_no_is_written_and_sent_as_well() -> None:
    world = waiting()
    reply = ask(world, request(answer="reject"))
    assert (reply.status, reply.code) == (200, "REJECTED")
    assert world.waiting.answered == [(TOKEN, False)]


def test_a_no_needs_no_second_person_and_no_trail() -> None:
    world = waiting()
    world.trail.known.clear()
    assert ask(world, request(answer="reject")).code == "REJECTED"


def test_who_started_the_run_cannot_say_yes_to_it() -> None:
    world = waiting(APPROVER, Starter("AssumedRole", CAROL, "AROA:whatever"))
    assert refused(world) == (403, "SAME_PERSON")


def test_a_second_start_by_another_does_not_hide_the_first() -> None:
    """StartExecution answers a repeated start like the first, so that one has two records."""
    world = waiting(APPROVER, ALICE, Starter("AssumedRole", CAROL, "AROA:whatever"))
    assert refused(world) == (403, "SAME_PERSON")


def test_a_run_that_an_event_started_may_be_approved_by_anybody_listed() -> None:
    rule = f"arn:aws:sts::{ACCOUNT}:assumed-role/regrant-AlarmRuleRole-X/0123abcd"
    assert ask(waiting(APPROVER, Starter("AssumedRole", rule, "AROARULE:0123abcd"))).code == "APPROVED"
    assert ask(waiting(APPROVER, Starter("AWSService", service="events.amazonaws.com"))).code == "APPROVED"


@pytest.mark.parametrize("starters", [(), None])
def test_while_it_is_not_known_who_started_the_run_nobody_can_approve(starters: Any) -> None:
    world = waiting()
    world.trail.known[INCIDENT] = starters
    assert refused(world) == (503, "STARTER_NOT_KNOWN_YET")
    reply = ask(world)
    assert reply.retry_after == AGAIN and "Try again in a minute" in reply.message


def test_a_start_that_cloudtrail_never_shows_is_said_so() -> None:
    world = waiting()
    world.trail.known.clear()
    assert "at most" in ask(world, seconds=600).message
    assert "event history" in ask(world, seconds=1200).message


def test_a_starter_who_is_not_certain_leaves_no_one_to_approve() -> None:
    world = waiting(APPROVER, Starter("Root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT))
    assert refused(world) == (403, "STARTER_UNCLEAR")


@pytest.mark.parametrize("caller", [DAVE, f"arn:aws:iam::{ACCOUNT}:user/carol"])
def test_who_is_not_listed_learns_nothing_of_the_run(caller: str) -> None:
    world = waiting()
    assert refused(world, request(caller)) == (403, "NOT_AN_APPROVER")
    assert refused(world, request(caller, run="no-such-run")) == (403, "NOT_AN_APPROVER")


def test_where_nobody_is_listed_nobody_can_answer() -> None:
    assert refused(waiting("")) == (403, "NOBODY_MAY_APPROVE")
    assert refused(waiting(""), request(answer="reject")) == (403, "NOBODY_MAY_APPROVE")


@pytest.mark.parametrize("caller", [None, "", f"arn:aws:iam::{ACCOUNT}:root"])
def test_a_request_without_an_identity_is_refused(caller: str | None) -> None:
    assert refused(waiting("any"), request(caller)) == (403, "NO_IDENTITY")


@pytest.mark.parametrize(
    "event",
    [{}, {"requestContext": None}, {"requestContext": {"authorizer": []}}, {"body": "{}"}],
)
def test_an_event_that_is_no_request_is_refused(event: dict[str, Any]) -> None:
    assert refused(waiting(), event) == (403, "NO_IDENTITY")


def test_an_unknown_run() -> None:
    assert refused(waiting(), request(run="no-such-run")) == (404, "UNKNOWN_RUN")


def test_an_answer_to_another_plan_is_refused() -> None:
    world = waiting()
    assert refused(world, request(plan="b" * 64)) == (409, "OTHER_PLAN")
    world.approvals.ask(replace(QUESTION, plan="b" * 64, asked_at=at(300)))
    assert refused(world) == (409, "OTHER_PLAN")


def test_the_other_plans_hash_is_in_its_question_only() -> None:
    """A guess would else be answered by the hash, and the second guess would be a yes to a text not read."""
    assert PLAN not in ask(waiting(), request(plan="b" * 64)).message


def stopped(world: World) -> World:
    world.executions.ended[INCIDENT] = at(300)
    world.waiting.tokens.clear()
    return world


def test_a_run_that_was_stopped_is_over_before_anybody_knows_who_started_it() -> None:
    world = stopped(waiting())
    world.trail.known.clear()
    assert refused(world) == (410, "TIMED_OUT")
    assert QUESTION.until not in ask(world).message


def test_an_old_plan_of_a_run_that_is_over_is_no_question_of_plans() -> None:
    old = request(plan="b" * 64)
    assert refused(stopped(waiting()), old) == (410, "TIMED_OUT")
    late = waiting()
    assert refused(late, old, seconds=3603) == (410, "TIMED_OUT")
    assert QUESTION.until in ask(late, old, seconds=3603).message
    answered = waiting(BOTH)
    ask(answered)
    answered.waiting.answered.clear()
    assert refused(answered, request(DAVE, plan="b" * 64)) == (409, "ALREADY_ANSWERED")


@pytest.mark.parametrize("failure", [AwsUnavailable("throttled"), AwsRefused("denied")])
def test_an_answer_does_not_depend_on_that_look(failure: Exception) -> None:
    world = waiting()

    def fails(execution: str) -> str | None:
        raise failure

    world.executions.ended_at = fails  # type: ignore[method-assign]
    assert ask(world).code == "APPROVED"


def test_an_answer_counts_once() -> None:
    world = waiting(BOTH)
    assert ask(world).code == "APPROVED"
    world.waiting.answered.clear()
    for caller, word in ((DAVE, "approve"), (DAVE, "reject"), (CAROL, "reject"), (CAROL, "approve")):
        assert refused(world, request(caller, answer=word)) == (409, "ALREADY_ANSWERED")
    assert CAROL in ask(world, request(DAVE)).message


def test_two_answers_at_the_same_time_are_one() -> None:
    world = waiting(BOTH)
    last = world.approvals.last
    taken = replace(QUESTION, answer=Answer(False, DAVE, "AROA:dave", at(599)))

    def read_before_the_other(run: str) -> Question | None:
        found = last(run)
        world.approvals.ask(taken)
        return found

    world.approvals.last = read_before_the_other  # type: ignore[method-assign]
    assert ask(world).code == "ALREADY_ANSWERED"
    assert (last(INCIDENT), world.waiting.answered) == (taken, [])


def test_an_answer_whose_first_response_was_lost_is_the_persons_own() -> None:
    """The SDK sends the write again, and its condition is not met any more."""
    world = waiting()
    write = world.approvals.answer

    def twice(question: Question, answer: Answer) -> bool:
        return write(question, answer) and write(question, answer)

    world.approvals.answer = twice  # type: ignore[method-assign]
    assert (ask(world).code, world.waiting.answered) == ("APPROVED", [(TOKEN, True)])


def test_an_answer_that_reached_the_run_unseen_is_not_called_late() -> None:
    """Step Functions took it, and its response was lost; the second try finds nobody waiting."""
    world = waiting()
    world.waiting.failure = AwsUnavailable("connection lost")
    with pytest.raises(AwsUnavailable):
        ask(world)
    world.waiting.failure, world.waiting.tokens = None, set()
    assert ask(world).code == "ALREADY_ANSWERED"
    question = world.approvals.last(INCIDENT)
    assert question is not None and question.answer is not None
    assert (question.answer.approved, question.answer.delivered) == (True, "")


def test_after_the_hour_it_is_too_late() -> None:
    assert refused(waiting(), seconds=3603) == (410, "TIMED_OUT")


def test_a_run_that_does_not_wait_any_more_is_too_late_and_the_journal_says_so() -> None:
    """It was stopped, or its last second has passed since."""
    world = waiting()
    world.waiting.tokens.clear()
    assert (ask(world).status, ask(world).code) == (410, "TIMED_OUT")
    assert QUESTION.until not in ask(world).message  # which is still to come
    question = world.approvals.last(INCIDENT)
    assert question is not None and question.answer is not None and question.answer.delivered == "LATE"


def test_an_answer_that_was_written_and_not_sent_is_sent_by_the_same_person_again() -> None:
    world = waiting(BOTH)
    world.waiting.failure = AwsUnavailable("throttled")
    with pytest.raises(AwsUnavailable):
        ask(world)
    world.waiting.failure = None
    assert refused(world, request(DAVE)) == (409, "ALREADY_ANSWERED")
    assert refused(world, request(answer="reject")) == (409, "ALREADY_ANSWERED")
    assert (ask(world).code, world.waiting.answered) == ("APPROVED", [(TOKEN, True)])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "approve",
        "[]",
        json.dumps({"run": INCIDENT, "plan": PLAN, "answer": "yes"}),
        json.dumps({"run": INCIDENT, "plan": "short", "answer": "approve"}),
        json.dumps({"run": "", "plan": PLAN, "answer": "approve"}),
        json.dumps({"run": "x" * 81, "plan": PLAN, "answer": "approve"}),
        json.dumps({"run": INCIDENT, "plan": PLAN, "answer": "approve", "more": "x" * 4096}),
        json.dumps({"run": INCIDENT, "answer": "approve"}),
        None,
        {"run": INCIDENT},
    ],
)
def test_a_body_that_is_no_answer(body: Any) -> None:
    assert refused(waiting(), request() | {"body": body}) == (400, "BAD_REQUEST")


def test_only_a_post_answers() -> None:
    given = request()
    given["requestContext"]["http"]["method"] = "GET"
    assert refused(waiting(), given) == (400, "BAD_REQUEST")


def test_a_body_may_come_in_base64() -> None:
    given = request()
    given |= {"body": base64.b64encode(given["body"].encode()).decode(), "isBase64Encoded": True}
    assert ask(waiting(), given).code == "APPROVED"
    assert refused(waiting(), given | {"body": "%"}) == (400, "BAD_REQUEST")
