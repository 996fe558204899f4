"""An undo by hand of a run that is not the last: what others have done since is theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from regrant.model.results import Receipt
from regrant.model.run import Incident
from tests.unit.cure import (
    CURE,
    DAY,
    EXPIRY,
    LATER,
    UNDO_OF_CURE,
    UNDO_OF_EXPIRY,
    granted,
    let_go,
    run,
    standing,
    undo,
)
from tests.unit.fakes import DEFINITION, INCIDENT, NEWER_DEFINITION, OLD_ROLE, RECEIVE, ROLE, UNDO, World

UNDO_OF_CONTAINMENT = replace(UNDO, id="undo-9", role=OLD_ROLE)


def cured() -> World:
    world = granted()
    run(world)
    let_go(world)
    return world


def expired() -> World:
    world = granted()
    run(world, EXPIRY, DAY)
    let_go(world)
    return world


def undo_containment(world: World, seconds: float) -> Receipt:
    receipt = undo(world, UNDO_OF_CONTAINMENT, seconds)
    let_go(world)
    return receipt


def test_the_undo_of_a_containment_that_was_cured_leaves_the_cure_alone() -> None:
    world = cured()
    receipt = undo_containment(world, 2 * LATER)
    assert receipt.equal and any(NEWER_DEFINITION in line for line in receipt.changed_by_others)
    state = world.services.state
    assert state is not None and state.task_definition == NEWER_DEFINITION
    assert list(world.revisions.registered) == [NEWER_DEFINITION]


@pytest.mark.parametrize("ended", [cured, expired])
def test_what_somebody_attached_after_the_grant_had_ended_is_theirs(
    ended: Callable[[], World],
) -> None:
    world = ended()
    world.roles.attach(OLD_ROLE, RECEIVE)
    receipt = undo_containment(world, 3 * DAY)
    assert receipt.equal and world.roles.role.attached == (RECEIVE,)
    assert receipt.changed_by_others[0] == f"+ role.attached.{RECEIVE} = true"


@pytest.mark.parametrize(("ended", "undoing"), [(cured, UNDO_OF_CURE), (expired, UNDO_OF_EXPIRY)])
def test_what_the_undo_of_a_later_run_put_back_goes_with_the_containment(
    ended: Callable[[], World], undoing: Incident
) -> None:
    world = ended()
    undo_containment(world, 2 * DAY)
    undo(world, undoing, 2 * DAY + 600)
    let_go(world)
    # As it was before the later run: granted, with its record and its end.
    assert world.roles.role.attached == (RECEIVE,)
    assert [hold.incident for hold in world.holds.of(OLD_ROLE)] == [INCIDENT]
    assert len(world.schedules.at) == 1
    receipt = undo_containment(world, 2 * DAY + 1200)
    assert receipt.equal and world.roles.role == ROLE
    assert (world.holds.of(OLD_ROLE), world.schedules.at) == ((), {})


def test_a_cure_of_a_service_whose_containment_was_undone_has_nothing_to_withdraw() -> None:
    world = granted()
    undo_containment(world, 600)
    before = standing(world)
    state = run(world)
    assert state.withdrawal is not None and state.withdrawal.removed == ()
    let_go(world)
    assert undo(world).equal and standing(world) == before


def test_the_undo_of_a_cure_after_somebody_deployed_takes_only_the_revision_out() -> None:
    world = cured()
    theirs = f"{DEFINITION}0"
    world.services.somebody_deploys(theirs)
    world.services.finish()
    receipt = undo(world)
    assert receipt.equal and any(theirs in line for line in receipt.changed_by_others)
    assert world.services.state is not None and world.services.state.task_definition == theirs
    assert world.revisions.inactive == [NEWER_DEFINITION]


def test_a_second_cure_after_the_undo_of_the_first_is_undone_for_itself() -> None:
    world = cured()
    undo(world)
    let_go(world)
    before = standing(world)
    again = replace(CURE, id="cure-2", subject="cure-2")
    run(world, again, 3 * LATER)
    let_go(world)
    assert undo(world, replace(UNDO_OF_CURE, subject="cure-2"), 4 * LATER).equal
    assert standing(world) == before
