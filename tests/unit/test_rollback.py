"""Back to exactly what was, from any crash point, and never further than what this incident did."""

import pytest
from msgspec.structs import replace

from regrant.baseline import capture
from regrant.containment import attach_policies, redeploy
from regrant.errors import AwsUnavailable, BaselineDiffers, ServiceGone
from regrant.models import Receipt, Restore
from regrant.resources import Baseline
from regrant.rollback import confirm_baseline, detach_policies, restore_service
from regrant.rollout import check_restore
from tests.unit.fakes import (
    DEFINITION,
    INCIDENT,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD,
    PLAN,
    RECEIVE,
    ROLE,
    RUNNING,
    SEND,
    UNDO,
    WORKER,
    Crash,
    Fuse,
    World,
    at,
)

# Before and after each change of: attach (intent, IAM, done), redeploy (intent, ECS, done).
MOMENTS = range(1, 13)


def contain(world: World) -> None:
    mark = capture(INCIDENT_OF_WORKER, PLAN, world.services, world.roles, world.queues, world.journal, at(2))
    attach_policies(INCIDENT_OF_WORKER, PLAN, world.roles, world.journal, at(3))
    redeploy(INCIDENT_OF_WORKER, mark, world.services, world.journal, at(5))


def restore(world: World, seconds: float = 100) -> Restore:
    return restore_service(UNDO, world.services, world.journal, at(seconds))


def undo(world: World) -> Receipt:
    restoring = restore(world)
    if restoring.verdict == "PENDING":
        world.services.finish()
        assert check_restore(restoring, WORKER, world.services, at(115)).verdict == "HEALTHY"
    detach_policies(UNDO, world.roles, world.journal, at(116))
    return confirm_baseline(UNDO, world.services, world.roles, world.journal, at(117))


def contained(moment: int = 0) -> World:
    """The account after a run that crashed at the moment, or that went to its end."""
    world = World(Fuse(blows_at=moment))
    if moment:
        with pytest.raises(Crash):
            contain(world)
    else:
        contain(world)
    return world


def test_containing_has_no_more_moments_than_those() -> None:
    assert contained().fuse.passed == len(MOMENTS)


@pytest.mark.parametrize("moment", MOMENTS)
def test_wherever_the_run_crashed_the_undo_is_exact(moment: int) -> None:
    world = contained(moment)
    receipt = undo(world)
    assert receipt.equal and receipt.changed_by_others == ()
    assert world.roles.role == ROLE


# Before and after each change of: restore (intent, ECS, done), detach (IAM, undone).
@pytest.mark.parametrize("moment", range(1, 11))
def test_wherever_the_undo_crashed_it_can_be_done_again(moment: int) -> None:
    world = contained()
    world.services.stall()
    world.fuse.passed, world.fuse.blows_at = 0, moment
    with pytest.raises(Crash):
        undo(world)
    assert undo(world).equal
    assert world.roles.role == ROLE


def test_a_run_that_recorded_nothing_has_nothing_to_undo() -> None:
    world = World()
    assert undo(world).equal
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
    world.fuse.passed = 0
    assert undo(world).equal
    assert (world.fuse.passed, world.roles.detached) == (0, [RECEIVE])


def test_a_policy_that_was_attached_before_us_stays() -> None:
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE, SEND))
    contain(world)
    assert undo(world).equal
    assert (set(world.roles.role.attached), world.roles.detached) == ({RECEIVE, SEND}, [])


def test_a_policy_that_somebody_else_attached_meanwhile_stays_and_is_named() -> None:
    world = contained()
    world.roles.role = replace(world.roles.role, attached=(RECEIVE, SEND))
    receipt = undo(world)
    assert world.roles.role.attached == (SEND,)
    assert receipt.changed_by_others == (f"+ role.attached.{SEND} = true",)


def test_what_was_detached_is_in_the_journal() -> None:
    world = contained()
    undo(world)
    assert [change.undone_at for change in world.changes("attach")] == [at(116)]


def test_a_settled_service_is_left_as_it_is() -> None:
    world = contained()
    world.services.finish()
    assert restore(world).verdict == "HEALTHY"
    assert len(world.services.redeployed) == 1


def test_our_deployment_that_is_still_going_well_is_waited_for() -> None:
    world = contained()
    restoring = restore(world)
    assert (restoring.verdict, restoring.deployment) == ("PENDING", world.services.redeployed[0])
    assert len(world.services.redeployed) == 1


def test_our_stuck_deployment_is_superseded_by_one_of_the_baselines_revision() -> None:
    world = contained()
    world.services.stall()
    restoring = restore(world)
    ours, second = world.services.redeployed
    assert restoring.deployment == second
    assert [(c.value, c.done_at) for c in world.changes("restore")] == [(ours, at(100))]
    assert world.services.state is not None and world.services.state.task_definition == DEFINITION


def test_our_stuck_deployment_is_superseded_once() -> None:
    world = contained()
    world.services.stall()
    first = restore(world)
    world.services.stall()
    second = restore(world, 110)
    assert first.deployment == second.deployment
    assert len(world.services.redeployed) == 2


def test_a_restore_whose_response_was_lost_is_not_sent_again() -> None:
    world = contained()
    world.services.stall()
    world.services.response_lost = True
    with pytest.raises(AwsUnavailable):
        restore(world)
    assert restore(world, 110).deployment == world.services.redeployed[1]
    assert len(world.services.redeployed) == 2


def test_a_restore_that_was_not_heard_is_sent_again() -> None:
    world = contained()
    world.services.stall()
    world.fuse.passed, world.fuse.blows_at = 0, 3  # after the intent, before UpdateService
    with pytest.raises(Crash):
        restore(world)
    assert restore(world, 110).deployment == world.services.redeployed[1]


def test_the_circuit_breakers_own_way_back_is_waited_for() -> None:
    world = contained()
    failed = replace(OLD, id=world.services.redeployed[0], status="ACTIVE", rollout_state="FAILED")
    back = replace(OLD, rollout_state="IN_PROGRESS")
    world.services.state = replace(RUNNING, deployments=(back, failed))
    assert (restore(world).deployment, len(world.services.redeployed)) == (OLD.id, 1)


def test_the_circuit_breakers_way_back_is_not_superseded_even_if_it_stalls() -> None:
    world = contained()
    back = replace(OLD, rollout_state="IN_PROGRESS", failed_tasks=2)
    world.services.state = replace(RUNNING, deployments=(back,))
    assert restore(world).verdict == "PENDING"
    assert len(world.services.redeployed) == 1


def test_a_revision_that_somebody_else_deployed_is_left_alone() -> None:
    world = contained()
    theirs = replace(OLD, id="ecs-svc/77", task_definition=NEWER_DEFINITION, rollout_state="IN_PROGRESS")
    world.services.state = replace(RUNNING, task_definition=NEWER_DEFINITION, deployments=(theirs,))
    receipt = undo(world)
    assert receipt.equal and len(world.services.redeployed) == 1
    assert any(NEWER_DEFINITION in line for line in receipt.changed_by_others)


def test_a_service_that_is_gone_cannot_be_restored() -> None:
    world = contained()
    world.services.state = None
    with pytest.raises(ServiceGone, match="retainwise-cluster/retainwise-worker"):
        restore(world)


def test_while_iam_still_shows_our_policy_the_baseline_differs() -> None:
    world = contained()
    with pytest.raises(BaselineDiffers, match=r"role\.attached\..*prod-retainwise-sqs-worker"):
        confirm_baseline(UNDO, world.services, world.roles, world.journal, at(117))


def test_a_restore_is_sent_once_even_if_the_redeploys_own_id_was_never_heard() -> None:
    world = contained(11)  # ECS heard the redeploy, the journal did not hear of its id
    for seconds in (100, 110):
        world.services.stall()
        assert restore(world, seconds).deployment == world.services.redeployed[1]
    assert len(world.services.redeployed) == 2
