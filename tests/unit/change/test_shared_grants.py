"""Two incidents that need one policy on one role: the grant goes when the last of them is undone."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.baseline.capture import capture
from regrant.change.attach import attach_policies
from regrant.model.results import BaselineMark, Receipt, Restore
from regrant.model.run import Incident
from regrant.undo.restore import confirm_baseline, detach_policies
from tests.unit.fakes import INCIDENT_OF_WORKER, OLD_ROLE, PLAN, RECEIVE, World, at, diagnosed

FIRST = replace(INCIDENT_OF_WORKER, id="run-1", subject="run-1")
SECOND = replace(INCIDENT_OF_WORKER, id="run-2", subject="run-2")
SETTLED = Restore("HEALTHY", 0, at(90), at(90), evidence=("settled",))


def grant(world: World, incident: Incident, second: float) -> BaselineMark:
    mark = capture(
        incident,
        diagnosed(world.roles.role),
        world.services,
        world.roles,
        world.queues,
        world.holds,
        world.journal,
        at(second),
    )
    attach_policies(
        incident, PLAN, mark, world.roles, world.holds, world.journal, world.schedules, at(second)
    )
    return mark


def undo(world: World, incident: Incident, second: float) -> Receipt:
    detach_policies(incident, world.roles, world.holds, world.journal, world.schedules, at(second))
    return confirm_baseline(
        incident,
        SETTLED,
        world.services,
        world.roles,
        world.revisions,
        world.holds,
        world.journal,
        at(second + 1),
    )


def both_granted() -> World:
    world = World()
    first, second = grant(world, FIRST, 2), grant(world, SECOND, 10)
    # A temporary grant is no state of the role's, so both began with the same.
    assert first.sha256 == second.sha256
    return world


def test_the_first_undo_leaves_what_the_other_needs_and_names_it() -> None:
    world = both_granted()
    receipt = undo(world, FIRST, 100)
    assert receipt.equal and world.roles.role.attached == (RECEIVE,)
    (line,) = receipt.grants_of_others
    assert line.startswith(RECEIVE) and "run-2" in line
    assert receipt.changed_by_others == ()


def test_the_last_undo_takes_it_off_whichever_that_is() -> None:
    for one, other in ((FIRST, SECOND), (SECOND, FIRST)):
        world = both_granted()
        undo(world, one, 100)
        receipt = undo(world, other, 200)
        assert receipt.equal and receipt.grants_of_others == ()
        assert world.roles.role.attached == () and world.holds.of(OLD_ROLE) == ()


def test_what_somebody_attached_before_us_is_nobodys_grant() -> None:
    world = World()
    world.roles.attach(OLD_ROLE, RECEIVE)
    mark = grant(world, FIRST, 2)
    assert (mark.kept, world.holds.of(OLD_ROLE), world.changes()) == ((RECEIVE,), (), [])
    assert undo(world, FIRST, 100).equal
    assert world.roles.role.attached == (RECEIVE,)


def test_an_undo_that_is_done_again_takes_nothing_from_the_other() -> None:
    world = both_granted()
    undo(world, FIRST, 100)
    assert undo(world, FIRST, 150).equal
    assert world.roles.role.attached == (RECEIVE,)
