"""The event of a run's end, as EventBridge delivers it, and what it asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.closing import close_incident
from regrant.ended_run import EVENT
from regrant.models import OpenEvent
from regrant.opening import open_incident
from regrant.request import Request
from regrant.triggers import read_trigger
from tests.unit.fakes import INCIDENT, SETTINGS, UNDO, FakeCatalogue, at
from tests.unit.test_closing import DONE
from tests.unit.undo import contained


def ended(**detail: Any) -> dict[str, Any]:
    told = {
        "executionArn": f"{SETTINGS.state_machine.replace('stateMachine', 'execution')}:{INCIDENT}",
        "stateMachineArn": SETTINGS.state_machine,
        "name": INCIDENT,
        "status": "ABORTED",
        "startDate": 1,
        "stopDate": 2,
        "input": '{"service": "a/b"}',
        "output": None,
    }
    return {"source": "aws.states", "detail-type": EVENT, "detail": told | detail}


def read(**detail: Any) -> Request:
    return read_trigger(ended(**detail), SETTINGS)


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
        ({"name": "a b"}, "OTHER_STATE_MACHINE"),
        ({"name": None}, "OTHER_STATE_MACHINE"),
        ({"status": "SUCCEEDED"}, "RUN_NOT_ENDED"),
        ({"input": json.dumps(ended())}, "UNDO_STOPPED"),
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


def test_a_run_that_had_changed_nothing_is_not_undone() -> None:
    refusal = opened(closed=False, changed=False).refusal
    assert refusal is not None and (refusal.code, refusal.outcome) == ("NOTHING_TO_UNDO", "NOTHING_TO_FIX")


def test_a_run_that_had_reported_is_not_undone() -> None:
    refusal = opened(closed=True).refusal
    assert refusal is not None and refusal.code == "NOTHING_TO_UNDO"


def test_a_run_that_was_stopped_in_the_middle_is_undone() -> None:
    incident = opened(closed=False)
    assert (incident.mode, incident.subject, incident.refusal) == ("rollback", INCIDENT, None)


def opened(*, closed: bool, changed: bool = True) -> Any:
    world = contained()
    if not changed:
        world.journal.baselines.clear()
    if closed:
        close_incident(DONE, world.journal, world.leases, world.topic, at(300))
    event = OpenEvent(ended(), at(400), "rescue")
    return open_incident(event, FakeCatalogue({}), world.services, world.journal, SETTINGS)
