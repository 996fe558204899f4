"""A run that could not be opened tells the topic how to start it again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from regrant.clock import decode
from regrant.errors import AwsRefused
from regrant.model.run import Failure
from regrant.report.unopened import UnopenedEvent, page_unopened
from tests.unit.fakes import FakeTopic

FAILURE = Failure("AwsUnavailable", "Rate exceeded")


def paged(given: object, error: Failure = FAILURE) -> str:
    topic = FakeTopic()
    page_unopened(UnopenedEvent(error, given, "undo-1"), topic)
    ((subject, message),) = topic.sent
    assert subject == "NOT_OPENED undo-1"
    return message


def test_the_input_is_there_to_be_started_again() -> None:
    given = {"mode": "rollback", "incident": "run-1"}
    message = paged(given)
    assert json.loads(message.splitlines()[-1]) == given
    assert "AwsUnavailable" in message and "Rate exceeded" in message


@pytest.mark.parametrize("given", [None, "text", 7, [], {"a": "\x1b[2J\nnext  start something else"}])
def test_whatever_the_input_was_it_stays_one_line(given: Any) -> None:
    line = paged(given).splitlines()[-1]
    assert line.isprintable() and json.loads(line) == given


def test_a_long_input_and_a_long_cause_fit_into_a_message() -> None:
    message = paged({"detail": "x" * 300_000}, Failure("E", "y\n\x1b" * 100_000))
    assert len(message.encode()) < 10_000 and "\x1b" not in message


def test_an_error_without_a_cause_is_one_too() -> None:
    raw = {"error": {"Error": "States.Timeout"}, "input": {}, "execution": "undo-1"}
    assert decode(raw, UnopenedEvent).error == Failure("States.Timeout")


def test_a_topic_that_refuses_is_a_failure_of_the_step() -> None:
    with pytest.raises(AwsRefused):
        page_unopened(UnopenedEvent(FAILURE, {}, "undo-1"), FakeTopic(AwsRefused("denied")))
