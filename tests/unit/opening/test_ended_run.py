"""The event of a run's end, as EventBridge delivers it, and what it asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.model.run import Incident
from regrant.opening.request import Request
from regrant.opening.trigger import read_trigger
from regrant.settings import Allowed
from tests.unit.fakes import INCIDENT, SETTINGS, UNDO, World
from tests.unit.run import contain, end_of, opened


def read(**detail: Any) -> Request:
    return read_trigger(end_of(**detail), SETTINGS, Allowed)


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "FAILED"])
def test_a_run_that_ended_is_to_be_undone(status: str) -> None:
    asked = read(status=status)
    assert (asked.mode, asked.incident, asked.ended, asked.refusal) == ("rollback", INCIDENT, INCIDENT, None)
    assert status in asked.trigger


def test_an_undo_that_ended_is_to_be_done_again() -> None:
    asked = read(name=UNDO.id, input=json.dumps({"mode": "rollback", "incident": INCIDENT}))
    assert (asked.incident, asked.ended) == (INCIDENT, UNDO.id)


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        ({"stateMachineArn": "arn:aws:states:us-east-1:1:stateMachine:other"}, "OTHER_STATE_MACHINE"),
        ({"executionArn": "arn:aws:states:us-east-1:1:execution:other:a"}, "OTHER_STATE_MACHINE"),
        ({"name": "a b"}, "OTHER_STATE_MACHINE"),
        ({"name": None}, "OTHER_STATE_MACHINE"),
        ({"status": "SUCCEEDED"}, "RUN_NOT_ENDED"),
        ({"input": json.dumps(end_of())}, "UNDO_STOPPED"),
    ],
)
def test_another_event_undoes_nothing(detail: dict[str, Any], code: str) -> None:
    refusal = read(**detail).refusal
    assert refusal is not None and refusal.code == code


@given(
    st.dictionaries(st.sampled_from(["name", "status", "input", "stateMachineArn"]), st.text() | st.none())
)
def test_whatever_the_event_holds_it_is_read_or_refused(detail: dict[str, Any]) -> None:
    asked = read(**detail)
    assert asked.refusal or asked.incident


def rescue(*, closed: bool = False, changed: bool = True) -> Incident:
    """What the event opens at the end of a containment."""
    world = World()
    run = contain(world)
    if not changed:
        world.journal.baselines.clear()
    if closed:
        run.close()
    return opened(world, end_of(), 400, started=400, name="rescue-1")


def test_a_run_that_had_changed_nothing_is_not_undone() -> None:
    refusal = rescue(changed=False).refusal
    assert refusal is not None and (refusal.code, refusal.outcome) == ("NOTHING_TO_UNDO", "NOTHING_TO_FIX")


def test_a_run_that_had_reported_is_not_undone() -> None:
    refusal = rescue(closed=True).refusal
    assert refusal is not None and refusal.code == "NOTHING_TO_UNDO"


def test_a_run_that_was_stopped_in_the_middle_is_undone() -> None:
    incident = rescue()
    assert (incident.mode, incident.subject, incident.next) == ("rollback", INCIDENT, "UNDO")
    assert (incident.ended, incident.refusal) == (INCIDENT, None)


def nested(depth: int, innermost: dict[str, Any] | None = None) -> dict[str, Any]:
    """The event of a rescue's end, whose input is the event of the end before, and so on."""
    event = end_of(input=json.dumps(innermost or {"service": "a/b"}))
    for number in range(1, depth):
        event = end_of(name=f"rescue-{number}", status="TIMED_OUT", input=json.dumps(event))
    return event


@pytest.mark.parametrize("status", ["TIMED_OUT", "FAILED"])
@pytest.mark.parametrize("rescues", [1, 2])
def test_a_rescue_that_died_is_begun_again_for_the_first_run(status: str, rescues: int) -> None:
    asked = read(name="rescue-9", status=status, input=json.dumps(nested(rescues)))
    assert (asked.incident, asked.ended, asked.refusal) == (INCIDENT, "rescue-9", None)


@pytest.mark.parametrize("status", ["TIMED_OUT", "FAILED", "ABORTED"])
def test_the_third_rescue_in_a_row_is_the_last(status: str) -> None:
    refusal = read(name="rescue-9", status=status, input=json.dumps(nested(3))).refusal
    assert refusal is not None and refusal.code == "UNDO_STOPPED"
    assert f'"incident": "{INCIDENT}"' in refusal.next


@pytest.mark.parametrize("rescues", [1, 2, 3])
def test_a_rescue_that_a_person_stopped_stays_stopped(rescues: int) -> None:
    refusal = read(name="rescue-9", status="ABORTED", input=json.dumps(nested(rescues))).refusal
    assert refusal is not None and refusal.code == "UNDO_STOPPED"


def test_the_rescue_of_an_undo_by_hand_is_for_what_that_was_to_undo() -> None:
    by_hand = {"mode": "rollback", "incident": "contain-1"}
    asked = read(name="rescue-9", status="FAILED", input=json.dumps(nested(2, by_hand)))
    assert (asked.incident, asked.ended) == ("contain-1", "rescue-9")


@pytest.mark.parametrize("mode", ["cure", "expire"])
def test_a_cure_or_an_expiry_that_ended_is_undone_itself(mode: str) -> None:
    asked = read(name="run-9", input=json.dumps({"mode": mode, "incident": "contain-1"}))
    assert (asked.incident, asked.ended) == ("run-9", "run-9")
