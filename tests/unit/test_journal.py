"""Intent, act, record: wherever one of them crashes, what was done has an intent from which it is undone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused
from regrant.journal import carry_out, carry_out_grant, take_back
from regrant.leases import take_role
from regrant.model.journal import Change, Hold
from tests.unit.fakes import (
    INCIDENT,
    INCIDENT_OF_WORKER,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    RECEIVE,
    SEND,
    WORKER,
    Crash,
    World,
    at,
)

ATTACH = Change("attach", OLD_ROLE, RECEIVE, intended_at=at(3))
REDEPLOY = Change("redeploy", str(WORKER), OLD_DEPLOYMENT, intended_at=at(5))
OURS = "ecs-svc/42"


class Act:
    """Something that is done in AWS, with a moment before and after it."""

    def __init__(self, world: World, value: str | None = None) -> None:
        self.world = world
        self.value = value
        self.tries: list[bool] = []
        self.done = 0

    def __call__(self, first: bool = True) -> str | None:
        self.tries.append(first)
        self.world.fuse.pass_by()
        self.done += 1
        self.world.fuse.pass_by()
        return self.value


def carry(world: World, act: Callable[[bool], str | None], change: Change = REDEPLOY) -> Change:
    return carry_out(world.journal, INCIDENT, change, act, at(6))


# Before and after each of: the intent, the act, the record.
CARRYING = range(1, 7)


def test_what_is_carried_out_is_on_record_with_the_value_that_only_aws_knows() -> None:
    world = World()
    done = carry(world, Act(world, OURS))
    assert world.changes() == [done] == [replace(REDEPLOY, value=OURS, done_at=at(6))]


def test_an_act_without_a_value_keeps_that_of_the_intent() -> None:
    world = World()
    assert carry(world, Act(world)).value == OLD_DEPLOYMENT


def test_an_empty_value_is_a_value() -> None:
    world = World()
    assert carry(world, Act(world, "")).value == ""


def test_the_act_is_done_after_its_intent_is_written() -> None:
    world = World()
    written: list[list[Change]] = []
    carry(world, lambda first: written.append(world.changes()))
    assert written == [[REDEPLOY]]


def test_carrying_out_has_no_more_moments_than_those() -> None:
    world = World()
    carry(world, Act(world))
    assert world.fuse.passed == len(CARRYING)


@pytest.mark.parametrize("moment", CARRYING)
def test_wherever_carrying_out_crashes_what_was_done_has_its_intent(moment: int) -> None:
    world = World()
    act = Act(world, OURS)
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        carry(world, act)
    assert act.done <= len(world.changes())


@pytest.mark.parametrize("moment", CARRYING)
def test_wherever_it_crashes_a_second_try_learns_whether_it_is_the_first(moment: int) -> None:
    world = World()
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        carry(world, Act(world, OURS))
    act = Act(world, OURS)
    carry(world, act)
    # Only before the intent was written can nothing have been done.
    assert act.tries == [moment == 1]
    assert [(change.value, change.done_at) for change in world.changes()] == [(OURS, at(6))]


def test_an_act_that_aws_refuses_leaves_its_intent_for_the_undo() -> None:
    world = World()

    def refused(first: bool) -> None:
        raise AwsRefused("no")

    with pytest.raises(AwsRefused):
        carry(world, refused)
    assert world.changes() == [REDEPLOY]


# Before and after each of: the act, the record.
TAKING = range(1, 5)


def done(world: World) -> Change:
    change = replace(ATTACH, done_at=at(3))
    world.journal.record(INCIDENT, change)
    world.fuse.passed = 0
    return change


def test_what_is_taken_back_is_on_record_with_its_time() -> None:
    world = World()
    change, act = done(world), Act(world)
    assert take_back(world.journal, INCIDENT, change, act, at(90)) == replace(change, undone_at=at(90))
    assert (world.changes(), act.done) == ([replace(change, undone_at=at(90))], 1)


def test_taking_back_has_no_more_moments_than_those() -> None:
    world = World()
    take_back(world.journal, INCIDENT, done(world), Act(world), at(90))
    assert world.fuse.passed == len(TAKING)


@pytest.mark.parametrize("moment", TAKING)
def test_wherever_taking_back_crashes_nothing_counts_as_undone_that_is_not(moment: int) -> None:
    world = World()
    change, act = done(world), Act(world)
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        take_back(world.journal, INCIDENT, change, act, at(90))
    assert sum(each.undone_at is not None for each in world.changes()) <= act.done


CHANGES = (ATTACH, replace(ATTACH, value=SEND))
GRANT = tuple((change, Hold(change.value, INCIDENT, str(WORKER))) for change in CHANGES)


PLAN = "the-digest"


def leased() -> World:
    world = World()
    assert take_role(OLD_ROLE, INCIDENT_OF_WORKER, world, at(2)) is None
    world.fuse.passed = 0
    return world


def carry_out_both(world: World) -> list[Change]:
    """What an earlier try has begun."""
    begun: list[Change] = []
    world.journal.plan(INCIDENT, CHANGES, PLAN)
    carry_out_grant(world, INCIDENT_OF_WORKER, OLD_ROLE, GRANT, begun.extend, at(4), PLAN)
    return begun


def test_a_grant_is_recorded_and_the_role_given_back_in_one_write() -> None:
    world = leased()
    assert carry_out_both(world) == []
    assert {change.done_at for change in world.changes()} == {at(4)}
    assert world.leases.held[f"role/{OLD_ROLE}"].ends_at == at(4)
    assert world.fuse.passed == 2 * (len(GRANT) + 1)


def test_what_an_earlier_try_has_begun_is_named() -> None:
    world = leased()
    carry_out_both(world)
    assert carry_out_both(world) == list(CHANGES)


@pytest.mark.parametrize(("moment", "recorded"), [(5, None), (6, at(4))])
def test_role_and_record_go_together_wherever_that_crashes(moment: int, recorded: str | None) -> None:
    world = leased()
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        carry_out_both(world)
    assert {change.done_at for change in world.changes()} == {recorded}
    assert (world.leases.held[f"role/{OLD_ROLE}"].ends_at == at(4)) == (recorded is not None)


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_no_hold_is_without_its_intent_wherever_that_crashes(moment: int) -> None:
    world = leased()
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        carry_out_both(world)
    assert {change.value for change in world.changes()} == {hold.policy for hold in world.holds.of(OLD_ROLE)}


def test_a_role_that_another_run_has_by_then_stays_its_own() -> None:
    world = leased()
    resource = f"role/{OLD_ROLE}"
    world.leases.held[resource] = replace(world.leases.held[resource], owner="another")
    carry_out_both(world)
    assert {change.done_at for change in world.changes()} == {at(4)}
    assert world.leases.held[resource].owner == "another" and world.leases.held[resource].ends_at > at(4)
