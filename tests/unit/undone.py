"""The account after a containment, as far as it came, and that incident's undo by a run of its own."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.model.aws import name_of
from regrant.model.results import Receipt
from regrant.model.run import RunState
from tests.unit import cure
from tests.unit.fakes import INCIDENT, OLD_ROLE, RECEIVE, UNDO, WORKER, Crash, Fuse, World, at
from tests.unit.run import Run, contain

UNDO_OF_THE_GRANT = RunState(replace(UNDO, role=OLD_ROLE))
POLICY = f"--role-name {name_of(OLD_ROLE)} --policy-arn {RECEIVE}"
SERVICE = f"--cluster {WORKER.cluster} --service {WORKER.name}"


def contained(moment: int = 0, world: World | None = None) -> World:
    """The account after a containment that crashed at the moment, or that came as far as its deployment.

    Its run has ended since.
    """
    world = world or World(Fuse(blows_at=moment))
    try:
        contain(world)
    except Crash:
        assert moment
    world.executions.ended[INCIDENT] = at(30)
    return world


def undo(world: World, seconds: float = 100) -> Receipt:
    return cure.undo(world, UNDO, seconds)


def restoring(world: World, seconds: float = 100) -> Run:
    """The undo after its first look at the service."""
    run = Run(world, UNDO)
    assert run.undo_role(seconds).next == "SERVICE"
    run.undo_service(seconds)
    return run


def primary(world: World) -> str:
    """The id of the primary deployment."""
    assert world.services.state is not None and world.services.state.primary is not None
    return world.services.state.primary.id
