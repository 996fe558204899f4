"""Redeploy: one deployment however often the step runs, and never in place of somebody else's."""

from __future__ import annotations

import pytest

from regrant.errors import AwsUnavailable, ServiceChanged, ServiceGone
from regrant.model.results import Rollout
from tests.unit.cure import CURE, LATER, granted
from tests.unit.fakes import (
    DEFINITION,
    NEWER_DEFINITION,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    WORKER_ROLE,
    Crash,
    World,
    at,
    diagnosed,
)
from tests.unit.run import Run

# Before and after each change: the intent, UpdateService, that it is done.
MOMENTS = range(1, 7)


def captured(world: World) -> Run:
    """A containment that is about to replace the tasks."""
    run = Run(world, diagnosis=diagnosed())
    run.capture()
    return run


def start(world: World) -> Rollout:
    return captured(world).redeploy()


def crashed(moment: int) -> tuple[World, Run]:
    world = World()
    run = captured(world)
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        run.redeploy()
    return world, run


def unheard() -> tuple[World, Run]:
    """The account after an UpdateService whose response was lost."""
    world = World()
    run = captured(world)
    world.services.response_lost = True
    with pytest.raises(AwsUnavailable):
        run.redeploy()
    return world, run


def test_a_redeploy_is_a_new_deployment_of_the_same_revision() -> None:
    world = World()
    rollout = start(world)
    assert world.services.redeployed == [rollout.deployment]
    assert world.services.state is not None and world.services.state.task_definition == DEFINITION
    assert (rollout.at, rollout.revision) == (at(5), None)


def test_redeploying_twice_starts_one_deployment() -> None:
    world = World()
    run = captured(world)
    first, second = run.redeploy(), run.redeploy(6)
    assert first.deployment == second.deployment
    assert len(world.services.redeployed) == len(world.changes("redeploy")) == 1


def test_after_a_lost_response_the_deployment_is_adopted() -> None:
    world, run = unheard()
    rollout = run.redeploy(9)
    assert world.services.redeployed == [rollout.deployment]
    assert [c.value for c in world.changes("redeploy")] == [rollout.deployment]


def test_a_redeploy_that_was_never_heard_is_sent_again() -> None:
    world, run = crashed(3)  # after the intent, before UpdateService
    assert world.services.redeployed == []
    assert run.redeploy(9).deployment == world.services.redeployed[0]


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_redeploying_crashes_a_second_try_leaves_one_deployment(moment: int) -> None:
    world, run = crashed(moment)
    run.redeploy(9)
    assert len(world.services.redeployed) == 1
    assert [c.value for c in world.changes("redeploy")] == world.services.redeployed


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_deployment_is_started_before_its_intent_is_written(moment: int) -> None:
    world, _ = crashed(moment)
    assert len(world.services.redeployed) <= len(world.changes("redeploy"))


def test_redeploying_has_no_more_moments_than_those() -> None:
    world = World()
    start(world)
    assert world.fuse.passed == len(MOMENTS)


def test_until_it_is_done_the_intent_names_the_deployment_that_was_there() -> None:
    world, _ = crashed(3)
    (intent,) = world.changes("redeploy")
    assert (intent.value, intent.done_at) == (OLD_DEPLOYMENT, None)


@pytest.mark.parametrize("revision", [DEFINITION, NEWER_DEFINITION])
def test_what_somebody_else_deployed_since_the_baseline_is_not_replaced(revision: str) -> None:
    world = World()
    run = captured(world)
    world.services.somebody_deploys(revision)
    with pytest.raises(ServiceChanged):
        run.redeploy()
    assert world.services.redeployed == []


def test_where_nothing_was_sent_there_is_nothing_to_put_right() -> None:
    world = World()
    run = captured(world)
    world.services.somebody_deploys(DEFINITION)
    with pytest.raises(ServiceChanged):
        run.redeploy()
    (intent,) = world.changes("redeploy")
    assert (intent.done_at, intent.undone_at) == (None, at(5))


def test_a_newer_revision_is_never_taken_for_our_own_deployment() -> None:
    world, run = unheard()
    world.services.somebody_deploys(NEWER_DEFINITION)
    with pytest.raises(ServiceChanged):
        run.redeploy(9)


def test_where_a_deployment_may_have_been_sent_the_undo_looks() -> None:
    world, run = unheard()
    world.services.somebody_deploys(NEWER_DEFINITION)
    with pytest.raises(ServiceChanged):
        run.redeploy(9)
    assert [change.undone_at for change in world.changes("redeploy")] == [None]


def test_a_service_that_is_gone_has_no_deployment() -> None:
    world = World()
    run = captured(world)
    world.services.state = None
    with pytest.raises(ServiceGone):
        run.redeploy()


def curing(world: World) -> Run:
    run = Run(world, CURE)
    run.diagnose(LATER)
    run.capture(LATER + 1)
    return run


def test_a_cure_deploys_a_copy_of_the_revision_with_the_declared_role() -> None:
    world = granted()
    rollout = curing(world).redeploy(LATER + 2)
    assert world.revisions.registered == {NEWER_DEFINITION: (DEFINITION, WORKER_ROLE)}
    assert world.services.state is not None and world.services.state.task_definition == NEWER_DEFINITION
    assert rollout.revision == NEWER_DEFINITION


def test_a_cure_gives_the_role_back_while_its_tasks_are_replaced() -> None:
    world = granted()
    curing(world).redeploy(LATER + 2)
    assert world.leases.held[f"role/{OLD_ROLE}"].ends_at == at(LATER + 2)


# Of register: the intent, ECS, done; then as above.
@pytest.mark.parametrize("moment", range(1, 13))
def test_wherever_a_cures_redeploy_crashed_a_second_try_leaves_one_revision_and_one_deployment(
    moment: int,
) -> None:
    world = granted()
    run = curing(world)
    world.fuse.passed, world.fuse.blows_at = 0, moment
    with pytest.raises(Crash):
        run.redeploy(LATER + 2)
    rollout = run.redeploy(LATER + 2)
    assert list(world.revisions.registered) == [NEWER_DEFINITION] == [rollout.revision]
    # The containment's deployment is the other one.
    assert world.services.state is not None and len(world.services.redeployed) == 2
    assert world.services.state.task_definition == NEWER_DEFINITION


def test_a_second_try_does_not_take_for_its_own_what_the_first_found_to_be_somebody_elses() -> None:
    run = captured(World())
    run.world.services.somebody_deploys(DEFINITION)
    with pytest.raises(ServiceChanged):
        run.redeploy()
    with pytest.raises(ServiceChanged):
        run.redeploy()
    (change,) = run.world.changes("redeploy")
    assert change.undone_at is not None and change.done_at is None
