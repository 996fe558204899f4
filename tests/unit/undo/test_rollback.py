"""Back to exactly what was, from any crash point, and never further than what this incident did."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import BaselineDiffers, ServiceNotSettled
from regrant.model.aws import Baseline
from tests.unit.fakes import (
    INCIDENT,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    RUNNING,
    SEND,
    WORKER,
    Crash,
    World,
    at,
)
from tests.unit.run import contain
from tests.unit.undone import contained, restoring, undo

# Before and after each change of: attach (schedule, intent and hold, IAM, done),
# redeploy (intent, ECS, done).
MOMENTS = range(1, 15)
# And of its undo: restore (intent, ECS, done), detach (begun, IAM, undone, schedule, hold, shown),
# and the schedule once more, in case it had no hold.
UNDOING = range(1, 21)


def test_containing_has_no_more_moments_than_those() -> None:
    assert contained().fuse.passed == len(MOMENTS)


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_the_run_crashed_the_undo_is_exact(moment: int) -> None:
    world = contained(moment)
    receipt = undo(world)
    assert receipt.equal and receipt.changed_by_others == ()
    assert (world.roles.role, world.holds.of(OLD_ROLE), world.schedules.at) == (ROLE, (), {})


def test_undoing_has_no_more_moments_than_those() -> None:
    world = contained()
    world.services.stall()
    world.fuse.passed = 0
    undo(world)
    assert world.fuse.passed == len(UNDOING)


@pytest.mark.parametrize("moment", UNDOING)
def test_wherever_the_undo_crashed_it_can_be_done_again(moment: int) -> None:
    world = contained()
    world.services.stall()
    world.fuse.passed, world.fuse.blows_at = 0, moment
    with pytest.raises(Crash):
        undo(world)
    assert undo(world).equal
    assert (world.roles.role, world.holds.of(OLD_ROLE), world.schedules.at) == (ROLE, (), {})


def test_without_a_baseline_nothing_is_changed_and_nothing_is_proved() -> None:
    world = World()
    with pytest.raises(BaselineDiffers, match=f"no baseline for {INCIDENT}"):
        undo(world)
    assert (world.fuse.passed, world.roles.detached) == (0, [])


def test_a_run_that_only_recorded_the_baseline_changes_nothing() -> None:
    world = World()
    world.journal.keep_baseline(INCIDENT, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    receipt = undo(world)
    assert receipt.equal and receipt.before == receipt.after != ""
    assert world.fuse.passed == 0


def test_a_second_undo_is_a_no_op() -> None:
    world = contained()
    undo(world)
    entries, holds = dict(world.journal.entries), dict(world.holds.written)
    assert undo(world).equal
    assert (world.journal.entries, world.holds.written) == (entries, holds)
    assert (len(world.services.redeployed), world.roles.detached) == (1, [RECEIVE])


def test_a_policy_that_was_attached_before_us_stays() -> None:
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE, SEND))
    contain(world)
    assert undo(world).equal
    assert (set(world.roles.role.attached), world.roles.detached) == ({RECEIVE, SEND}, [])


def test_a_policy_that_somebody_else_attached_since_stays_and_is_named() -> None:
    world = contained()
    world.roles.role = replace(world.roles.role, attached=(RECEIVE, SEND))
    receipt = undo(world)
    assert world.roles.role.attached == (SEND,)
    assert receipt.changed_by_others == (f"+ role.attached.{SEND} = true",)


def test_what_was_detached_is_in_the_journal() -> None:
    world = contained()
    undo(world)
    assert [change.undone_at for change in world.changes("attach")] == [at(115)]


def test_a_revision_that_somebody_else_deployed_is_left_alone() -> None:
    world = contained()
    world.services.somebody_deploys(NEWER_DEFINITION)
    receipt = undo(world)
    assert receipt.equal and len(world.services.redeployed) == 1
    assert any(NEWER_DEFINITION in line for line in receipt.changed_by_others)


def test_a_service_that_is_gone_is_somebody_elses_doing_and_the_policies_still_go() -> None:
    world = contained()
    world.services.state = None
    receipt = undo(world)
    assert receipt.equal and receipt.changed_by_others[0] == '+ service = "gone"'
    assert (world.roles.role, world.roles.detached) == (ROLE, [RECEIVE])


def test_a_role_that_is_gone_is_named_in_the_receipt() -> None:
    world = contained()
    world.roles.gone = True
    receipt = undo(world)
    assert receipt.equal and receipt.changed_by_others[0] == '+ role = "gone"'
    assert f'- role.arn = "{OLD_ROLE}"' in receipt.changed_by_others


def test_a_service_that_never_settles_loses_the_policies_and_gets_a_person() -> None:
    world = contained()
    world.services.stall()
    run = restoring(world)
    world.services.stall()
    run.undo_role(1899)
    assert run.undo_service(1900).next == "ROLE"
    assert run.undo_role(1900).next == "CONFIRM"
    assert world.roles.role == ROLE
    with pytest.raises(ServiceNotSettled, match=r"retainwise-worker did not settle: .* 2 failed"):
        run.confirm(1901)


def test_a_policy_that_is_left_is_reported_before_a_service_that_did_not_settle() -> None:
    run = restoring(contained())
    assert run.undo_service(1900).service == "UNHEALTHY"
    with pytest.raises(BaselineDiffers):
        run.confirm(1901)
