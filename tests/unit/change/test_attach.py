"""Attach: once in effect however often it runs, never before intent and hold, and never without an end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from msgspec.structs import replace

from regrant.clock import HOUR
from regrant.errors import AttachmentNotVisible, AwsRefused, AwsUnavailable, GrantWithdrawn
from regrant.model.journal import Hold
from regrant.model.results import Grant, Receipt
from tests.unit.cure import BACKEND, another_grant, let_go
from tests.unit.fakes import (
    INCIDENT,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    SEND,
    UNDO,
    Crash,
    Fuse,
    World,
    at,
    diagnosed,
)
from tests.unit.run import Run

# Before and after each change: the schedule, an intent with its hold and an attachment for each of two
# policies, and that both are done.
MOMENTS = range(1, 13)
ENDS = at(2 + 24 * HOUR)
RESOURCE = f"role/{OLD_ROLE}"


def captured(world: World) -> Run:
    """A containment with its baseline, which is about to attach two policies."""
    run = Run(world, diagnosis=diagnosed(attach=(RECEIVE, SEND)))
    run.capture()
    return run


def attach(world: World) -> Grant:
    return captured(world).attach()


def crashed(moment: int) -> tuple[World, Run]:
    """The account after an attach that crashed at the moment."""
    world = World(Fuse(blows_at=moment))
    run = captured(world)
    with pytest.raises(Crash):
        run.attach()
    world.fuse.blows_at = 0
    return world, run


def undo(world: World) -> Receipt:
    let_go(world)
    undoing = Run(world, UNDO)
    assert undoing.undo().next == "CONFIRM"
    return undoing.confirm()


def left(world: World) -> tuple[object, ...]:
    """What an undo has to take away: attachments, holds and schedules."""
    return world.roles.role.attached, world.holds.of(OLD_ROLE), world.schedules.at


NOTHING: tuple[object, ...] = ((), (), {})


def test_the_grant_is_the_plans_policies_on_its_role() -> None:
    world = World()
    assert attach(world) == Grant(OLD_ROLE, (RECEIVE, SEND), at(3))
    assert set(world.roles.role.attached) == {RECEIVE, SEND}


def test_each_attachment_is_in_the_journal() -> None:
    world = World()
    attach(world)
    assert [(c.target, c.value, c.done_at) for c in world.changes("attach")] == [
        (OLD_ROLE, RECEIVE, at(3)),
        (OLD_ROLE, SEND, at(3)),
    ]


def test_each_attachment_has_a_hold_and_all_of_them_one_schedule() -> None:
    world = World()
    attach(world)
    assert {(hold.policy, hold.expires_at) for hold in world.holds.of(OLD_ROLE)} == {
        (RECEIVE, ENDS),
        (SEND, ENDS),
    }
    assert list(world.schedules.at) == [(INCIDENT, ENDS)]


def test_the_grant_ends_when_the_baseline_says_however_late_it_is_attached() -> None:
    world = World()
    captured(world).attach(900)
    assert list(world.schedules.at) == [(INCIDENT, ENDS)]


def test_the_role_is_given_back_once_the_grant_is_seen() -> None:
    world = World()
    attach(world)
    assert world.leases.held[RESOURCE].ends_at == at(3)


def test_attaching_twice_is_attaching_once() -> None:
    world = World()
    run = captured(world)
    run.attach()
    run.attach(4)
    assert len(world.changes()) == len(world.roles.role.attached) == 2
    assert list(world.schedules.at) == [(INCIDENT, ENDS)]


def test_attaching_has_no_more_moments_than_those() -> None:
    world = World()
    attach(world)
    assert world.fuse.passed == len(MOMENTS)


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_attaching_crashes_nothing_is_attached_that_was_not_intended(moment: int) -> None:
    world, _ = crashed(moment)
    assert set(world.roles.role.attached) <= {change.value for change in world.changes("attach")}


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_attaching_crashes_what_is_attached_has_its_hold(moment: int) -> None:
    world, _ = crashed(moment)
    assert set(world.roles.role.attached) <= {hold.policy for hold in world.holds.of(OLD_ROLE)}


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_attaching_crashes_each_hold_has_its_schedule(moment: int) -> None:
    world, _ = crashed(moment)
    assert {(hold.incident, hold.expires_at) for hold in world.holds.of(OLD_ROLE)} <= set(world.schedules.at)


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_attaching_crashed_its_undo_leaves_nothing(moment: int) -> None:
    world, _ = crashed(moment)
    receipt = undo(world)
    assert receipt.equal and receipt.changed_by_others == ()
    assert left(world) == NOTHING


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_attaching_crashed_a_second_try_attaches_everything_once(moment: int) -> None:
    world, run = crashed(moment)
    run.attach()
    assert set(world.roles.role.attached) == {RECEIVE, SEND} == {h.policy for h in world.holds.of(OLD_ROLE)}
    assert all(change.done_at for change in world.changes("attach")) and len(world.changes()) == 2
    assert list(world.schedules.at) == [(INCIDENT, ENDS)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_a_second_try_crashed_as_well_the_undo_leaves_nothing(moment: int) -> None:
    for second in MOMENTS:
        world, run = crashed(moment)
        world.fuse.passed, world.fuse.blows_at = 0, second
        with suppress(Crash):  # a try that has nothing left to attach passes fewer moments
            run.attach()
        world.fuse.blows_at = 0
        assert undo(world).equal
        assert left(world) == NOTHING


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_attaching_crashed_an_undo_that_crashes_can_be_done_again(moment: int) -> None:
    crashes = 0
    for second in range(1, 100):
        world, _ = crashed(moment)
        let_go(world)
        world.fuse.blows_at = second
        try:
            Run(world, UNDO).undo()
            break
        except Crash:
            crashes += 1
        assert undo(world).equal
        assert left(world) == NOTHING
    assert crashes > 0


def test_nothing_is_attached_where_its_end_cannot_be_scheduled() -> None:
    world = World()
    run = captured(world)

    def refused(incident: str, at: str) -> bool:
        raise AwsRefused("ServiceQuotaExceededException")

    world.schedules.put = refused  # type: ignore[method-assign]
    with pytest.raises(AwsRefused):
        run.attach()
    assert (world.changes(), *left(world)) == ([], *NOTHING)


def test_the_step_ends_when_iam_lists_all_of_the_grant() -> None:
    world = World()
    run = captured(world)
    shown = world.roles.attached
    world.roles.attached = lambda role: tuple(p for p in shown(role) if p != SEND)  # type: ignore[method-assign]
    with pytest.raises(AttachmentNotVisible, match="prod-retainwise-sqs-send yet"):
        run.attach()
    world.roles.attached = shown  # type: ignore[method-assign]
    assert run.attach().attached == (RECEIVE, SEND)


def test_until_then_the_role_stays_this_runs_and_nothing_counts_as_done() -> None:
    world = World()
    run = captured(world)
    world.roles.attached = lambda role: ()  # type: ignore[method-assign]
    with pytest.raises(AttachmentNotVisible):
        run.attach()
    assert world.leases.held[RESOURCE].ends_at > at(900)
    assert [change.done_at for change in world.changes("attach")] == [None, None]


def taken_off_before_it_is_read(world: World, failure: AwsUnavailable | None = None) -> Run:
    """A first try between whose attachments and whose read somebody takes one of them off."""
    run, shown = captured(world), world.roles.attached

    def read(role: str) -> tuple[str, ...]:
        if RECEIVE in world.roles.role.attached:
            world.roles.role = replace(ROLE, attached=(SEND,))
            if failure:
                raise failure
        return shown(role)

    world.roles.attached = read  # type: ignore[method-assign]
    with pytest.raises(AwsUnavailable if failure else AttachmentNotVisible):
        run.attach()
    world.roles.attached = shown  # type: ignore[method-assign]
    return run


@pytest.mark.parametrize("failure", [None, AwsUnavailable("throttled")], ids=["not shown", "not read"])
def test_what_aws_has_answered_for_is_not_attached_again(failure: AwsUnavailable | None) -> None:
    world = World()
    run = taken_off_before_it_is_read(world, failure)
    for _ in range(3):
        with pytest.raises(AttachmentNotVisible, match="prod-retainwise-sqs-worker yet"):
            run.attach()
    assert world.roles.role.attached == (SEND,)
    assert [change.answered_at for change in world.changes("attach")] == [at(3), at(3)]


def test_the_undo_of_what_was_not_shown_takes_it_off_all_the_same() -> None:
    """It may be there, and what was read may be stale."""
    world = World()
    taken_off_before_it_is_read(world)
    world.roles.role = replace(ROLE, attached=(RECEIVE, SEND))
    assert undo(world).equal and left(world) == NOTHING


def test_a_try_that_shows_it_in_the_end_counts_as_done() -> None:
    world = World()
    run = taken_off_before_it_is_read(world)
    world.roles.role = replace(ROLE, attached=(RECEIVE, SEND))  # as if the first read had been stale
    assert run.attach().attached == (RECEIVE, SEND)
    assert [change.done_at for change in world.changes("attach")] == [at(3), at(3)]
    assert world.leases.held[RESOURCE].ends_at == at(3)


def test_what_somebody_attached_since_the_baseline_is_theirs() -> None:
    world = World()
    run = captured(world)
    world.roles.attach(OLD_ROLE, RECEIVE)
    assert run.attach().attached == (SEND,)
    assert [hold.policy for hold in world.holds.of(OLD_ROLE)] == [SEND]


def test_where_somebody_attached_all_of_it_nothing_is_scheduled_and_the_role_is_given_back() -> None:
    world = World()
    run = captured(world)
    world.roles.role = replace(ROLE, attached=(RECEIVE, SEND))
    assert run.attach().attached == ()
    assert (world.changes(), world.holds.of(OLD_ROLE), world.schedules.at) == ([], (), {})
    assert world.leases.held[RESOURCE].ends_at == at(3)


# The schedule, that it is not needed, and the role.
@pytest.mark.parametrize("moment", range(1, 7))
def test_wherever_that_crashed_the_undo_leaves_no_schedule(moment: int) -> None:
    world = World()
    run = captured(world)
    world.roles.role = replace(ROLE, attached=(RECEIVE, SEND))
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        run.attach()
    receipt = undo(world)
    assert receipt.equal and len(receipt.changed_by_others) == 2
    assert (world.roles.role.attached, world.schedules.at) == ((RECEIVE, SEND), {})


def test_what_was_there_before_the_baseline_stays_without_a_hold() -> None:
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    run = Run(world, diagnosis=diagnosed(world.roles.role, attach=(RECEIVE, SEND)))
    run.capture()
    assert run.attach().attached == (SEND,)
    assert undo(world).equal and world.roles.role.attached == (RECEIVE,)


def test_nor_has_it_a_hold_if_another_run_holds_it_by_now() -> None:
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    run = Run(world, diagnosis=diagnosed(world.roles.role, attach=(RECEIVE, SEND)))
    run.capture()
    another_grant(world, "another", BACKEND)
    assert run.attach().attached == (SEND,)


def test_what_another_run_granted_is_held_by_this_one_too() -> None:
    world = World()
    run = captured(world)
    another_grant(world, "another", BACKEND)
    assert run.attach().attached == (RECEIVE, SEND)
    held = {(hold.policy, hold.incident) for hold in world.holds.of(OLD_ROLE)}
    assert held == {(RECEIVE, "another"), (RECEIVE, INCIDENT), (SEND, INCIDENT)}


def expired(world: World) -> None:
    """The grant's end has come: an expiry took everything off."""
    world.roles.role = ROLE
    for (role, *_), hold in [*world.holds.written.items()]:
        world.holds.write(role, replace(hold, dropped_at=at(90), dropped_by="expire-1"))
    world.schedules.at.clear()
    let_go(world)


def test_a_grant_that_has_expired_is_not_attached_again() -> None:
    world = World()
    run = captured(world)
    run.attach()
    expired(world)
    with pytest.raises(GrantWithdrawn):
        run.attach(100)
    assert world.roles.role == ROLE


def test_a_run_that_was_undone_attaches_nothing_when_it_is_redriven() -> None:
    world = World()
    run = captured(world)
    run.attach()
    undo(world)
    with pytest.raises(GrantWithdrawn, match=f"{INCIDENT} has been undone"):
        run.attach(200)
    assert world.roles.role == ROLE


def test_a_run_whose_undo_has_not_dropped_its_hold_yet_attaches_nothing_either() -> None:
    world = World()
    run = captured(world)
    run.attach()
    world.roles.role = ROLE
    for change in world.changes("attach"):
        world.journal.record(INCIDENT, replace(change, undone_at=at(90)))
    with pytest.raises(GrantWithdrawn):
        run.attach(200)
    assert world.roles.role == ROLE


def test_what_somebody_attached_after_the_undo_does_not_let_a_redriven_run_go_on() -> None:
    world = World()
    run = captured(world)
    run.attach()
    undo(world)
    world.roles.role = replace(ROLE, attached=(RECEIVE, SEND))
    with pytest.raises(GrantWithdrawn):
        run.attach(200)
    assert world.roles.role.attached == (RECEIVE, SEND)


@pytest.mark.parametrize("ended", [expired, undo])
def test_the_undo_of_a_run_that_was_redriven_too_late_leaves_no_schedule(
    ended: Callable[[World], object],
) -> None:
    world = World()
    run = captured(world)
    run.attach()
    ended(world)
    with pytest.raises(GrantWithdrawn):
        run.attach(200)
    assert undo(world).equal
    assert left(world) == NOTHING


def test_a_grant_of_which_one_try_was_not_heard_is_made_once() -> None:
    world = World()
    run = captured(world)
    make = world.journal.intend_grant

    def unheard(incident: str, change: object, hold: Hold, plan: str) -> bool:
        make(incident, change, hold, plan)  # type: ignore[arg-type]
        raise AwsUnavailable("Connection was closed before we received a valid response")

    world.journal.intend_grant = unheard  # type: ignore[method-assign]
    with pytest.raises(AwsUnavailable):
        run.attach()
    world.journal.intend_grant = make  # type: ignore[method-assign]
    assert run.attach().attached == (RECEIVE, SEND)
    assert len(world.changes()) == len(world.holds.of(OLD_ROLE)) == 2
