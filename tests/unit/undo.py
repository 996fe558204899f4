"""A run that contained, as far as it came, and its undo step by step."""

import pytest

from regrant.baseline.capture import capture
from regrant.change.attach import attach_policies, redeploy
from regrant.model.results import Receipt, Restore
from regrant.undo.restore import check_restore, confirm_baseline, detach_policies, restore_service
from tests.unit.fakes import INCIDENT_OF_WORKER, PLAN, UNDO, WORKER, Crash, Fuse, World, at, diagnosed


def contain(world: World) -> None:
    mark = capture(
        INCIDENT_OF_WORKER,
        diagnosed(world.roles.role),
        world.services,
        world.roles,
        world.queues,
        world.holds,
        world.journal,
        at(2),
    )
    attach_policies(
        INCIDENT_OF_WORKER, PLAN, mark, world.roles, world.holds, world.journal, world.schedules, at(3)
    )
    redeploy(INCIDENT_OF_WORKER, mark, None, world.services, world.journal, at(5))


def primary(world: World) -> str:
    assert world.services.state is not None and world.services.state.primary is not None
    return world.services.state.primary.id


def restore(world: World, seconds: float = 100) -> Restore:
    return restore_service(UNDO, world.services, world.journal, at(seconds))


def finish(world: World, restoring: Restore) -> Receipt:
    """The steps after the wait for the service."""
    detach_policies(UNDO, world.roles, world.holds, world.journal, world.schedules, at(116))
    return confirm_baseline(
        UNDO, restoring, world.services, world.roles, world.revisions, world.holds, world.journal, at(117)
    )


def undo(world: World) -> Receipt:
    restoring = restore(world)
    if restoring.verdict == "PENDING":
        world.services.finish()
        restoring = look(world, restoring)
        assert restoring.verdict == "HEALTHY"
    return finish(world, restoring)


def look(world: World, restoring: Restore) -> Restore:
    return check_restore(restoring, WORKER, world.services, at(115))


def contained(moment: int = 0) -> World:
    """The account after a run that crashed at the moment, or that went to its end."""
    world = World(Fuse(blows_at=moment))
    if moment:
        with pytest.raises(Crash):
            contain(world)
    else:
        contain(world)
    return world
