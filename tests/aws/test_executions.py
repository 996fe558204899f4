"""Runs that are started by name, once each."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.executions import StateMachineExecutions
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import Sent
from tests.aws.account import client
from tests.unit.fakes import SETTINGS

GIVEN = {"mode": "expire", "incident": "run-1"}
NAME = "expire-20251112T23-5e3b7f0a"


@pytest.fixture
def stepfunctions() -> Any:
    made = client("stepfunctions")
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    role = "arn:aws:iam::123456789012:role/regrant-runbook"
    made.create_state_machine(name="regrant-runbook", definition=definition, roleArn=role)
    return made


def test_a_run_is_started_once_under_a_name(stepfunctions: Any) -> None:
    runs = StateMachineExecutions(stepfunctions, SETTINGS.state_machine)
    runs.start(NAME, GIVEN)
    runs.start(NAME, GIVEN)
    (run,) = stepfunctions.list_executions(stateMachineArn=SETTINGS.state_machine)["executions"]
    assert run["name"] == NAME
    shown = stepfunctions.describe_execution(executionArn=run["executionArn"])
    assert json.loads(shown["input"]) == GIVEN


def test_a_name_whose_run_has_ended_counts_as_started(stepfunctions: Any) -> None:
    with Stubber(stepfunctions) as stub:
        stub.add_client_error("start_execution", "ExecutionAlreadyExists", http_status_code=400)
        StateMachineExecutions(stepfunctions, SETTINGS.state_machine).start(NAME, GIVEN)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDeniedException", AwsRefused),
        ("StateMachineDoesNotExist", AwsRefused),
        ("ExecutionLimitExceeded", AwsRefused),
        ("ThrottlingException", AwsUnavailable),
    ],
)
def test_every_other_answer_is_an_error(stepfunctions: Any, code: str, error: type[Exception]) -> None:
    with Stubber(stepfunctions) as stub:
        stub.add_client_error("start_execution", code, http_status_code=400)
        with pytest.raises(error):
            StateMachineExecutions(stepfunctions, SETTINGS.state_machine).start(NAME, GIVEN)


def history(*events: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Of those types and details, the oldest first, as GetExecutionHistory answers it backwards."""
    shown = [
        {"timestamp": datetime(2026, 3, 2, tzinfo=UTC), "type": kind, "id": n} | details
        for n, (kind, details) in enumerate(events)
    ]
    return {"events": shown[::-1]}


FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:regrant-undo-role"
ENTERED = ("TaskStateEntered", {"stateEnteredEventDetails": {"name": "UndoRole", "input": "{}"}})
SCHEDULED = (
    "LambdaFunctionScheduled",
    {"lambdaFunctionScheduledEventDetails": {"resource": FUNCTION, "input": '{"now": "then"}'}},
)
STARTED: tuple[str, dict[str, Any]] = ("LambdaFunctionStarted", {})
WITH_TOKEN = {"FunctionName": f"{FUNCTION}:7", "Payload": {"token": "the-token"}}
ASKED = (
    "TaskScheduled",
    {
        "taskScheduledEventDetails": {
            "resourceType": "lambda",
            "resource": "invoke.waitForTaskToken",
            "region": "us-east-1",
            "parameters": json.dumps(WITH_TOKEN),
        }
    },
)
SENT = Sent("regrant-undo-role", {"now": "then"})


@pytest.mark.parametrize(
    ("events", "sent"),
    [
        ((ENTERED, SCHEDULED, STARTED), SENT),
        ((ENTERED, SCHEDULED), SENT),
        ((ENTERED, SCHEDULED, STARTED, ("LambdaFunctionFailed", {}), SCHEDULED, STARTED), SENT),
        ((ENTERED, ASKED, ("TaskStarted", {})), Sent("regrant-undo-role", {"token": "the-token"})),
        ((ENTERED, ASKED, ("TaskStarted", {}), ("TaskSubmitted", {})), Sent()),
        ((ENTERED,), Sent()),
        ((ENTERED, SCHEDULED, STARTED, ("LambdaFunctionSucceeded", {})), Sent()),
        ((ENTERED, SCHEDULED, STARTED, ("ExecutionAborted", {})), None),
        ((ENTERED, SCHEDULED, STARTED, ("LambdaFunctionFailed", {}), ("ExecutionFailed", {})), None),
    ],
    ids=[
        *("called", "about to be called", "tried again", "with a token", "waits for the token", "entered"),
        *("answered", "stopped", "failed"),
    ],
)
def test_a_run_waits_for_the_call_that_is_under_way(
    stepfunctions: Any, events: tuple[tuple[str, dict[str, Any]], ...], sent: Sent | None
) -> None:
    with Stubber(stepfunctions) as stub:
        stub.add_response("get_execution_history", history(*events))
        assert StateMachineExecutions(stepfunctions, SETTINGS.state_machine).waits_for(NAME) == sent


@pytest.mark.parametrize("code", ["ExecutionDoesNotExist", "InvalidArn", "ValidationException"])
def test_there_is_no_run_of_what_is_no_name(stepfunctions: Any, code: str) -> None:
    with Stubber(stepfunctions) as stub:
        stub.add_client_error("describe_execution", code, http_status_code=400)
        assert StateMachineExecutions(stepfunctions, SETTINGS.state_machine).look("a run") is None


@pytest.mark.parametrize(
    ("code", "sent"),
    [("ExecutionDoesNotExist", Sent()), ("InvalidArn", None), ("ValidationException", None)],
)
def test_a_run_that_is_not_known_yet_may_be_in_a_moment(
    stepfunctions: Any, code: str, sent: Sent | None
) -> None:
    with Stubber(stepfunctions) as stub:
        stub.add_client_error("get_execution_history", code, http_status_code=400)
        assert StateMachineExecutions(stepfunctions, SETTINGS.state_machine).waits_for("a run") == sent


def test_who_may_not_see_histories_does_not_take_a_run_for_ended(stepfunctions: Any) -> None:
    with Stubber(stepfunctions) as stub:
        stub.add_client_error("get_execution_history", "AccessDeniedException", http_status_code=400)
        with pytest.raises(AwsRefused):
            StateMachineExecutions(stepfunctions, SETTINGS.state_machine).waits_for(NAME)
