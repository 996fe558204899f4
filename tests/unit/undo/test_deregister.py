"""What a cure registered is deregistered once, unless a service runs it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import RevisionDiffers
from regrant.model.aws import Baseline
from regrant.model.catalogue import Service
from regrant.model.journal import Change
from regrant.model.run import Plan
from regrant.undo.service import deregister
from tests.unit.cure import BACKEND, CURE, UNDO_OF_CURE, register
from tests.unit.fakes import (
    ACCOUNT,
    ALLOWED,
    DEFINITION,
    NEWER_DEFINITION,
    OLD,
    OLD_ROLE,
    REGION,
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
    register(world, PLAN)
    return world


def deregistered(world: World, seconds: float = 9) -> tuple[str, ...]:
    """The revisions (ARNs) that the undo has deregistered."""
    world.journal.keep_baseline(CURE.id, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    return deregister(UNDO_OF_CURE, world.journal.load(CURE.id), world, at(seconds))[0]


def left_for(world: World) -> list[str | None]:
    return [change.left_for for change in world.journal.load(CURE.id).changes]


def test_a_revision_is_deregistered_once() -> None:
    world = registered()
    assert deregistered(world) == (NEWER_DEFINITION,)
    assert deregistered(world) == ()
    assert world.revisions.inactive == [NEWER_DEFINITION]


def test_a_copy_that_was_refused_is_deregistered_too() -> None:
    world = World()
    world.revisions.wrong = ('cpu: "256" -> absent',)
    with pytest.raises(RevisionDiffers):
        register(world, PLAN)
    assert deregistered(world) == (NEWER_DEFINITION,)


def test_a_revision_that_the_service_runs_stays_registered() -> None:
    world = registered()
    running = replace(OLD, task_definition=NEWER_DEFINITION, status="ACTIVE")
    world.services.state = replace(RUNNING, deployments=(OLD, running))
    assert deregistered(world) == () and world.revisions.inactive == []
    assert [c.undone_at for c in world.journal.load(CURE.id).changes] == [None]


def test_a_revision_that_another_service_runs_is_left_and_named() -> None:
    world = registered()
    world.services.others[BACKEND] = replace(RUNNING, task_definition=NEWER_DEFINITION, deployments=())
    assert deregistered(world) == () and world.revisions.inactive == []
    assert left_for(world) == [f"{BACKEND} runs it"]


def test_a_revision_that_another_services_deployment_still_runs_is_left() -> None:
    world = registered()
    draining = replace(OLD, task_definition=NEWER_DEFINITION, status="ACTIVE")
    world.services.others[BACKEND] = replace(RUNNING, deployments=(OLD, draining))
    assert deregistered(world) == () and left_for(world) == [f"{BACKEND} runs it"]


def test_a_service_of_another_managed_cluster_counts() -> None:
    world = registered()
    elsewhere = Service("another-cluster", "reports")
    cluster = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{elsewhere.cluster}"
    world.allowed.allowed = replace(ALLOWED, clusters=ALLOWED.clusters | {cluster})
    world.services.others[elsewhere] = replace(RUNNING, task_definition=NEWER_DEFINITION, deployments=())
    assert deregistered(world) == () and left_for(world) == [f"{elsewhere} runs it"]


def test_the_first_of_many_services_are_named() -> None:
    world = registered()
    for number in range(5):
        many = Service(WORKER.cluster, f"service-{number}")
        world.services.others[many] = replace(RUNNING, task_definition=NEWER_DEFINITION, deployments=())
    deregistered(world)
    names = ", ".join(f"{WORKER.cluster}/service-{number}" for number in range(3))
    assert left_for(world) == [f"{names} and 2 more run it"]


def test_a_revision_that_was_left_is_deregistered_by_a_later_undo_when_nothing_runs_it() -> None:
    world = registered()
    world.services.others[BACKEND] = replace(RUNNING, task_definition=NEWER_DEFINITION, deployments=())
    deregistered(world)
    world.services.others[BACKEND] = RUNNING
    assert deregistered(world, 99) == (NEWER_DEFINITION,)
    (change,) = world.journal.load(CURE.id).changes
    assert (change.left_for, change.undone_at) == (None, at(99))


def test_nobody_is_asked_who_runs_what_was_not_registered() -> None:
    world = World()
    world.services.running_in = None  # type: ignore[method-assign,assignment]
    assert deregistered(world) == ()


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
