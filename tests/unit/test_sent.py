"""A step's event is what the run that it names waits for, or nothing is done."""

from __future__ import annotations

from typing import Any

import pytest

from regrant.errors import AwsRefused, AwsUnavailable, NotOfThisRun
from regrant.model.aws import Sent
from regrant.origin.sent import raise_unless_sent
from tests.unit.fakes import FakeExecutions

EVENT: dict[str, Any] = {"state": {"incident": {"id": "run-1"}, "grant": {"at": 1.0}}, "now": "then"}
CLOSE: dict[str, Any] = {"state": {"Error": "AwsRefused"}, "execution": "run-1", "now": "then"}


def ask(event: Any, sent: Sent | None, step: str = "undo-role") -> None:
    executions = FakeExecutions(sent={"run-1": sent} if sent else {})
    raise_unless_sent(event, step, lambda: executions)


@pytest.mark.parametrize("event", [EVENT, CLOSE], ids=["a state", "a run that was not opened"])
def test_what_the_run_waits_for_is_of_the_run(event: dict[str, Any]) -> None:
    ask(event, Sent("regrant-undo-role", dict(reversed(event.items()))))


@pytest.mark.parametrize(
    "sent",
    [
        Sent("regrant-undo-service", EVENT),
        Sent("regrant-undo-role", EVENT | {"now": "later"}),
        Sent("regrant-undo-role", {"state": {"incident": {"id": "run-1"}}, "now": "then"}),
        Sent(),
    ],
    ids=["to another function", "of another time", "of another state", "nothing"],
)
def test_what_the_run_does_not_wait_for_may_be_shown_in_a_moment(sent: Sent) -> None:
    with pytest.raises(AwsUnavailable, match="'run-1'"):
        ask(EVENT, sent)


@pytest.mark.parametrize(
    "event",
    [EVENT, {"state": {"incident": {"id": 7}}}, {"state": {}}, {"state": 7}, {}, EVENT | {"execution": None}],
)
def test_of_a_run_that_does_not_go_on_nothing_is_done(event: dict[str, Any]) -> None:
    with pytest.raises(NotOfThisRun):
        ask(event, None)


@pytest.mark.parametrize(
    "name", ["", "a:b", "run*", "run-1/../x", "a run", "run-1\n", "x" * 81, "\u202erun", 7, None]
)
def test_what_is_no_name_of_an_execution_is_not_asked_about(name: object) -> None:
    """AWS might say of an ARN that it cannot read what an undo passes over: that the stack may not ask."""

    def executions() -> FakeExecutions:
        raise AwsRefused("not authorized", "AccessDeniedException")

    for event in ({"execution": name}, {"state": {"incident": {"id": name}}}):
        with pytest.raises(NotOfThisRun):
            raise_unless_sent(event, "undo-role", executions)


@pytest.mark.parametrize("code", ["AccessDeniedException", "KmsAccessDeniedException"])
def test_an_undo_does_not_stop_where_the_stack_may_not_ask(code: str) -> None:
    class Denied(FakeExecutions):
        def waits_for(self, execution: str) -> Sent | None:
            raise AwsRefused("not authorized", code)

    for step in ("undo-role", "undo-service", "close-incident", "page-operator"):
        raise_unless_sent(EVENT, step, Denied)
    for step in ("capture-baseline", "withdraw-grants", "ask-approval"):
        with pytest.raises(AwsRefused):
            raise_unless_sent(EVENT, step, Denied)


@pytest.mark.parametrize("error", [AwsUnavailable("throttled"), AwsRefused("invalid", "InvalidName")])
def test_a_flood_of_questions_opens_no_undo(error: Exception) -> None:
    class Throttled(FakeExecutions):
        def waits_for(self, execution: str) -> Sent | None:
            raise error

    with pytest.raises(type(error)):
        raise_unless_sent(EVENT, "undo-role", Throttled)
