"""What was planned for this very state is attached and deployed, and nothing else; who asks, asks first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from regrant.baseline.capture import capture_baseline
from regrant.change.attach import attach_policies
from regrant.change.redeploy import redeploy_service
from regrant.errors import NotOfThisRun
from regrant.model.run import CloseEvent, RunState
from regrant.report.close import close_incident
from tests.unit.fakes import (
    CONTAIN,
    INCIDENT,
    INCIDENT_OF_WORKER,
    RECEIVE,
    SEND,
    World,
    at,
    diagnosed,
)
from tests.unit.run import Run

LEASED = replace(INCIDENT_OF_WORKER, leased=True)


def captured(world: World) -> Run:
    run = Run(world, LEASED, diagnosed(world.roles.role))
    run.capture()
    return run


def run_of(world: World, state: RunState) -> Run:
    run = Run(world, state.incident, state.diagnosis)
    run.state = state
    return run


STATES: dict[str, Callable[[RunState], RunState]] = {
    "another run": lambda s: replace(s, incident=replace(s.incident, id="made-up", subject="made-up")),
    "another plan": lambda s: replace(s, diagnosis=diagnosed(attach=(RECEIVE, SEND))),
    "another answer": lambda s: replace(s, diagnosis=replace(CONTAIN, answer={"approved": True})),
    "another end": lambda s: _with_baseline(s, grant_ends_at=at(10**9)),
    "another deployment": lambda s: _with_baseline(s, primary_deployment="ecs-svc/7"),
    "another hold": lambda s: replace(s, incident=replace(s.incident, trigger="words")),
}


def _with_baseline(state: RunState, **changed: Any) -> RunState:
    assert state.baseline is not None
    return replace(state, baseline=replace(state.baseline, **changed))


@pytest.mark.parametrize("change", STATES)
def test_what_is_not_planned_for_this_state_is_neither_attached_nor_deployed(change: str) -> None:
    world = World()
    run = captured(world)
    world.fuse.passed = 0
    other = run_of(world, STATES[change](run.state))
    for step in (other.attach, other.redeploy):
        with pytest.raises(NotOfThisRun):
            step()
    assert world.journal.entries == {} == world.schedules.at
    assert world.roles.role.attached == () and len(world.services.redeployed) == 0
    assert run.attach().attached == (RECEIVE,)


HALF: dict[str, Callable[[RunState], RunState]] = {
    "as opened": lambda s: RunState(s.incident),
    "without a plan": lambda s: replace(s, diagnosis=replace(diagnosed(), plan=None)),
    "without a baseline": lambda s: replace(s, baseline=None),
}


@pytest.mark.parametrize("half", HALF)
def test_a_state_that_no_run_sends_there_is_refused_in_words(half: str) -> None:
    world = World()
    state = HALF[half](captured(world).state)
    for step in (attach_policies, redeploy_service):
        with pytest.raises(NotOfThisRun, match=INCIDENT):
            step(state, world, at(40))


def test_nor_is_a_state_taken_in_which_nothing_is_to_be_attached_or_deployed() -> None:
    world = World()
    state = captured(world).state
    no_end = _with_baseline(state, grant_ends_at="")
    no_entry = replace(state, incident=replace(state.incident, entry=None))
    no_service = replace(state, incident=replace(state.incident, service=None))
    for step, forged in (
        (attach_policies, no_end),
        (attach_policies, no_entry),
        (redeploy_service, no_service),
    ):
        with pytest.raises(NotOfThisRun, match=INCIDENT):
            step(forged, world, at(40))
    assert world.roles.role.attached == () and world.services.redeployed == []


def test_the_schedule_of_a_real_grant_outlives_a_forged_one() -> None:
    world = World()
    run = captured(world)
    run.attach()
    before = dict(world.schedules.at)
    assert before
    with pytest.raises(NotOfThisRun):
        run_of(world, STATES["another plan"](run.state)).attach()
    kept = _with_baseline(run.state, kept=(RECEIVE,))
    with pytest.raises(NotOfThisRun):
        run_of(world, kept).attach()
    assert world.schedules.at == before


def test_a_plan_is_that_of_the_last_baseline() -> None:
    """The first was recorded, its answer was lost, and the account has moved since."""
    world = World()
    first = captured(world)
    again = Run(world, LEASED, replace(diagnosed(world.roles.role), at=at(30), checks=2))
    again.capture(31)
    with pytest.raises(NotOfThisRun):
        first.attach(32)
    assert again.attach(33).attached == (RECEIVE,)


class NotAsked(Exception):
    pass


def refuse() -> None:
    raise NotAsked


@pytest.mark.parametrize("brief", [True, False])
def test_a_baseline_is_asked_for_before_anything_is_written(brief: bool) -> None:
    world = World()
    mode = "contain" if brief else "cure"
    state = RunState(replace(LEASED, mode=mode), CONTAIN)
    with pytest.raises(NotAsked):
        capture_baseline(state, world, at(2), refuse)
    assert world.fuse.passed == 0 and world.leases.held == {} == world.journal.baselines


def closed(run: Run, ask: Callable[[], object]) -> str:
    event = CloseEvent(msgspec.to_builtins(run.state), at(300), {}, run.state.incident.id)
    return close_incident(event, run.world, ask).outcome


def test_a_run_whose_plan_is_in_the_journal_is_closed_without_a_question_once() -> None:
    world = World()
    run = captured(world)
    run.attach()
    closed(run, refuse)
    assert world.journal.closed and world.topic.sent
    with pytest.raises(NotAsked):
        closed(run, refuse)
    assert len(world.topic.sent) == 1


@pytest.mark.parametrize("change", STATES)
def test_any_other_state_is_not_reported_before_the_question(change: str) -> None:
    world = World()
    run = captured(world)
    with pytest.raises(NotAsked):
        closed(run_of(world, STATES[change](run.state)), refuse)
    assert world.topic.sent == [] and not world.journal.closed


@pytest.mark.parametrize("state", [{"Error": "AwsRefused"}, RunState(INCIDENT_OF_WORKER), RunState(LEASED)])
def test_nor_is_a_run_that_has_no_plan(state: Any) -> None:
    world = World()
    event = CloseEvent(msgspec.to_builtins(state), at(300), {}, INCIDENT)
    with pytest.raises(NotAsked):
        close_incident(event, world, refuse)
    assert world.topic.sent == [] and not world.journal.closed


def test_what_is_planned_is_no_change_yet() -> None:
    world = World()
    run = captured(world)
    assert world.changes() == [] and len(world.journal.load(INCIDENT).plans) == 1
    run.attach()
    assert [change.kind for change in world.changes()] == ["attach"]
