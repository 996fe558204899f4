"""Denials from before a run's own attachment are no reason to look for another layer."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.model.journal import Hold
from regrant.model.run import Diagnosis
from tests.unit.fakes import DENIAL, INCIDENT_OF_WORKER, OLD_ROLE, RECEIVE, ROLE, WORKER, World, at
from tests.unit.run import Run


def granted(*denied: float, attached_at: float) -> World:
    """The policy is on the role as a run's grant since then; the tasks were denied at these times."""
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    hold = Hold(RECEIVE, "orders-1", str(WORKER), at(attached_at), attached_at=at(attached_at))
    world.holds.write(OLD_ROLE, hold)
    for seconds in denied:
        world.logs.write(seconds, DENIAL, "old-1")
    return world


def diagnosed(world: World) -> Diagnosis:
    return Run(world, INCIDENT_OF_WORKER).diagnose(0)


def code(diagnosis: Diagnosis) -> str | None:
    assert diagnosis.next == "NOTHING_TO_FIX"
    return diagnosis.refusal.code if diagnosis.refusal else None


def test_a_run_after_the_grant_says_since_when_the_call_is_allowed_and_by_which_run() -> None:
    diagnosis = diagnosed(granted(-300, -120, attached_at=-100))
    assert code(diagnosis) == "GRANTED_SINCE" and diagnosis.refusal is not None
    assert diagnosis.refusal.message == (
        f"Denied until {at(-120)}; prod-retainwise-sqs-worker was granted at {at(-100)} by run orders-1."
        " No denial was read since."
    )


def test_denials_while_the_attachment_spreads_are_from_before_it_once_they_have_ended() -> None:
    assert code(diagnosed(granted(-300, -180, attached_at=-200))) == "GRANTED_SINCE"
    assert code(diagnosed(granted(-300, -5, attached_at=-100))) is None


def test_a_denial_long_after_the_attachment_is_of_another_layer() -> None:
    assert code(diagnosed(granted(-500, -60, attached_at=-400))) is None


def test_what_this_tool_has_not_attached_says_nothing_of_when_the_call_was_allowed() -> None:
    world = granted(-300, attached_at=-100)
    world.holds.written.clear()
    assert code(diagnosed(world)) is None
