"""One revision a cure, however often its step runs; and out again, unless somebody needs it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.change.redeploy import deregister_revision, register_revision
from regrant.errors import RevisionDiffers, ServiceChanged
from regrant.model.aws import Baseline
from regrant.model.journal import Change
from regrant.model.results import Deregistration, Revision
from regrant.model.run import Plan
from tests.unit.cure import CURE, UNDO_OF_CURE, granted, let_go, run, undo
from tests.unit.fakes import (
    DEFINITION,
    NEWER_DEFINITION,
    OLD,
    OLD_ROLE,
    ROLE,
    RUNNING,
    WORKER,
    WORKER_ROLE,
    Crash,
    World,
    at,
)

PLAN = Plan(OLD_ROLE, (), True, DEFINITION, WORKER_ROLE)
THIRD = DEFINITION.replace("worker:1", "worker:3")


def register(world: World) -> Revision:
    return register_revision(CURE, PLAN, world.revisions, world.journal, at(4))


def deregister(world: World) -> Deregistration:
    world.journal.keep_baseline(CURE.id, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    return deregister_revision(UNDO_OF_CURE, world.revisions, world.services, world.journal, at(9))


def test_a_copy_with_the_declared_role_is_registered_and_recorded() -> None:
    world = World()
    assert register(world).task_definition == NEWER_DEFINITION
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
    assert register(world) == register(world)
    assert len(world.revisions.registered) == 1


def test_an_equal_copy_that_was_there_before_the_intent_is_not_taken_for_ours() -> None:
    world = World()
    world.revisions.registered[NEWER_DEFINITION] = (DEFINITION, WORKER_ROLE)
    world.fuse.blows_at = 2
    with pytest.raises(Crash):
        register(world)
    world.fuse.blows_at = 0
    assert register(world).task_definition == THIRD


def test_another_revision_that_somebody_registered_meanwhile_is_not_taken_for_ours() -> None:
    world = World()
    world.fuse.blows_at = 2
    with pytest.raises(Crash):
        register(world)
    world.fuse.blows_at = 0
    world.revisions.registered[NEWER_DEFINITION] = (DEFINITION, OLD_ROLE)
    assert register(world).task_definition == THIRD


def test_a_copy_that_differs_in_more_than_its_role_is_recorded_and_refused() -> None:
    world = World()
    world.revisions.wrong = ('cpu: "256" -> absent',)
    with pytest.raises(RevisionDiffers, match=r"is no copy of .*: cpu"):
        register(world)
    assert deregister(world).revisions == (NEWER_DEFINITION,)


def test_a_revision_that_the_service_runs_stays_registered() -> None:
    world = World()
    register(world)
    running = replace(OLD, task_definition=NEWER_DEFINITION, status="ACTIVE")
    world.services.state = replace(RUNNING, deployments=(OLD, running))
    assert deregister(world).revisions == () and world.revisions.inactive == []
    assert [c.undone_at for c in world.journal.load(CURE.id).changes] == [None]


def test_a_revision_is_deregistered_once() -> None:
    world = World()
    register(world)
    assert deregister(world).revisions == (NEWER_DEFINITION,)
    assert deregister(world).revisions == ()
    assert world.revisions.inactive == [NEWER_DEFINITION]


def test_an_intent_that_ecs_never_heard_of_leaves_nothing() -> None:
    world = World()
    world.journal.intend(CURE.id, Change("register", DEFINITION, DEFINITION, at(3), role=WORKER_ROLE))
    assert deregister(world).revisions == ()
    (change,) = world.journal.load(CURE.id).changes
    assert (change.done_at, change.undone_at) == (None, at(9))


def test_a_service_that_is_gone_runs_nothing() -> None:
    world = World()
    register(world)
    world.services.state = None
    assert deregister(world).revisions == (NEWER_DEFINITION,)


def test_a_colleague_who_deploys_between_the_baseline_and_the_cure_keeps_their_revision() -> None:
    world = granted()
    register_ = world.revisions.register

    def meanwhile(arn: str, role: str) -> str:
        world.services.somebody_deploys(f"{DEFINITION}0")
        return register_(arn, role)

    world.revisions.register = meanwhile  # type: ignore[method-assign]
    with pytest.raises(ServiceChanged):
        run(world)
    let_go(world)
    receipt = undo(world)
    assert receipt.equal and any(":10" in line for line in receipt.changed_by_others)
    assert world.revisions.inactive == [NEWER_DEFINITION]
