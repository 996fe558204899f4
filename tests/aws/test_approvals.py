"""Questions for approval in the journal's table, who started a run, and a run that is to go on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber
from msgspec.structs import replace

from regrant.aws.table.approvals import DynamoApprovals
from regrant.aws.trail import CloudTrail
from regrant.aws.waiting import WaitingRuns
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.approval import Answer, Question, Starter
from tests.aws.account import TABLE, client, create_journal
from tests.unit.fakes import ACCOUNT, INCIDENT, OPENED, SETTINGS, WORKER, at

QUESTION = Question(INCIDENT, str(WORKER), "a" * 64, at(3), at(3603), OPENED, "token")
YES = Answer(True, f"arn:aws:iam::{ACCOUNT}:user/carol", "AIDACAROL", at(60))
ARN = SETTINGS.state_machine.replace(":stateMachine:", ":execution:") + f":{INCIDENT}"
ALICE = {"type": "IAMUser", "principalId": "AIDAALICE", "arn": f"arn:aws:iam::{ACCOUNT}:user/alice"}


@pytest.fixture
def approvals() -> DynamoApprovals:
    create_journal()
    return DynamoApprovals(client("dynamodb"), TABLE)


def test_a_run_that_asked_nothing_has_no_question(approvals: DynamoApprovals) -> None:
    assert approvals.last(INCIDENT) is None


def test_the_newest_question_counts_and_the_others_stay(approvals: DynamoApprovals) -> None:
    later = replace(QUESTION, asked_at=at(400), plan="b" * 64)
    approvals.ask(later)
    approvals.ask(QUESTION)
    assert approvals.last(INCIDENT) == later
    assert len(client("dynamodb").scan(TableName=TABLE)["Items"]) == 2


def test_a_second_try_of_the_same_step_has_another_token(approvals: DynamoApprovals) -> None:
    approvals.ask(QUESTION)
    approvals.ask(replace(QUESTION, token="another"))
    found = approvals.last(INCIDENT)
    assert found is not None and found.token == "another"


def test_one_answer_is_taken(approvals: DynamoApprovals) -> None:
    approvals.ask(QUESTION)
    assert approvals.answer(QUESTION, YES)
    assert not approvals.answer(QUESTION, replace(YES, approved=False))
    assert approvals.last(INCIDENT) == replace(QUESTION, answer=YES)


def test_an_answer_to_what_has_been_asked_again_is_not_taken(approvals: DynamoApprovals) -> None:
    approvals.ask(replace(QUESTION, token="another"))
    assert not approvals.answer(QUESTION, YES)


def test_a_settled_question_forgets_its_token(approvals: DynamoApprovals) -> None:
    approvals.ask(QUESTION)
    approvals.answer(QUESTION, YES)
    approvals.settle(replace(QUESTION, answer=YES), "SENT")
    assert approvals.last(INCIDENT) == replace(QUESTION, token="", answer=replace(YES, delivered="SENT"))
    approvals.settle(replace(QUESTION, answer=YES), "LATE")  # it is not what was read
    found = approvals.last(INCIDENT)
    assert found is not None and found.answer is not None and found.answer.delivered == "SENT"


def record(identity: dict[str, Any] | None = None, **changed: Any) -> dict[str, str]:
    """As the Step Functions developer guide shows it (Recording API calls with CloudTrail)."""
    whole = {
        "eventVersion": "1.08",
        "userIdentity": ALICE | {"accountId": ACCOUNT} if identity is None else identity,
        "eventSource": "states.amazonaws.com",
        "eventName": "StartExecution",
        "requestParameters": {"stateMachineArn": SETTINGS.state_machine, "name": INCIDENT, "input": "{}"},
        "responseElements": {"startDate": "Nov 11, 2025 9:52:14 PM", "executionArn": ARN},
    }
    return {"CloudTrailEvent": json.dumps(whole | changed)}


def starters(*pages: list[dict[str, str]], endless: bool = False) -> tuple[Starter, ...] | None:
    """What the adapter makes of those pages."""
    cloudtrail, token = client("cloudtrail"), None
    with Stubber(cloudtrail) as stub:
        for number, page in enumerate(pages, 1):
            answer: dict[str, Any] = {"Events": page}
            if endless or number < len(pages):
                answer["NextToken"] = str(number)
            asked = {
                "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "StartExecution"}],
                "StartTime": datetime(2025, 11, 11, 21, 51, 14, 102_000, UTC),
                "EndTime": datetime(2025, 11, 11, 21, 53, 14, 102_000, UTC),
                "MaxResults": 50,
            }
            stub.add_response("lookup_events", answer, asked | ({"NextToken": token} if token else {}))
            token = answer.get("NextToken")
        found = CloudTrail(cloudtrail, SETTINGS.state_machine).starters(INCIDENT, OPENED)
        stub.assert_no_pending_responses()
    return found


ONE = (Starter("IAMUser", ALICE["arn"], ALICE["principalId"]),)


def test_who_started_a_run_is_in_the_record_of_its_start() -> None:
    assert starters([record()]) == ONE


def test_a_run_without_a_name_of_its_own_is_known_by_the_answers_arn() -> None:
    assert starters([record(requestParameters={"stateMachineArn": SETTINGS.state_machine})]) == ONE


def test_a_record_without_an_answer_is_known_by_what_was_asked() -> None:
    assert starters([record(responseElements=None)]) == ONE


@pytest.mark.parametrize(
    "changed",
    [
        {"responseElements": {"executionArn": f"{ARN}-2"}},
        {"responseElements": None, "requestParameters": None},
        {"responseElements": None, "requestParameters": {"name": INCIDENT}},
        {"errorCode": "AccessDenied", "responseElements": None},
        {"errorCode": "AccessDenied"},
        {"eventName": "StopExecution"},
        {"eventSource": "evil.example"},
    ],
)
def test_other_records_are_not_this_runs_start(changed: dict[str, Any]) -> None:
    assert starters([record(**changed)]) == ()


def test_all_pages_are_read_and_everybody_is_named_who_started_it() -> None:
    rule = {
        "type": "AssumedRole",
        "principalId": "AROA1:s",
        "arn": "arn:x",
        "invokedBy": "events.amazonaws.com",
    }
    assert starters([record(), record({"type": "AWSService", "invokedBy": "x"})], [], [record(rule)]) == (
        *ONE,
        Starter("AWSService", service="x"),
        Starter("AssumedRole", "arn:x", "AROA1:s", "events.amazonaws.com"),
    )


def test_more_than_can_be_read_is_not_known() -> None:
    """What is not read may be the first start."""
    assert starters(*[[record()]] * 20, endless=True) is None


def send(code: str = "") -> bool:
    stepfunctions = client("stepfunctions")
    with Stubber(stepfunctions) as stub:
        if code:
            stub.add_client_error("send_task_success", code, "the token is secret-token")
        else:
            asked = {"taskToken": "secret-token", "output": '{"approved": true}'}
            stub.add_response("send_task_success", {}, asked)
        return WaitingRuns(stepfunctions).answer("secret-token", approved=True)


def test_a_run_goes_on_with_a_plain_yes() -> None:
    assert send()


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_run_that_does_not_wait_is_no_error(code: str) -> None:
    assert not send(code)


def test_aws_words_of_a_refusal_are_not_handed_on() -> None:
    """They may repeat the token."""
    with pytest.raises(AwsRefused) as refused:
        send("AccessDeniedException")
    assert "secret" not in str(refused.value) and refused.value.code == "AccessDeniedException"
    with pytest.raises(AwsUnavailable):
        send("ThrottlingException")
