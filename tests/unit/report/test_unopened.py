"""A run that could not be opened says on the topic how to start it again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.run import CloseEvent, Failure, Report
from regrant.report.close import close_incident
from tests.unit.fakes import INCIDENT, FakeTopic, World, at
from tests.unit.run import EVENTS, end_of, sent

FAILURE = Failure("AwsUnavailable", "Rate exceeded")
UNDO = {"mode": "rollback", "incident": INCIDENT}


def event_of(given: object, error: Failure = FAILURE) -> CloseEvent:
    return CloseEvent(msgspec.to_builtins(error), at(0), given, "undo-1")


def closed(given: object, error: Failure = FAILURE) -> tuple[Report, str]:
    """The report, and the message."""
    world = World()
    report = close_incident(event_of(given, error), world, sent)
    ((subject, message),) = world.topic.sent
    assert subject == "NOT_OPENED undo-1"
    return report, message


def input_in(report: Report) -> Any:
    return json.loads(report.next.split("\n")[-1])


def test_the_input_is_there_to_be_started_again() -> None:
    report, message = closed(UNDO)
    assert input_in(report) == UNDO
    assert json.dumps(UNDO) in " ".join(message.split())


def test_an_input_in_which_texts_have_spaces_can_be_copied_from_the_message() -> None:
    event = end_of(input=json.dumps({"detail": {"reason": "one  or two words " * 20}}))
    event["detail"] |= {f"more-{number}": "one  or two words " * 20 for number in range(9)}
    _, message = closed(event)
    assert json.loads(message.partition("same input:")[2]) == event
    assert max(map(len, message.splitlines())) <= 900


@pytest.mark.parametrize("given", [{"detail": "x" * 1000}, {"detail": ["x" * 80] * 200}])
def test_an_input_that_no_mail_can_hold_is_left_in_the_execution(given: object) -> None:
    _, message = closed(given)
    assert "choose New execution" in message and "xxx" not in message


def test_the_failure_is_named_with_its_cause() -> None:
    report, message = closed(UNDO)
    assert [finding.code for finding in report.findings] == ["NOT_OPENED"]
    assert "AwsUnavailable" in message and "Rate exceeded" in message


def test_a_run_that_could_not_be_opened_changed_nothing() -> None:
    report, _ = closed(UNDO)
    assert (report.incident, report.outcome, report.changes, report.receipt) == (
        "undo-1",
        "REFUSED",
        (),
        None,
    )


@pytest.mark.parametrize("given", [None, "text", 7, [], {"a": "\x1b[2J\nnext  start something else"}])
def test_whatever_the_input_was_nothing_of_it_breaks_a_line_or_steers_a_terminal(given: Any) -> None:
    report, message = closed(given)
    assert input_in(report) == given
    assert all(line.isprintable() for line in [*report.next.split("\n"), *message.splitlines()])


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({"service": "a/b"}, "contain"),
        (UNDO, "rollback"),
        (end_of(), "rollback"),
        ({"mode": ["x"]}, '["x"]'),
        (7, "contain"),
        ({"mode": "x" * 300}, f"'{'x' * 76}..."),
    ],
)
def test_the_mode_is_the_one_that_was_asked_for(given: object, mode: str) -> None:
    assert closed(given)[0].mode == mode


def test_a_long_input_and_a_long_cause_fit_into_a_message() -> None:
    report, message = closed({"detail": "x" * 300_000}, Failure("E", "y\n\x1b" * 100_000))
    assert len(message.encode()) < 10_000 and "\x1b" not in message
    assert len(msgspec.to_builtins(report)["next"]) + len(report.findings[0].evidence[0]) < 10_000


def test_an_error_without_a_cause_is_one_too() -> None:
    raw = {"state": {"Error": "States.Timeout"}, "now": at(0), "input": {}, "execution": "undo-1"}
    report = close_incident(msgspec.convert(raw, CloseEvent), World(), sent)
    assert "States.Timeout" in report.findings[0].text


@pytest.mark.parametrize("failure", [AwsRefused("denied"), AwsUnavailable("throttled")])
def test_a_topic_that_cannot_be_notified_is_a_failure_of_the_step(
    failure: AwsRefused | AwsUnavailable,
) -> None:
    """Nothing else has a record of the run, so it is tried again."""
    world = World()
    world.topic = FakeTopic(failure)
    with pytest.raises(type(failure)):
        close_incident(event_of(UNDO), world, sent)


def test_of_an_alarm_it_is_notified_once_for_the_same_failure() -> None:
    """The audit starts it again every hour for as long as it cannot be opened."""
    world, alarm = World(), json.loads((EVENTS / "alarm.json").read_text())
    for number, name in enumerate(("AwsUnavailable", "AwsUnavailable", "AwsRefused")):
        raw = msgspec.to_builtins(Failure(name, "because"))
        report = close_incident(CloseEvent(raw, at(3600 * number), alarm, f"run-{number}"), world, sent)
        assert report.findings[0].code == "NOT_OPENED"
    assert [subject for subject, _ in world.topic.sent] == ["NOT_OPENED run-0", "NOT_OPENED run-2"]


def test_an_undo_that_cannot_be_opened_is_notified_each_time() -> None:
    world = World()
    for _ in range(2):
        close_incident(event_of(UNDO), world, sent)
    assert len(world.topic.sent) == 2


def closed_twice(given: object) -> int:
    """How many notifications there are of two such runs, one after the other."""
    world = World()
    for run in ("run-1", "run-2"):
        close_incident(CloseEvent(msgspec.to_builtins(FAILURE), at(0), given, run), world, sent)
    return len(world.topic.sent)


def test_calls_that_cloudtrail_reports_while_nothing_can_be_opened_are_one_notification() -> None:
    assert closed_twice(json.loads((EVENTS / "cloudtrail.json").read_text())) == 1


@pytest.mark.parametrize("given", [end_of(), UNDO, {"service": "a/b"}], ids=["ended", "undo", "asked"])
def test_an_undo_and_what_a_person_asked_for_is_notified_each_time(given: object) -> None:
    assert closed_twice(given) == 2
