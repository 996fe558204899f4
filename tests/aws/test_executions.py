"""Runs that are started by name, once each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.executions import StateMachineExecutions
from regrant.errors import AwsRefused, AwsUnavailable
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
