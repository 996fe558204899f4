"""The undo's phases: put back, restore the service, deregister, detach. In this order from wherever a run
crashed, and each may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from regrant.errors import GrantWithdrawn, ServiceNotSettled
from regrant.model.journal import Lease
from regrant.model.results import Undo
from regrant.model.run import Incident, RunState
from regrant.undo.role import undo_role
from regrant.undo.service import undo_service
from tests.unit import cure
from tests.unit.cure import EXPIRY, LATER, UNDO_OF_CURE, UNDO_OF_EXPIRY, let_go, standing
from tests.unit.fakes import (
    INCIDENT,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    UNDO,
    Crash,
    World,
    at,
    diagnosed,
)
from tests.unit.run import Run, contain
from tests.unit.undone import contained, restoring
from tests.unit.watch import Unread

ORDER = ("PUT_BACK", "RESTORE", "DEREGISTER", "DETACH")
SOON = LATER + 600
# As many waits as DecideUndo allows.
CHECKS = 180


class Story(NamedTuple):
    """A run that is undone: the account before it, the run, and the undo."""

    before: Callable[[], World]
    run: Callable[[World], object]
    undo: Incident


STORIES = [
    pytest.param(Story(World, contain, UNDO), id="contain"),
    pytest.param(Story(cure.granted, cure.run, UNDO_OF_CURE), id="cure"),
    pytest.param(Story(cure.granted, lambda w: cure.run(w, EXPIRY), UNDO_OF_EXPIRY), id="expire"),
]


def crashed(story: Story, moment: int) -> tuple[World, bool]:
    """The account after the run crashed at the moment, or had so few that it came to its end."""
    world, over = story.before(), True
    world.fuse.passed, world.fuse.blows_at = 0, moment
    try:
        story.run(world)
    except Crash:
        over = False
    let_go(world)
    return world, over


def accounts(story: Story) -> Iterator[World]:
    """The account after the run crashed at its first moment, at its second, and so on, and after it came to
    its end."""
    for moment in count(1):
        world, over = crashed(story, moment)
        yield world
        if over:
            return


Step = Callable[[RunState, World, str], Undo]


def once(step: Step, state: RunState, world: World, now: str) -> Undo:
    return step(state, world, now)


def twice(step: Step, state: RunState, world: World, now: str) -> Undo:
    """As when the answer of the first try was lost."""
    step(state, world, now)
    return step(state, world, now)


def retried(step: Step, state: RunState, world: World, now: str) -> Undo:
    """Tried again if it crashed."""
    try:
        return step(state, world, now)
    except Crash:
        return step(state, world, now)


def steps(
    world: World, incident: Incident, do: Callable[[Step, RunState, World, str], Undo] = once
) -> Iterator[RunState]:
    """The state after each step of the undo, as the graph runs it, until there is nothing left to undo.

    A service that is waited for has settled after the pause.
    """
    state, seconds, step = RunState(incident), SOON, undo_role
    for _ in range(20):
        undo = do(step, state, world, at(seconds))
        state = replace(state, undo=undo)
        yield state
        if undo.next == "CONFIRM":
            return
        step = undo_service if undo.next == "SERVICE" else undo_role
        if undo.next == "WAIT":
            seconds += 15
            world.services.finish()
    raise AssertionError(f"This undo does not end: {state.undo}")


def everything(world: World) -> tuple[Any, ...]:
    return (
        world.roles.role,
        world.services.state,
        world.services.redeployed,
        world.revisions.registered,
        world.revisions.inactive,
        world.journal.entries,
        world.holds.written,
        world.schedules.at,
    )


@pytest.mark.parametrize("story", STORIES)
def test_the_phases_follow_each_other_in_order(story: Story) -> None:
    for world in accounts(story):
        phases = [state.undo.phase for state in steps(world, story.undo) if state.undo]
        assert phases == sorted(phases, key=ORDER.index)


@pytest.mark.parametrize("story", STORIES)
def test_what_was_withdrawn_is_back_before_the_service_is_touched(story: Story) -> None:
    for world in accounts(story):
        for state in steps(world, story.undo):
            assert state.undo is not None
            record = world.journal.load(story.undo.subject)
            withdrawn = {change.value for change in record.changes if change.kind == "withdraw"}
            if state.undo.next == "SERVICE":
                assert withdrawn <= set(world.roles.role.attached)


@pytest.mark.parametrize("story", STORIES)
def test_nothing_is_detached_before_the_service_is_restored(story: Story) -> None:
    for world in accounts(story):
        detached = len(world.roles.detached)
        for state in steps(world, story.undo):
            if state.undo and state.undo.service in (None, "PENDING"):
                assert len(world.roles.detached) == detached


@pytest.mark.parametrize("story", STORIES)
def test_each_phase_twice_has_the_effect_of_once(story: Story) -> None:
    for world, again in zip(accounts(story), accounts(story), strict=True):
        list(steps(world, story.undo))
        list(steps(again, story.undo, twice))
        assert everything(again) == everything(world)


@pytest.mark.parametrize("story", STORIES)
def test_wherever_the_run_and_then_its_undo_crashed_everything_is_as_before(story: Story) -> None:
    before = standing(story.before())
    for first, _ in enumerate(accounts(story), start=1):
        for moment in count(1):
            world, _ = crashed(story, first)
            world.fuse.blows_at = moment
            list(steps(world, story.undo, retried))
            assert standing(world) == before
            if world.fuse.passed < moment:
                break


def lease(world: World, owner: str = "run-9") -> None:
    """That run is changing the role."""
    world.leases.held[f"role/{OLD_ROLE}"] = Lease(f"role/{OLD_ROLE}", owner, at(0), at(9 * LATER), owner)


def free(world: World, seconds: float) -> bool:
    """Whether another run could have the role."""
    held = world.leases.held.get(f"role/{OLD_ROLE}")
    return held is None or held.ends_at <= at(seconds)


@pytest.mark.parametrize("story", STORIES[1:])
def test_putting_back_waits_for_the_run_that_is_changing_the_role(story: Story) -> None:
    *_, world = accounts(story)
    lease(world)
    before, run = everything(world), Run(world, story.undo)
    waits = [run.undo_role(SOON), run.undo_role(SOON + 15)]
    assert [(undo.next, undo.phase, undo.checks, undo.waits_for) for undo in waits] == [
        ("WAIT", "PUT_BACK", 1, "run-9"),
        ("WAIT", "PUT_BACK", 2, "run-9"),
    ]
    assert everything(world) == before


@pytest.mark.parametrize("story", STORIES[1:])
def test_what_was_waited_for_is_put_back_when_the_role_is_free(story: Story) -> None:
    *_, world = accounts(story)
    lease(world)
    run = Run(world, story.undo)
    run.undo_role(SOON)
    let_go(world)
    undo = run.undo_role(SOON + 15)
    assert (undo.put_back, undo.waits_for) == ((RECEIVE,), None)
    assert world.roles.role.attached == (RECEIVE,)


def test_the_service_is_restored_while_another_run_has_the_role() -> None:
    world = contained()
    lease(world)
    run = restoring(world)
    world.services.finish()
    assert run.undo_service(115).service == "HEALTHY"


def test_detaching_waits_for_the_run_that_is_changing_the_role() -> None:
    world = contained()
    lease(world)
    run = restoring(world)
    world.services.finish()
    run.undo_service(115)
    waiting = run.undo_role(115)
    assert (waiting.next, waiting.phase, waiting.waits_for) == ("WAIT", "DETACH", "run-9")
    assert world.roles.role.attached == (RECEIVE,)


def test_a_service_that_is_restored_is_not_restored_again_after_waiting_for_the_role() -> None:
    world = contained()
    world.services.finish()
    lease(world)
    run = restoring(world)
    run.undo_role(100)
    let_go(world)
    assert run.undo_role(115).next == "CONFIRM"
    assert world.roles.role == ROLE


def test_a_role_is_taken_over_a_minute_after_the_run_that_had_it_ended() -> None:
    world = contained()
    world.services.finish()
    lease(world)
    world.executions.ended["run-9"] = at(80)
    run = restoring(world)
    assert (run.undo_role(139).next, run.undo_role(140).next) == ("WAIT", "CONFIRM")


@pytest.mark.parametrize("story", STORIES)
def test_while_the_service_settles_others_may_have_the_role(story: Story) -> None:
    *_, world = accounts(story)
    for state in steps(world, story.undo):
        if state.undo and state.undo.next == "SERVICE":
            assert free(world, SOON + 1)


def test_the_detaching_run_keeps_the_role_until_it_closes() -> None:
    world = contained()
    Run(world, UNDO).undo()
    assert world.leases.held[f"role/{OLD_ROLE}"].owner == UNDO.id


def test_a_service_that_was_not_changed_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    world = contained(7)  # before what was attached is recorded
    monkeypatch.setattr(world, "services", Unread())
    undo = Run(world, UNDO).undo_role(100)
    assert (undo.next, undo.service, undo.detached) == ("CONFIRM", "HEALTHY", (RECEIVE,))


def settles_never(world: World, incident: Incident, seconds: float) -> Run:
    """The undo of a service that fails on whatever is deployed, for as long as the state machine lets it."""
    run = Run(world, incident)
    undo = run.undo_role(seconds)
    while undo.next != "CONFIRM" and undo.checks < CHECKS:
        world.services.stall()
        seconds += 15 if undo.next == "WAIT" else 0
        undo = run.undo_service(seconds) if undo.next == "SERVICE" else run.undo_role(seconds)
    return run


def test_a_service_that_never_settles_is_waited_for_half_an_hour_and_then_loses_the_grant() -> None:
    world = contained()
    run = settles_never(world, UNDO, 100)
    undo = run.state.undo
    assert undo is not None and (undo.next, undo.service, undo.at) == ("CONFIRM", "UNHEALTHY", at(1900))
    assert world.roles.role == ROLE
    with pytest.raises(ServiceNotSettled):
        run.confirm(1901)


def test_the_revision_of_a_cure_is_left_where_the_service_still_runs_it() -> None:
    world = cure.granted()
    cure.run(world)
    let_go(world)
    run = Run(world, UNDO_OF_CURE)
    run.undo_role(SOON)
    run.undo_service(SOON)  # and its tasks are not replaced in the time that they have
    late = run.undo_service(SOON + 1800)
    assert (late.service, late.deregistered) == ("UNHEALTHY", ())
    assert list(world.revisions.registered) == [NEWER_DEFINITION]


# The schedule is made first: after that (2), and before the hold (3).
@pytest.mark.parametrize("moment", [2, 3])
def test_a_schedule_without_a_hold_is_cancelled(moment: int) -> None:
    world = contained(moment)
    assert len(world.schedules.at) == 1 and world.holds.written == {}
    Run(world, UNDO).undo()
    assert world.schedules.at == {}


def test_a_schedule_without_a_hold_is_cancelled_whoever_has_the_role() -> None:
    world = contained(3)
    lease(world)
    assert Run(world, UNDO).undo_role(100).next == "CONFIRM"
    assert world.schedules.at == {}


def test_a_schedule_that_a_run_made_when_it_was_redriven_after_its_undo_is_cancelled() -> None:
    world = World()
    run = contain(world)
    world.executions.ended[INCIDENT] = at(30)
    Run(world, UNDO).undo()
    let_go(world)
    with pytest.raises(GrantWithdrawn):
        run.attach(400)
    assert len(world.schedules.at) == 1
    run.undo(410)
    assert (world.schedules.at, world.roles.role) == ({}, ROLE)


def closed() -> Run:
    """The worker's containment, which closed and then could not go on."""
    world = World()
    run = contain(world)
    world.journal.closed[INCIDENT] = run.close()
    return run


def test_a_run_that_undoes_itself_after_it_was_closed_is_open_again() -> None:
    run = closed()
    run.undo_role(310)
    assert not run.world.journal.load(INCIDENT).closed


def test_a_record_that_was_opened_again_stays_so_while_the_role_is_waited_for() -> None:
    run = closed()
    run.world.services.finish()
    lease(run.world)
    run.undo(310, rounds=4)
    assert not run.world.journal.load(INCIDENT).closed


def test_the_undo_by_another_run_leaves_the_record_closed() -> None:
    run = closed()
    Run(run.world, UNDO).undo_role(400)
    assert run.world.journal.load(INCIDENT).closed


def test_a_run_undoes_itself_with_the_role_that_it_has_already() -> None:
    world = World()
    run = Run(world, INCIDENT_OF_WORKER, diagnosed())
    run.capture()
    world.fuse.blows_at = 5  # before IAM has the policy
    with pytest.raises(Crash):
        run.attach()
    assert not free(world, 10)
    assert run.undo_role(10).next == "CONFIRM"
    assert (world.holds.of(OLD_ROLE), world.schedules.at) == ((), {})
