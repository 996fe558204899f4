"""The way back to a settled service: whoever settles it, and only our own stuck deployment is replaced."""

import pytest
from msgspec.structs import replace

from regrant.errors import AwsUnavailable
from regrant.model.aws import ServiceState
from regrant.undo.restore import check_restore, judge_restored
from tests.unit.fakes import DEFINITION, OLD, RUNNING, THEIRS, WORKER, Crash, World, at
from tests.unit.undo import contain, contained, finish, look, primary, restore


def with_breaker(world: World, *, rollback: bool) -> None:
    assert world.services.state is not None
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": rollback}}
    configuration = world.services.state.deployment_configuration | breaker
    world.services.state = replace(world.services.state, deployment_configuration=configuration)


def test_a_settled_service_is_left_as_it_is() -> None:
    world = contained()
    world.services.finish()
    assert restore(world).verdict == "HEALTHY"
    assert len(world.services.redeployed) == 1


def test_our_deployment_that_is_still_going_well_is_waited_for() -> None:
    world = contained()
    restoring = restore(world)
    (ours,) = world.services.redeployed
    assert restoring.verdict == "PENDING" and restoring.evidence[0].startswith(ours)


def test_our_stuck_deployment_is_superseded_by_one_of_the_baselines_revision() -> None:
    world = contained()
    world.services.stall()
    assert restore(world).verdict == "PENDING"
    ours, second = world.services.redeployed
    assert primary(world) == second
    assert [(c.value, c.done_at) for c in world.changes("restore")] == [(ours, at(100))]
    assert world.services.state is not None and world.services.state.task_definition == DEFINITION


def test_our_stuck_deployment_is_superseded_once() -> None:
    world = contained()
    world.services.stall()
    for seconds in (100, 110):
        assert restore(world, seconds).verdict == "PENDING"
        world.services.stall()
    assert len(world.services.redeployed) == 2


def test_a_restore_whose_response_was_lost_is_not_sent_again() -> None:
    world = contained()
    world.services.stall()
    world.services.response_lost = True
    with pytest.raises(AwsUnavailable):
        restore(world)
    assert restore(world, 110).verdict == "PENDING"
    assert [primary(world)] == world.services.redeployed[1:]


def test_a_restore_that_was_not_heard_is_sent_again() -> None:
    world = contained()
    world.services.stall()
    world.fuse.passed, world.fuse.blows_at = 0, 3  # after the intent, before UpdateService
    with pytest.raises(Crash):
        restore(world)
    assert len(world.services.redeployed) == 1
    restore(world, 110)
    assert [primary(world)] == world.services.redeployed[1:]


def test_a_circuit_breaker_that_goes_back_by_itself_is_left_to_it() -> None:
    world = World()
    with_breaker(world, rollback=True)
    contain(world)
    world.services.stall()
    assert restore(world).verdict == "PENDING"
    assert len(world.services.redeployed) == 1 and world.changes("restore") == []


def test_a_circuit_breaker_that_only_stops_is_no_way_back() -> None:
    world = World()
    with_breaker(world, rollback=False)
    contain(world)
    world.services.stall()
    restore(world)
    assert [primary(world)] == world.services.redeployed[1:]


def test_the_circuit_breakers_way_back_is_the_restore() -> None:
    world = contained()
    failed = replace(OLD, id=world.services.redeployed[0], status="ACTIVE", rollout_state="FAILED")
    back = replace(OLD, rollout_state="IN_PROGRESS")
    world.services.state = replace(RUNNING, deployments=(back, failed))
    restoring = restore(world)
    assert restoring.verdict == "PENDING" and restoring.evidence[0].startswith(OLD.id)
    world.services.finish()
    restoring = look(world, restoring)
    assert restoring.evidence == (f"The service has settled on {OLD.id}.",)
    receipt = finish(world, restoring)
    assert receipt.equal and receipt.changed_by_others == ()
    assert len(world.services.redeployed) == 1


def test_the_circuit_breakers_way_back_is_not_superseded_even_if_it_stalls() -> None:
    world = contained()
    back = replace(OLD, rollout_state="IN_PROGRESS", failed_tasks=2)
    world.services.state = replace(RUNNING, deployments=(back,))
    assert restore(world).verdict == "PENDING"
    assert len(world.services.redeployed) == 1


def test_what_somebody_else_deploys_during_the_restore_is_waited_for() -> None:
    world = contained()
    restoring = restore(world)
    world.services.somebody_deploys(DEFINITION)
    restoring = look(world, restoring)
    assert restoring.verdict == "PENDING" and restoring.evidence[0].startswith(THEIRS)
    world.services.finish()
    restoring = look(world, restoring)
    assert restoring.evidence == (f"The service has settled on {THEIRS}.",)
    assert finish(world, restoring).equal and len(world.services.redeployed) == 1


def test_somebody_elses_deployment_is_not_superseded_even_if_it_stalls() -> None:
    world = contained()
    world.services.somebody_deploys(DEFINITION)
    world.services.stall()
    assert restore(world).verdict == "PENDING"
    assert len(world.services.redeployed) == 1


MOVING = replace(OLD, rollout_state="IN_PROGRESS", running=1)


@pytest.mark.parametrize(
    ("state", "verdict", "why"),
    [
        (RUNNING, "HEALTHY", "settled on"),
        (None, "HEALTHY", "gone"),
        (replace(RUNNING, status="INACTIVE"), "HEALTHY", "gone"),
        (replace(RUNNING, deployments=(replace(MOVING, task_definition="x:42"),)), "HEALTHY", "x:42"),
        (replace(RUNNING, desired_count=0, deployments=(MOVING,)), "HEALTHY", "scaled the service to 0"),
        (replace(RUNNING, deployments=(MOVING,)), "PENDING", "1 of 2 tasks running, 0 failed"),
        (replace(RUNNING, deployments=(OLD, replace(OLD, status="ACTIVE"))), "PENDING", "COMPLETED"),
    ],
    ids=["settled", "gone", "deleted", "other revision", "scaled to 0", "moving", "old one still there"],
)
def test_a_restore_waits_only_for_what_may_still_be_ours(
    state: ServiceState | None, verdict: str, why: str
) -> None:
    judged, evidence = judge_restored(state, DEFINITION)
    assert judged == verdict and why in evidence[0]


def test_each_look_at_the_restore_is_counted() -> None:
    world = contained()
    first = restore(world)
    second = look(world, look(world, first))
    assert (first.checks, second.checks) == (0, 2)
    assert (second.started_at, second.at, second.task_definition) == (at(100), at(115), DEFINITION)


def test_a_restore_that_takes_half_an_hour_is_waited_for_no_longer() -> None:
    world = contained()
    restoring = restore(world)
    assert check_restore(restoring, WORKER, world.services, at(1899)).verdict == "PENDING"
    assert check_restore(restoring, WORKER, world.services, at(1900)).verdict == "UNHEALTHY"


def test_a_restore_is_sent_once_even_if_the_redeploys_own_id_was_never_heard() -> None:
    world = contained(13)  # ECS heard the redeploy, the journal did not hear of its id
    for seconds in (100, 110):
        world.services.stall()
        restore(world, seconds)
        assert [primary(world)] == world.services.redeployed[1:]
    assert len(world.services.redeployed) == 2
