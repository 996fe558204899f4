"""The account after a containment, as far as it came, and that incident's undo by a run of its own."""

from __future__ import annotations

from regrant.model.results import Receipt
from tests.unit import cure
from tests.unit.fakes import INCIDENT, UNDO, Crash, Fuse, World, at
from tests.unit.run import Run, contain


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
