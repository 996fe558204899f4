"""Two incidents that need one policy on one role: the grant goes when the last of them is undone."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.model.results import BaselineMark, Receipt
from regrant.model.run import Incident
from tests.unit.cure import let_go
from tests.unit.fakes import INCIDENT_OF_WORKER, OLD_ROLE, RECEIVE, World, diagnosed
from tests.unit.run import Run

FIRST = replace(INCIDENT_OF_WORKER, id="run-1", subject="run-1")
SECOND = replace(INCIDENT_OF_WORKER, id="run-2", subject="run-2")


def grant(world: World, incident: Incident, second: float) -> BaselineMark:
    run = Run(world, incident, diagnosed(world.roles.role))
    mark = run.capture(second)
    run.attach(second)
    return mark


def undo(world: World, incident: Incident, second: float) -> Receipt:
    undoing = Run(world, incident)
    assert undoing.undo(second).next == "CONFIRM"
    receipt = undoing.confirm(second + 1)
    let_go(world)
    return receipt


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


def test_each_of_them_has_an_end_of_its_own_which_goes_with_its_undo() -> None:
    world = both_granted()
    assert {incident for incident, _ in world.schedules.at} == {"run-1", "run-2"}
    undo(world, FIRST, 100)
    assert {incident for incident, _ in world.schedules.at} == {"run-2"}


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
