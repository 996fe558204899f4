"""The trial without a grant: it is one only while the policy is off."""

from __future__ import annotations

from tests.unit.cure import DAY, EXPIRY, UNDO_OF_EXPIRY, granted, let_go, run, undo
from tests.unit.fakes import OLD_ROLE, RECEIVE, SUCCESS, World
from tests.unit.run import Run


def trying(world: World) -> Run:
    """An expiry that has withdrawn the grant, with the service at work."""
    going = Run(world, EXPIRY)
    going.state = run(world, EXPIRY, DAY)
    return going


def test_a_trial_in_which_somebody_attached_the_policy_proves_nothing() -> None:
    world = granted()
    going = trying(world)
    world.services.tasks = {None: ("new-1",)}
    world.roles.attach(OLD_ROLE, RECEIVE)
    for seconds in range(320, 620, 20):
        world.logs.write(DAY + seconds - 5, SUCCESS)
        health = going.verify(DAY + seconds)
        if health.next != "WAIT":
            break
    assert health.next == "UNDO"
    assert "is attached again, by somebody else's doing." in " ".join(health.evidence)


def test_its_undo_leaves_what_they_attached_without_a_hold() -> None:
    world = granted()
    run(world, EXPIRY, DAY)
    let_go(world)
    world.roles.attach(OLD_ROLE, RECEIVE)
    assert undo(world, UNDO_OF_EXPIRY, DAY + 700).equal
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE)) == ((RECEIVE,), ())
