"""A grant's hold and the schedule of its end: wherever a verb crashes, no hold is without its schedule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from regrant import grants
from regrant.baseline.drift import planned_against
from regrant.clock import HOUR
from regrant.errors import AwsUnavailable
from regrant.model.journal import Change, Hold
from regrant.model.run import Incident
from tests.unit.fakes import (
    ENTRY,
    INCIDENT,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    SEND,
    WORKER,
    Crash,
    World,
    at,
)

ENDS = at(24 * HOUR)
HOLD = Hold(RECEIVE, INCIDENT, str(WORKER), at(0), ENDS, 24, "an alarm", attached_at=at(3))
AGAINST = planned_against(ROLE)
CHANGES = tuple(Change("attach", OLD_ROLE, policy, intended_at=at(3)) for policy in (RECEIVE, SEND))


def granted(*holds: Hold) -> World:
    """The account with those holds and their schedules."""
    world = World()
    for hold in holds:
        world.holds.write(OLD_ROLE, hold)
        if hold.expires_at and not hold.dropped_at:
            world.schedules.put(hold.incident, hold.expires_at)
    world.fuse.passed = 0
    return world


def test_what_is_not_there_the_first_time_was_taken_off_by_somebody() -> None:
    world = World()
    world.roles.attach(OLD_ROLE, RECEIVE)
    assert grants.take_off(world, OLD_ROLE, RECEIVE, first=True)
    assert not grants.take_off(world, OLD_ROLE, RECEIVE, first=True)


def test_what_is_not_there_a_later_time_may_have_been_taken_off_by_the_try_before() -> None:
    assert grants.take_off(World(), OLD_ROLE, RECEIVE, first=False)


def test_what_iam_shows_and_does_not_find_is_asked_for_again() -> None:
    world = World()
    world.roles.attach(OLD_ROLE, RECEIVE)
    world.roles.detach = lambda role, policy: False  # type: ignore[method-assign]
    with pytest.raises(AwsUnavailable):
        grants.take_off(world, OLD_ROLE, RECEIVE, first=True)


def make(world: World, incident: Incident = INCIDENT_OF_WORKER) -> tuple[Change, ...]:
    """What an earlier try has begun."""
    begun: list[Change] = []
    grants.schedule_end(world, INCIDENT, ENDS)
    planned = tuple(Change("attach", OLD_ROLE, policy, at(2)) for policy in (RECEIVE, SEND))
    world.journal.plan(incident.id, planned, "the-digest")
    grants.make(world, incident, AGAINST, OLD_ROLE, (RECEIVE, SEND), ENDS, begun.extend, at(3), "the-digest")
    return tuple(begun)


def drop(world: World, hold: Hold = HOLD) -> None:
    grants.drop(world, OLD_ROLE, hold, "cure-1", at(90))


def renew(world: World, hold: Hold = HOLD, seconds: float = 600) -> str:
    return str(grants.renew(world, OLD_ROLE, hold, "it is needed", at(seconds)).expires_at)


def put_back(world: World, hold: Hold, seconds: float = 600) -> Hold:
    grants.put_back(world, OLD_ROLE, hold, at(seconds))
    return held(world)[0]


def held(world: World) -> tuple[Hold, ...]:
    return world.holds.of(OLD_ROLE)


def scheduled(world: World) -> list[tuple[str, str]]:
    return list(world.schedules.at)


DROPPED = replace(HOLD, dropped_at=at(90), dropped_by="cure-1")


def again(world: World) -> Hold:
    return put_back(world, DROPPED)


# Before and after each change that a verb makes.
VERBS = pytest.mark.parametrize(
    ("verb", "before", "moments"),
    [(make, (), 8), (drop, (HOLD,), 4), (renew, (HOLD,), 6), (again, (DROPPED,), 4)],
    ids=["make", "drop", "renew", "put back"],
)
Verb = Callable[[World], object]


def crashed(verb: Verb, before: tuple[Hold, ...], moment: int) -> World:
    world = granted(*before)
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        verb(world)
    world.fuse.blows_at = 0
    return world


@VERBS
def test_a_verb_has_no_more_moments_than_those(verb: Verb, before: tuple[Hold, ...], moments: int) -> None:
    world = granted(*before)
    verb(world)
    assert world.fuse.passed == moments


@VERBS
def test_wherever_a_verb_crashed_a_second_try_comes_to_the_same(
    verb: Verb, before: tuple[Hold, ...], moments: int
) -> None:
    whole = granted(*before)
    verb(whole)
    for moment in range(1, moments + 1):
        world = crashed(verb, before, moment)
        verb(world)
        assert (held(world), scheduled(world)) == (held(whole), scheduled(whole))


@VERBS
def test_wherever_a_verb_crashed_what_is_held_has_a_schedule(
    verb: Verb, before: tuple[Hold, ...], moments: int
) -> None:
    for moment in range(1, moments + 1):
        world = crashed(verb, before, moment)
        # What is dropped is off the role already, and its hold the last trace of it.
        assert bool(scheduled(world)) or not held(world) or verb is drop


def test_each_policy_has_its_hold_with_whose_it_is_why_and_until_when() -> None:
    world = World()
    make(world)
    assert held(world) == tuple(
        Hold(
            policy,
            INCIDENT,
            str(WORKER),
            at(3),
            ENDS,
            24,
            INCIDENT_OF_WORKER.trigger,
            role_id=ROLE.id,
            attached_at=at(3),
        )
        for policy in (RECEIVE, SEND)
    )


def test_a_hold_lasts_for_what_the_catalogue_says() -> None:
    world = World()
    brief = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, grant_ttl_hours=2))
    make(world, brief)
    assert {hold.ttl_hours for hold in held(world)} == {2}


def test_what_was_intended_by_an_earlier_try_is_named() -> None:
    world = World()
    assert make(world) == ()
    assert make(world) == CHANGES


def test_a_hold_that_was_dropped_since_is_not_made_by_a_second_try() -> None:
    world = World()
    make(world)
    for hold in held(world):
        drop(world, hold)
    make(world)
    assert held(world) == ()


def test_an_end_that_is_not_needed_after_all_is_cancelled() -> None:
    world = World()
    grants.schedule_end(world, INCIDENT, ENDS)
    grants.cancel_end(world, INCIDENT, ENDS)
    assert scheduled(world) == []


def test_a_dropped_hold_says_when_and_by_whom() -> None:
    world = granted(HOLD)
    drop(world)
    assert world.holds.dropped(OLD_ROLE) == (DROPPED,)
    assert (held(world), scheduled(world)) == ((), [])


def test_a_schedule_that_another_policy_of_the_grant_shares_stays() -> None:
    other = replace(HOLD, policy=SEND)
    world = granted(HOLD, other)
    drop(world)
    assert (held(world), scheduled(world)) == ((other,), [(INCIDENT, ENDS)])


@pytest.mark.parametrize(
    "other",
    [replace(HOLD, policy=SEND, expires_at=at(48 * HOUR)), replace(HOLD, policy=SEND, incident="another")],
    ids=["of another end", "of another incident"],
)
def test_a_schedule_that_nobody_shares_goes(other: Hold) -> None:
    world = granted(HOLD, other)
    drop(world)
    assert scheduled(world) == [(other.incident, other.expires_at)]


def test_a_hold_without_an_end_has_no_schedule_to_cancel() -> None:
    endless = replace(HOLD, expires_at=None)
    world = granted(endless)
    drop(world, endless)
    assert (held(world), scheduled(world), world.fuse.passed) == ((), [], 2)


def test_a_renewed_hold_has_one_more_period_from_now_on_and_the_reason() -> None:
    world = granted(HOLD)
    until = renew(world)
    (hold,) = held(world)
    assert until == hold.expires_at == at(600 + 24 * HOUR)
    assert hold.why == f"an alarm; renewed {at(600)}: it is needed"
    assert scheduled(world) == [(INCIDENT, until)]


def test_a_hold_that_is_renewed_again_has_its_first_and_its_last_reason() -> None:
    world = granted(HOLD)
    renew(world)
    renew(world, held(world)[0], 900)
    assert held(world)[0].why == f"an alarm; renewed {at(900)}: it is needed"


def test_a_hold_without_an_end_has_one_once_it_is_renewed() -> None:
    endless = replace(HOLD, expires_at=None)
    world = granted(endless)
    until = renew(world, endless)
    assert (held(world)[0].expires_at, scheduled(world)) == (until, [(INCIDENT, until)])


def test_a_renewal_that_changes_no_time_keeps_its_schedule() -> None:
    hold = replace(HOLD, expires_at=at(600 + 24 * HOUR))
    world = granted(hold)
    renew(world, hold)
    assert scheduled(world) == [(INCIDENT, at(600 + 24 * HOUR))]


def test_what_is_put_back_has_the_rest_of_its_time() -> None:
    world = granted(DROPPED)
    assert put_back(world, DROPPED) == replace(HOLD, attached_at=None, put_back_at=at(600))
    assert scheduled(world) == [(INCIDENT, ENDS)]


@pytest.mark.parametrize("seconds", [24 * HOUR, 30 * HOUR], ids=["exactly when it expires", "after it"])
def test_what_has_expired_is_put_back_for_one_more_period(seconds: float) -> None:
    world = granted(DROPPED)
    hold = put_back(world, DROPPED, seconds)
    assert hold.expires_at == at(seconds + 24 * HOUR) and "did not work without it" in hold.why
    assert scheduled(world) == [(INCIDENT, hold.expires_at)]


def test_what_had_no_end_is_put_back_with_one() -> None:
    endless = replace(DROPPED, expires_at=None)
    world = granted(endless)
    assert put_back(world, endless).expires_at == at(600 + 24 * HOUR)
