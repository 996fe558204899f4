"""What roles of stacks ask of AWS is written down, if RECORD_CALLS names a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.account import LocalAccount
from sandbox.engine.recording import Asked, Recorded, Recorder, questions, read
from sandbox.iam.requests import Ask
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise, retainwise_account
from tests.statemachine.world import WORKER, World

POLICY = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.RECEIVE}"
OLD_ROLE = f"arn:aws:iam::{retainwise.ACCOUNT}:role/{retainwise.OLD_ROLE}"


def test_a_run_is_written_down_with_its_conditions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made" / "calls.jsonl"
    monkeypatch.setenv("RECORD_CALLS", str(path))
    with LocalAccount() as account:
        outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS)
        retainwise_account.create(account, redeploy="always")
        account.client("events").disable_rule(Name=outputs["AlarmRuleName"])
        world = World(account, outputs)
        world.after(60)
        world.run({"service": WORKER})
    calls = read(path)
    assert len(calls) == len(path.read_text().splitlines())
    asked = questions(calls)
    by_step = {(each.role.split("-")[1].removesuffix("FunctionRole"), each.action): each for each in asked}
    attach = by_step["AttachPolicies", "iam:AttachRolePolicy"]
    assert (attach.resource, dict(attach.context)) == (OLD_ROLE, {"iam:policyarn": (POLICY,)})
    passed = by_step["AttachPolicies", "iam:PassRole"]
    assert dict(passed.context) == {"iam:passedtoservice": ("scheduler.amazonaws.com",)}
    assert ("RunbookRole", "lambda:InvokeFunction") in by_step
    # Tasks and the administrator are no roles of a stack.
    assert {each.role.split("-")[0] for each in asked} == {"regrant"}


def test_nothing_is_written_down_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECORD_CALLS", raising=False)
    assert Recorder.from_environment() is None


def test_forks_add_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    recorder = Recorder(path)
    recorder.record("role", "sqs:SendMessage", [Ask("sqs:SendMessage", "first")])
    children = []
    for child in range(4):
        children.append(os.fork())
        if not children[-1]:
            recorder.record("role", "sqs:SendMessage", [Ask("sqs:SendMessage", "first")])
            for n in range(500):
                recorder.record("role", "sqs:SendMessage", [Ask("sqs:SendMessage", f"{child} {n}")])
            os._exit(0)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert len(path.read_text().splitlines()) == len(read(path)) == 1 + 4 * 500


def test_a_line_is_read_as_it_was_asked(tmp_path: Path) -> None:
    context = {"b": ("2", "3"), "a": "1"}
    asks = [Ask("ecs:UpdateService", "*", context), Ask("iam:PassRole", "one")]
    Recorder(tmp_path / "calls.jsonl").record("role", "ecs:UpdateService", asks)
    (call,) = read(tmp_path / "calls.jsonl")
    updated = Asked("role", "ecs:UpdateService", "*", (("a", ("1",)), ("b", ("2", "3"))))
    assert call == Recorded("ecs:UpdateService", (updated, Asked("role", "iam:PassRole", "one")))
