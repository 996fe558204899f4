"""A second emulator is asked what the local account is asked; nothing that is not on this machine is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from runtimes.opinion import __main__ as opinion
from runtimes.opinion.place import NotThere, Place, raise_if_not_there
from runtimes.opinion.questions import QUESTIONS
from sandbox.account import LocalAccount

ROOT = Path(__file__).parents[2]


def asked(account: LocalAccount) -> tuple[int, str]:
    """What another process is answered while the account is served, and how it ended."""
    nowhere = "http://192.0.2.1"
    hostile = {"AWS_ENDPOINT_URL": nowhere, "HTTP_PROXY": nowhere}
    asking = subprocess.Popen(
        [sys.executable, "-m", "runtimes.opinion", "--endpoint", str(account.endpoint_url)],
        cwd=ROOT,
        env=os.environ | hostile | {"PYTHONPATH": "functions"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    account.clock.run(until=lambda: asking.poll() is not None, limit=float("inf"))
    said, _ = asking.communicate()
    return asking.returncode, said


def test_the_served_local_account_agrees_with_itself_twice_and_keeps_nothing() -> None:
    """Twice, because an emulator may still have what was asked the last time."""
    with LocalAccount(http_port=0, pace=20) as account:
        for _ in range(2):
            code, said = asked(account)
            assert f"{len(QUESTIONS)} agree, 0 differ, 0 could not be compared" in said, said
            assert code == 0
        assert account.client("iam").list_roles()["Roles"] == []
        assert account.client("dynamodb").list_tables()["TableNames"] == []
        assert account.client("scheduler").list_schedules()["Schedules"] == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "127.0.0.1:4566",
        "https://sqs.us-east-1.amazonaws.com",
        "http://192.168.0.1:4566",
        "http://0.0.0.0:4566",
        "http://localhost.localstack.cloud:4566",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://user@127.0.0.1",
        "ftp://127.0.0.1",
    ],
)
def test_an_endpoint_that_is_not_on_this_machine_is_refused(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opinion, "_of_local_account", lambda: pytest.fail("it began to ask"))
    assert opinion.main(["--endpoint", endpoint]) == 2
    assert "Nothing was asked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [("", "no ENDPOINT is given"), ("127.0.0.1:4566", "does not begin with http:// or https://")],
)
def test_it_says_which_part_of_the_endpoint_is_missing(
    endpoint: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opinion.main(["--endpoint", endpoint]) == 2
    assert words in capsys.readouterr().err


def test_an_emulator_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opinion, "_of_local_account", lambda: [None] * len(QUESTIONS))
    assert opinion.main(["--endpoint", "http://127.0.0.1:1"]) == 2
    assert "Could not connect" in capsys.readouterr().err


def test_what_differs_is_shown_with_both_answers(capsys: pytest.CaptureFixture[str]) -> None:
    theirs: list[Any] = ["same", "other", NotThere("PutRule: 501"), *["same"] * (len(QUESTIONS) - 3)]
    assert opinion._report(["same"] * len(QUESTIONS), theirs) == 1
    said = capsys.readouterr().out
    assert "the local account: same" in said and "the emulator:      other" in said
    assert "the emulator has no PutRule: 501" in said
    assert f"{len(QUESTIONS) - 2} agree, 1 differ, 1 could not be compared" in said


@pytest.mark.parametrize(
    ("code", "status", "missing"),
    [
        ("NotImplemented", 501, True),
        ("InternalFailure", 501, True),
        ("UnknownOperationException", 400, True),
        ("AccessDenied", 403, False),
        ("NoSuchEntity", 404, False),
    ],
)
def test_what_an_emulator_lacks_is_no_difference(code: str, status: int, missing: bool) -> None:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = ClientError(answer, "GetRole")
    if not missing:
        raise_if_not_there(error)
        return
    with pytest.raises(NotThere, match=f"GetRole: {code}"):
        raise_if_not_there(error)


def test_what_cannot_be_undone_there_ends_nothing() -> None:
    def fail() -> None:
        raise ClientError({"Error": {"Code": "NoSuchEntity"}}, "DeleteRole")

    undone: list[str] = []
    with Place(lambda _: None) as place:
        place.later(lambda: undone.append("first"))
        place.later(fail)
        place.later(lambda: undone.append("last"))
    assert undone == ["last", "first"]
