"""The way back to a settled service: whoever settles it, and only our own stuck deployment is replaced."""

import pytest
from msgspec.structs import replace

from regrant.errors import AwsUnavailable
from regrant.model.aws import ServiceState
from regrant.model.results import Verdict
from regrant.undo.service import judge_restored
from tests.unit.fakes import DEFINITION, OLD, RUNNING, THEIRS, Crash, World, at
from tests.unit.run import Run, contain
from tests.unit.undone import contained, primary, restoring


def with_breaker(world: World, *, rollback: bool) -> None:
    assert world.services.state is not None
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": rollback}}
    configuration = world.services.state.deployment_configuration | breaker
    world.services.state = replace(world.services.state, deployment_configuration=configuration)


def restored(run: Run) -> tuple[Verdict | None, str]:
    """How far the service is, and why."""
    assert run.state.undo is not None
    return run.state.undo.service, run.state.undo.evidence[0]


def test_a_settled_service_is_left_as_it_is() -> None:
    world = contained()
    world.services.finish()
    assert restored(restoring(world))[0] == "HEALTHY"
    assert len(world.services.redeployed) == 1


def test_our_deployment_that_is_still_going_well_is_waited_for() -> None:
    world = contained()
    verdict, why = restored(restoring(world))
    (ours,) = world.services.redeployed
    assert verdict == "PENDING" and why.startswith(ours)


def test_our_stuck_deployment_is_superseded_by_one_of_the_baselines_revision() -> None:
    world = contained()
    world.services.stall()
    assert restored(restoring(world))[0] == "PENDING"
    ours, second = world.services.redeployed
    assert primary(world) == second
    assert [(c.value, c.done_at) for c in world.changes("restore")] == [(ours, at(100))]
    assert world.services.state is not None and world.services.state.task_definition == DEFINITION


def test_our_stuck_deployment_is_superseded_once() -> None:
    world = contained()
    world.services.stall()
    run = restoring(world)
    for seconds in (115, 130):
        world.services.stall()
        assert run.undo_service(seconds).service == "PENDING"
    assert len(world.services.redeployed) == 2


def test_our_deployment_that_starts_to_fail_while_it_is_waited_for_is_superseded() -> None:
    world = contained()
    run = restoring(world)
    world.services.stall()
    run.undo_service(115)
    assert [primary(world)] == world.services.redeployed[1:]


def test_a_restore_whose_response_was_lost_is_not_sent_again() -> None:
    world = contained()
    world.services.stall()
    world.services.response_lost = True
    with pytest.raises(AwsUnavailable):
        restoring(world)
    assert restored(restoring(world, 110))[0] == "PENDING"
    assert [primary(world)] == world.services.redeployed[1:]


def test_a_restore_that_was_not_heard_is_sent_again() -> None:
    world = contained()
    world.services.stall()
    world.fuse.passed, world.fuse.blows_at = 0, 3  # after the intent, before UpdateService
    with pytest.raises(Crash):
        restoring(world)
    assert len(world.services.redeployed) == 1
    restoring(world, 110)
    assert [primary(world)] == world.services.redeployed[1:]


def test_a_circuit_breaker_that_rolls_back_is_left_to_it() -> None:
    world = World()
    with_breaker(world, rollback=True)
    contain(world)
    world.services.stall()
    assert restored(restoring(world))[0] == "PENDING"
    assert len(world.services.redeployed) == 1 and world.changes("restore") == []


def test_a_circuit_breaker_that_only_stops_is_no_way_back() -> None:
    world = World()
    with_breaker(world, rollback=False)
    contain(world)
    world.services.stall()
    restoring(world)
    assert [primary(world)] == world.services.redeployed[1:]


def test_the_circuit_breakers_way_back_is_the_restore() -> None:
    world = contained()
    failed = replace(OLD, id=world.services.redeployed[0], status="ACTIVE", rollout_state="FAILED")
    back = replace(OLD, rollout_state="IN_PROGRESS")
    world.services.state = replace(RUNNING, deployments=(back, failed))
    run = restoring(world)
    assert restored(run)[0] == "PENDING" and restored(run)[1].startswith(OLD.id)
    world.services.finish()
    assert run.undo_service(115).evidence == (f"The service has settled on {OLD.id}.",)
    assert run.undo_role(115).next == "CONFIRM"
    receipt = run.confirm(116)
    assert receipt.equal and receipt.changed_by_others == ()
    assert len(world.services.redeployed) == 1


def test_the_circuit_breakers_way_back_is_not_superseded_even_if_it_stalls() -> None:
    world = contained()
    back = replace(OLD, rollout_state="IN_PROGRESS", failed_tasks=2)
    world.services.state = replace(RUNNING, deployments=(back,))
    assert restored(restoring(world))[0] == "PENDING"
    assert len(world.services.redeployed) == 1


def test_what_somebody_else_deploys_during_the_restore_is_waited_for() -> None:
    world = contained()
    run = restoring(world)
    world.services.somebody_deploys(DEFINITION)
    run.undo_service(115)
    assert restored(run)[0] == "PENDING" and restored(run)[1].startswith(THEIRS)
    world.services.finish()
    assert run.undo_service(130).evidence == (f"The service has settled on {THEIRS}.",)
    assert run.undo_role(130).next == "CONFIRM"
    assert run.confirm(131).equal and len(world.services.redeployed) == 1


def test_somebody_elses_deployment_is_not_superseded_even_if_it_stalls() -> None:
    world = contained()
    world.services.somebody_deploys(DEFINITION)
    world.services.stall()
    assert restored(restoring(world))[0] == "PENDING"
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


def test_each_wait_for_the_service_is_counted() -> None:
    run = restoring(contained())
    waits = [run.state.undo, run.undo_service(115), run.undo_service(130)]
    assert [(undo.next, undo.checks, undo.restored_since) for undo in waits if undo] == [
        ("WAIT", 1, at(100)),
        ("WAIT", 2, at(100)),
        ("WAIT", 3, at(100)),
    ]


def test_a_restore_that_takes_half_an_hour_is_waited_for_no_longer() -> None:
    run = restoring(contained())
    assert run.undo_service(1899).next == "WAIT"
    late = run.undo_service(1900)
    assert (late.service, late.next) == ("UNHEALTHY", "ROLE")


def test_a_restore_is_sent_once_even_if_the_redeploys_own_id_was_never_heard() -> None:
    world = contained(13)  # ECS heard the redeploy, the journal did not hear of its id
    for seconds in (100, 115):
        world.services.stall()
        restoring(world, seconds)
        assert [primary(world)] == world.services.redeployed[1:]
    assert len(world.services.redeployed) == 2


def test_our_stuck_deployment_of_a_revision_that_was_deregistered_is_left_to_a_person() -> None:
    world = contained()
    world.services.stall()
    world.revisions.inactive.append(DEFINITION)
    assert restored(restoring(world)) == (
        "UNHEALTHY",
        "retainwise-worker:1, which it ran before, has been deregistered.",
    )
    assert len(world.services.redeployed) == 1 and world.changes("restore") == []
