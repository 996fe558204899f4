"""`make report`: the page of one run, asked of a served account over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from regrant.report.render import render
from sandbox.account import LocalAccount
from scripts import report
from scripts.asking import LOCAL
from tests.unit.cure import granted, undo_report
from tests.unit.fakes import UNDO

PAGE = undo_report(granted(), UNDO, 600)
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:regrant-runbook"


@pytest.mark.parametrize(
    ("execution", "page", "found"),
    [
        ({"status": "SUCCEEDED", "output": msgspec.json.encode(PAGE).decode()}, render(PAGE), True),
        (
            {"status": "FAILED", "error": "RolledBack", "cause": msgspec.json.encode(PAGE).decode()},
            render(PAGE),
            True,
        ),
        ({"status": "RUNNING"}, "The run has not ended.", False),
        ({"status": "ABORTED", "cause": "by hand"}, "ended ABORTED without a report: by hand", False),
        ({"status": "FAILED", "error": "E", "cause": "a\x1b[2Jb"}, "without a report: E a\\u001b[2Jb", False),
    ],
    ids=["succeeded", "failed", "running", "stopped", "no report could be made"],
)
def test_the_page_is_that_of_the_mail_or_says_why_there_is_none(
    execution: dict[str, Any], page: str, found: bool
) -> None:
    printed, is_report = report.page_of(execution)
    assert page in printed and is_report is found


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAccount]:
    for name in ("AWS_ENDPOINT_URL", *LOCAL):
        monkeypatch.setenv(name, "")  # so that what main sets is taken back
    with LocalAccount(http_port=0) as account:
        role = account.client("iam").create_role(RoleName="states", AssumeRolePolicyDocument="{}", Path="/")[
            "Role"
        ]["Arn"]
        states: Any = account.client("stepfunctions")
        definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
        states.create_state_machine(name="regrant-runbook", definition=json.dumps(definition), roleArn=role)
        states.start_execution(
            stateMachineArn=MACHINE, name="run-1", input=msgspec.json.encode(PAGE).decode()
        )
        account.clock.run_for(5)
        yield account


def test_it_is_asked_for_by_name(served: LocalAccount, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = str(served.endpoint_url)
    assert report.main(["--run", "run-1", "--endpoint", endpoint]) == 0
    assert capsys.readouterr().out == render(PAGE) + "\n"
    assert report.main(["--run", "run-2", "--endpoint", endpoint]) == 2
    assert "regrant-runbook has no execution run-2" in capsys.readouterr().err


def test_a_run_whose_question_cannot_be_read_is_said_so(served: LocalAccount) -> None:
    """Here there is no function to ask for the table's name."""
    os.environ.update(LOCAL | {"AWS_ENDPOINT_URL": str(served.endpoint_url)})
    running = {"status": "RUNNING", "name": "run-3", "stateMachineArn": MACHINE}
    asked = report.question_of(running)
    assert asked.startswith("If it waits for an approval, its question cannot be read here: ")
    assert report.page_of(running, asked) == (f"The run has not ended. {asked}", False)


def test_without_a_run_it_says_how_it_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([]) == 2
    assert "make report RUN=" in capsys.readouterr().err
