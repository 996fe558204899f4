"""What a cure registered is deregistered once, unless somebody needs it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.change.redeploy import register_revision
from regrant.errors import RevisionDiffers
from regrant.model.aws import Baseline
from regrant.model.journal import Change
from regrant.model.run import Plan
from regrant.undo.service import deregister
from tests.unit.cure import CURE, UNDO_OF_CURE
from tests.unit.fakes import (
    DEFINITION,
    NEWER_DEFINITION,
    OLD,
    OLD_ROLE,
    ROLE,
    RUNNING,
    WORKER,
    WORKER_ROLE,
    World,
    at,
)

PLAN = Plan(OLD_ROLE, (), True, DEFINITION, WORKER_ROLE)


def registered() -> World:
    world = World()
    register_revision(CURE, PLAN, WORKER_ROLE, world, at(4))
    return world


def deregistered(world: World) -> tuple[str, ...]:
    """The revisions (ARNs) that the undo has deregistered."""
    world.journal.keep_baseline(CURE.id, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    return deregister(UNDO_OF_CURE, world.journal.load(CURE.id), world, at(9))


def test_a_revision_is_deregistered_once() -> None:
    world = registered()
    assert deregistered(world) == (NEWER_DEFINITION,)
    assert deregistered(world) == ()
    assert world.revisions.inactive == [NEWER_DEFINITION]


def test_a_copy_that_was_refused_is_deregistered_too() -> None:
    world = World()
    world.revisions.wrong = ('cpu: "256" -> absent',)
    with pytest.raises(RevisionDiffers):
        register_revision(CURE, PLAN, WORKER_ROLE, world, at(4))
    assert deregistered(world) == (NEWER_DEFINITION,)


def test_a_revision_that_the_service_runs_stays_registered() -> None:
    world = registered()
    running = replace(OLD, task_definition=NEWER_DEFINITION, status="ACTIVE")
    world.services.state = replace(RUNNING, deployments=(OLD, running))
    assert deregistered(world) == () and world.revisions.inactive == []
    assert [c.undone_at for c in world.journal.load(CURE.id).changes] == [None]


def test_an_intent_that_ecs_never_heard_of_leaves_nothing() -> None:
    world = World()
    world.journal.intend(CURE.id, Change("register", DEFINITION, DEFINITION, at(3), role=WORKER_ROLE))
    assert deregistered(world) == ()
    (change,) = world.journal.load(CURE.id).changes
    assert (change.done_at, change.undone_at) == (None, at(9))


def test_a_service_that_is_gone_runs_nothing() -> None:
    world = registered()
    world.services.state = None
    assert deregistered(world) == (NEWER_DEFINITION,)
