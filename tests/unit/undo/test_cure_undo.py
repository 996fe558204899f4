"""A cure that does not hold is undone exactly, wherever it and its undo crashed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant import grants
from regrant.errors import BaselineDiffers
from tests.unit.cure import (
    BACKEND,
    EXPIRY,
    LATER,
    UNDO_OF_CURE,
    UNDO_OF_EXPIRY,
    another_grant,
    crashed,
    granted,
    let_go,
    run,
    standing,
    undo,
)
from tests.unit.fakes import (
    DEFINITION,
    INCIDENT,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    RUNNING,
    UNDO,
    Crash,
    World,
    at,
)
from tests.unit.run import Run

# Before and after each change of: register (intent, ECS, done), redeploy (intent, ECS, done),
# withdraw (intent, IAM, schedule, hold, done).
MOMENTS = range(1, 23)
# And of its undo: put back (schedule, hold, IAM, undone, shown, hold), restore (intent, ECS, done),
# deregister (ECS, undone).
UNDOING = range(1, 23)


def test_a_cure_has_no_more_moments_than_those() -> None:
    world = granted()
    assert run(world).withdrawal is not None
    assert world.fuse.passed == len(MOMENTS)
    let_go(world)
    undo(world)
    assert world.fuse.passed == len(UNDOING)


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_the_cure_crashed_everything_is_as_before(moment: int) -> None:
    before = standing(granted())
    world = crashed(moment)
    receipt = undo(world)
    assert receipt.equal and receipt.changed_by_others == () and receipt.grants_of_others == ()
    assert standing(world) == before


@pytest.mark.parametrize("moment", UNDOING)
def test_wherever_its_undo_crashed_it_can_be_done_again(moment: int) -> None:
    before, world = standing(granted()), granted()
    run(world)
    let_go(world)
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        undo(world)
    let_go(world)
    receipt = undo(world, seconds=LATER + 700)
    assert receipt.equal and receipt.changed_by_others == ()
    assert standing(world) == before
    assert set(world.revisions.inactive) == {NEWER_DEFINITION}


@pytest.mark.parametrize("moment", range(1, 11))
def test_wherever_an_expiry_crashed_the_grant_is_as_before(moment: int) -> None:
    before = standing(granted())
    world = crashed(moment, EXPIRY)
    assert undo(world, UNDO_OF_EXPIRY).equal
    assert standing(world) == before


def test_a_second_undo_of_a_cure_is_a_no_op() -> None:
    world = granted()
    run(world)
    let_go(world)
    undo(world)
    world.fuse.passed = 0
    assert undo(world, seconds=LATER + 900).equal
    assert world.fuse.passed == 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_step_that_crashed_and_is_tried_again_does_everything_once(moment: int) -> None:
    before, world = standing(granted()), granted()
    world.fuse.blows_at = moment
    withdrawal = run(world, retries=1).withdrawal
    assert withdrawal is not None and (withdrawal.removed, withdrawal.next) == ((RECEIVE,), "WATCH")
    assert list(world.revisions.registered) == [NEWER_DEFINITION]
    assert len(world.services.redeployed) == 2  # the containment's, and this one
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE), world.schedules.at) == ((), (), {})
    let_go(world)
    assert undo(world).equal
    assert standing(world) == before


def test_what_is_put_back_waits_for_the_run_that_is_changing_the_role() -> None:
    world = granted()
    run(world)
    # The cure has not ended for all that is known: its role is its own.
    waiting = Run(world, UNDO_OF_CURE).undo_role(LATER + 600)
    assert (waiting.next, waiting.phase, waiting.waits_for) == ("WAIT", "PUT_BACK", "cure-1")
    assert (waiting.put_back, world.roles.role.attached) == (None, ())


def shared() -> World:
    """Another service's incident holds the worker's policy too."""
    world = granted()
    another_grant(world, "run-2", BACKEND)
    world.fuse.passed = 0
    return world


def test_a_hold_that_was_let_go_for_another_incident_is_there_again() -> None:
    before, world = standing(shared()), shared()
    run(world)
    assert [hold.incident for hold in world.holds.of(OLD_ROLE)] == ["run-2"]
    let_go(world)
    assert undo(world).equal
    assert standing(world) == before


# Before and after each change: IAM, schedule, hold.
@pytest.mark.parametrize("moment", range(1, 7))
def test_wherever_that_crashed_it_can_be_done_again(moment: int) -> None:
    before, world = standing(shared()), shared()
    run(world)
    let_go(world)
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        undo(world)
    let_go(world)
    assert undo(world).equal
    assert standing(world) == before


def test_what_has_ended_with_the_other_incident_since_is_granted_again() -> None:
    world = shared()
    run(world)
    let_go(world)
    world.roles.detach(OLD_ROLE, RECEIVE)  # run-2 is undone: nobody has the grant on record any more
    (theirs,) = world.holds.of(OLD_ROLE)
    grants.drop(world, OLD_ROLE, theirs, "undo-of-2", at(LATER + 400), detached=True)
    assert undo(world).equal
    assert world.roles.role.attached == (RECEIVE,)
    assert [hold.incident for hold in world.holds.of(OLD_ROLE)] == [INCIDENT]


def test_the_undo_of_a_containment_does_not_bring_its_own_hold_back() -> None:
    world = granted()
    undo(world, UNDO)
    assert Run(world, replace(UNDO, id="again", role=OLD_ROLE)).undo_role(LATER).put_back == ()
    assert world.holds.of(OLD_ROLE) == () and world.roles.role == ROLE


def test_what_another_service_runs_is_named_and_the_rest_is_undone() -> None:
    world = granted()
    run(world)
    let_go(world)
    world.services.others[BACKEND] = replace(RUNNING, task_definition=NEWER_DEFINITION, deployments=())
    receipt = undo(world)
    assert receipt.equal and receipt.changed_by_others == (f"+ revision.{NEWER_DEFINITION} = true",)
    assert NEWER_DEFINITION in world.revisions.registered
    assert world.services.state is not None and world.services.state.task_definition == DEFINITION


def test_an_old_revision_that_was_deregistered_is_not_deployed() -> None:
    world = granted()
    run(world)
    let_go(world)
    world.revisions.inactive.append(DEFINITION)
    deployed = list(world.services.redeployed)
    undoing = Run(world, UNDO_OF_CURE)
    last = undoing.undo(LATER)
    assert (last.next, last.service) == ("CONFIRM", "UNHEALTHY")
    assert last.evidence[0] == "retainwise-worker:1, which it ran before, has been deregistered."
    assert world.services.redeployed == deployed
    with pytest.raises(BaselineDiffers, match="retainwise-worker:2"):
        undoing.confirm(LATER + 32)


def test_what_a_person_deployed_instead_of_it_is_the_end_of_the_undo() -> None:
    world = granted()
    run(world)
    let_go(world)
    world.revisions.inactive.append(DEFINITION)
    Run(world, UNDO_OF_CURE).undo(LATER)
    world.services.somebody_deploys(DEFINITION.replace(":1", ":3"))
    let_go(world)
    assert undo(world, replace(UNDO_OF_CURE, id="undo-9"), LATER + 600).equal
    assert NEWER_DEFINITION in world.revisions.inactive


def test_a_revision_that_is_being_replaced_is_waited_for() -> None:
    world = granted()
    run(world)
    let_go(world)
    world.services.somebody_deploys(DEFINITION.replace(":1", ":3"))
    undoing = Run(world, UNDO_OF_CURE)
    undoing.undo_role(LATER)
    waiting = undoing.undo_service(LATER)
    assert (waiting.next, waiting.service) == ("WAIT", "PENDING")
    world.services.finish()
    assert undoing.undo_service(LATER + 15).deregistered == (NEWER_DEFINITION,)
