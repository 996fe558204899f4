"""Attach, confirm, redeploy: once in effect however often they run, never before the intent is written."""

import pytest
from msgspec.structs import replace

from regrant.change.attach import attach_policies, confirm_access, redeploy
from regrant.errors import AttachmentNotVisible, AwsUnavailable, GrantWithdrawn, ServiceChanged
from regrant.model.results import BaselineMark, Grant, Rollout
from tests.unit.fakes import (
    DEFINITION,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    PLAN,
    RECEIVE,
    ROLE,
    SEND,
    Crash,
    Fuse,
    World,
    at,
)

MARK = BaselineMark("sha", at(2), OLD_DEPLOYMENT, DEFINITION)
BOTH = replace(PLAN, attach=(RECEIVE, SEND))


def attach(world: World, seconds: float = 3) -> Grant:
    return attach_policies(
        INCIDENT_OF_WORKER, BOTH, MARK, world.roles, world.holds, world.journal, world.schedules, at(seconds)
    )


def start(world: World, seconds: float = 5) -> Rollout:
    return redeploy(INCIDENT_OF_WORKER, MARK, None, world.services, world.journal, at(seconds))


def test_the_grant_is_the_plans_policies_on_its_role() -> None:
    world = World()
    grant = attach(world)
    assert grant == Grant(OLD_ROLE, (RECEIVE, SEND), at(3))
    assert set(world.roles.role.attached) == {RECEIVE, SEND}


def test_each_attachment_is_in_the_journal() -> None:
    world = World()
    attach(world)
    assert [(c.target, c.value, c.done_at) for c in world.changes("attach")] == [
        (OLD_ROLE, RECEIVE, at(3)),
        (OLD_ROLE, SEND, at(3)),
    ]


def test_attaching_twice_is_attaching_once() -> None:
    world = World()
    attach(world)
    attach(world, 4)
    assert len(world.changes()) == len(world.roles.role.attached) == 2


@pytest.mark.parametrize("moment", range(1, 15))
def test_wherever_attaching_crashes_nothing_is_attached_that_was_not_intended(moment: int) -> None:
    world = World(Fuse(blows_at=moment))
    with pytest.raises(Crash):
        attach(world)
    assert set(world.roles.role.attached) <= {change.value for change in world.changes("attach")}


def test_attaching_has_no_more_moments_than_those() -> None:
    world = World()
    attach(world)
    assert world.fuse.passed == 14


def test_a_grant_that_came_to_its_end_is_not_attached_again() -> None:
    world = World()
    attach(world)
    world.roles.role = ROLE
    for (role, *_), hold in [*world.holds.written.items()]:
        world.holds.write(role, replace(hold, dropped_at=at(90)))
    with pytest.raises(GrantWithdrawn):
        attach(world, 100)
    assert world.roles.role == ROLE


def test_access_is_confirmed_when_iam_lists_all_of_the_grant() -> None:
    world = World()
    assert confirm_access(attach(world), world.roles, at(4)).at == at(4)


def test_access_is_not_confirmed_while_one_is_missing() -> None:
    world = World()
    grant = attach(world)
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    with pytest.raises(AttachmentNotVisible, match="prod-retainwise-sqs-send"):
        confirm_access(grant, world.roles, at(4))


def test_a_redeploy_is_a_new_deployment_of_the_same_revision() -> None:
    world = World()
    rollout = start(world)
    assert world.services.redeployed == [rollout.deployment]
    assert world.services.state is not None and world.services.state.task_definition == DEFINITION
    assert (rollout.verdict, rollout.checks, rollout.started_at) == ("PENDING", 0, at(5))


def test_redeploying_twice_starts_one_deployment() -> None:
    world = World()
    first, second = start(world), start(world, 6)
    assert first.deployment == second.deployment
    assert len(world.services.redeployed) == len(world.changes("redeploy")) == 1


def test_after_a_lost_response_the_deployment_is_adopted() -> None:
    world = World()
    world.services.response_lost = True
    with pytest.raises(AwsUnavailable):
        start(world)
    rollout = start(world, 9)
    assert world.services.redeployed == [rollout.deployment]
    assert [c.value for c in world.changes("redeploy")] == [rollout.deployment]


def test_a_redeploy_that_was_never_heard_is_sent_again() -> None:
    world = World(Fuse(blows_at=3))  # after the intent, before UpdateService
    with pytest.raises(Crash):
        start(world)
    assert world.services.redeployed == []
    assert start(world, 9).deployment == world.services.redeployed[0]


@pytest.mark.parametrize("moment", range(1, 7))
def test_wherever_redeploying_crashes_a_second_try_leaves_one_deployment(moment: int) -> None:
    world = World(Fuse(blows_at=moment))
    with pytest.raises(Crash):
        start(world)
    start(world, 9)
    assert len(world.services.redeployed) == 1
    assert [c.value for c in world.changes("redeploy")] == world.services.redeployed


@pytest.mark.parametrize("moment", range(1, 7))
def test_no_deployment_is_started_before_its_intent_is_written(moment: int) -> None:
    world = World(Fuse(blows_at=moment))
    with pytest.raises(Crash):
        start(world)
    assert len(world.services.redeployed) <= len(world.changes("redeploy"))


def test_until_it_is_done_the_intent_names_the_deployment_that_was_there() -> None:
    world = World(Fuse(blows_at=3))
    with pytest.raises(Crash):
        start(world)
    (intent,) = world.changes("redeploy")
    assert (intent.value, intent.done_at) == (OLD_DEPLOYMENT, None)


@pytest.mark.parametrize("revision", [DEFINITION, NEWER_DEFINITION])
def test_what_somebody_else_deployed_meanwhile_is_not_replaced(revision: str) -> None:
    world = World()
    world.services.somebody_deploys(revision)
    with pytest.raises(ServiceChanged):
        start(world)
    assert world.services.redeployed == []


def test_a_newer_revision_is_never_taken_for_our_own_deployment() -> None:
    world = World()
    world.services.response_lost = True
    with pytest.raises(AwsUnavailable):
        start(world)
    world.services.somebody_deploys(NEWER_DEFINITION)
    with pytest.raises(ServiceChanged):
        start(world, 9)
