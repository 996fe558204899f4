"""`make answer` as a person runs it: another process, with a session's credentials, over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.account import LocalAccount
from sandbox.iam.requests import ACCOUNT
from sandbox.scenarios import approver
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise, retainwise_account
from scripts import answer, report
from scripts.asking import LOCAL
from tests.statemachine.happenings import ask_first, question
from tests.statemachine.world import WORKER, World

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def served() -> Iterator[World]:
    """A run waits for a person, and CloudTrail knows who started it."""
    with LocalAccount(http_port=0) as account:
        outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS)
        retainwise_account.create(account)
        account.trail.delay = 0
        world = World(account, outputs)
        account.client("events").disable_rule(Name=outputs["AlarmRuleName"])
        account.clock.run_for(60)
        ask_first(world)
        given = json.dumps({"service": WORKER})
        account.client("stepfunctions").start_execution(stateMachineArn=world.machine, input=given)
        account.clock.run_for(30)
        yield world


Made = subprocess.CompletedProcess[str]


def make(world: World, role: str | None = approver.ROLE, **variables: str) -> Made:
    """`make answer` with the variables of the question's command for yes, or others."""
    keys = {"AccessKeyId": "any", "SecretAccessKey": "any"}
    if role:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        sts: Any = world.account.client("sts")
        keys = sts.assume_role(RoleArn=arn, RoleSessionName="carol")["Credentials"]
    environment = {name: value for name, value in os.environ.items() if name[:4] not in ("AWS_", "MAKE")}
    environment |= {
        "AWS_ENDPOINT_URL": str(world.account.endpoint_url),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
    }
    environment |= {"AWS_SESSION_TOKEN": keys["SessionToken"]} if role else {}
    given = approver.command(question(world), "Yes") | variables
    words = (f"{name}={value}" for name, value in given.items())
    command = ["make", "--no-print-directory", "answer", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_the_report_of_a_run_that_waits_is_its_question(served: World) -> None:
    """With its two commands, for whoever has no mail; the token is in neither."""
    printed = report_of(served).stdout
    assert printed == f"The run has not ended. {question(served)}\n"
    assert printed.count("make answer RUN=") == 2


def test_the_question_of_an_earlier_run_of_that_name_is_not_this_runs(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (LOCAL | {"AWS_ENDPOINT_URL": str(served.account.endpoint_url)}).items():
        monkeypatch.setenv(name, value)
    run = served.executions()[-1]
    assert report.question_of(run).startswith("Run ")
    later = run | {"startDate": run["startDate"] + timedelta(days=100)}
    assert report.question_of(later) == "It does not wait for an approval."


def test_the_questions_command_answers_and_says_what_it_did(served: World) -> None:
    world = served
    refused = make(world, None)
    assert refused.returncode == 2 and "NOT_AN_APPROVER: " in refused.stderr  # make's own code for 1
    given = approver.command(question(world), "Yes")
    other = make(world, PLAN="0" * 64)
    assert "OTHER_PLAN: " in other.stderr and given["PLAN"] not in other.stderr and other.stdout == ""
    run = world.executions()[-1]["executionArn"]
    assert "OTHER_PLAN: " in make(world, RUN=run, PLAN="0" * 64).stderr
    assert "is no run of regrant-runbook" in make(world, RUN=run.replace(":regrant-", ":other-")).stderr
    said = make(world)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("APPROVED: ") and "assumed-role/approver/carol said yes" in said.stdout
    assert "ALREADY_ANSWERED: " in make(world).stderr
    assert "assumed-role/approver/carol said yes at 20" in report_of(world).stdout


def report_of(world: World) -> subprocess.CompletedProcess[str]:
    port = str(world.account.endpoint_url).rpartition(":")[2]
    command = ["make", "--no-print-directory", "report", f"PORT={port}"]
    command.append(f"RUN={world.executions()[-1]['name']}")
    environment = {name: value for name, value in os.environ.items() if name[:4] not in ("AWS_", "MAKE")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_a_run_name_that_a_shell_would_obey_reaches_no_shell(served: World) -> None:
    """Whoever may start runs chooses their names."""
    name = "x'$(touch pwned)'"
    assert "UNKNOWN_RUN: " in make(served, RUN=name.replace("$", "$$")).stderr
    assert not (ROOT / "pwned").exists()


@pytest.mark.parametrize(
    "variables",
    [{"ANSWER": "yes"}, {"ANSWER": ""}, {"RUN": ""}, {"PLAN": ""}],
)
def test_what_is_no_answer_is_not_sent(served: World, variables: dict[str, str]) -> None:
    assert "copy the command from the question" in make(served, **variables).stderr


def test_a_stack_that_is_not_there_and_credentials_without_the_rights_are_said_so(
    served: World,
) -> None:
    assert "There is no function other-answer-approval" in make(served, None, STACK="other").stderr
    iam: Any = served.account.client("iam")
    approver.create(served.account, "half")
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{approver.FUNCTION}"
    may = {"Effect": "Allow", "Action": "lambda:GetFunctionUrlConfig", "Resource": function}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_role_policy(RoleName="half", PolicyName="answer", PolicyDocument=document)
    assert "they need lambda:InvokeFunctionUrl and lambda:InvokeFunction" in make(served, "half").stderr
    iam.put_role_policy(RoleName="half", PolicyName="answer", PolicyDocument=document.replace("Get", "Put"))
    assert "You need lambda:GetFunctionUrlConfig" in make(served, "half").stderr


def test_the_local_account_takes_the_keys_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """They say who answers; without any it is the administrator."""
    for name in LOCAL:
        monkeypatch.delenv(name, raising=False)
    assert answer._given() == {}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIACAROL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    assert answer._given() == {"AWS_ACCESS_KEY_ID": "ASIACAROL"}
