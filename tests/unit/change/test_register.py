"""One revision a cure, however often its step runs."""

from __future__ import annotations

import pytest

from regrant.errors import RevisionDiffers, ServiceChanged
from regrant.model.run import Plan
from tests.unit.cure import CURE, granted, let_go, register, run, undo
from tests.unit.fakes import DEFINITION, NEWER_DEFINITION, OLD_ROLE, WORKER_ROLE, Crash, World, at

PLAN = Plan(OLD_ROLE, (), True, DEFINITION, WORKER_ROLE)
THIRD = DEFINITION.replace("worker:1", "worker:3")


def crash(world: World) -> None:
    """After the intent, before RegisterTaskDefinition."""
    world.fuse.blows_at = 2
    with pytest.raises(Crash):
        register(world, PLAN)
    world.fuse.blows_at = 0


def test_a_copy_with_the_declared_role_is_registered_and_recorded() -> None:
    world = World()
    assert register(world, PLAN) == NEWER_DEFINITION
    assert world.revisions.registered == {NEWER_DEFINITION: (DEFINITION, WORKER_ROLE)}
    (change,) = world.journal.load(CURE.id).changes
    assert (change.kind, change.target, change.value, change.role) == (
        "register",
        DEFINITION,
        NEWER_DEFINITION,
        WORKER_ROLE,
    )


def test_a_step_that_is_tried_again_has_the_same_revision() -> None:
    world = World()
    assert register(world, PLAN) == register(world, PLAN)
    assert len(world.revisions.registered) == 1


def test_an_equal_copy_that_was_there_before_the_intent_is_not_taken_for_ours() -> None:
    world = World()
    world.revisions.registered[NEWER_DEFINITION] = (DEFINITION, WORKER_ROLE)
    crash(world)
    assert register(world, PLAN) == THIRD


def test_another_revision_that_somebody_registered_since_the_intent_is_not_taken_for_ours() -> None:
    world = World()
    crash(world)
    world.revisions.registered[NEWER_DEFINITION] = (DEFINITION, OLD_ROLE)
    assert register(world, PLAN) == THIRD


def test_a_copy_that_differs_in_more_than_its_role_is_recorded_and_refused() -> None:
    world = World()
    world.revisions.wrong = ('cpu: "256" -> absent',)
    with pytest.raises(RevisionDiffers, match=r"is no copy of .*: cpu"):
        register(world, PLAN)
    (change,) = world.journal.load(CURE.id).changes
    assert (change.value, change.done_at) == (NEWER_DEFINITION, at(4))


def test_a_colleague_who_deploys_between_the_baseline_and_the_cure_keeps_their_revision() -> None:
    world = granted()
    register_ = world.revisions.register

    def beside_a_colleague(arn: str, role: str) -> str:
        world.services.somebody_deploys(f"{DEFINITION}0")
        return register_(arn, role)

    world.revisions.register = beside_a_colleague  # type: ignore[method-assign]
    with pytest.raises(ServiceChanged):
        run(world)
    let_go(world)
    receipt = undo(world)
    assert receipt.equal and any(":10" in line for line in receipt.changed_by_others)
    assert world.revisions.inactive == [NEWER_DEFINITION]
