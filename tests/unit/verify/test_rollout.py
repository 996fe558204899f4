"""Whether our deployment is finished is judged by its id, never by the service's state alone."""

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.model.aws import Deployment, ServiceState
from regrant.model.results import Health
from regrant.verify.rollout import seconds_to_next_look, verdict_on
from tests.unit.fakes import OLD, OLD_DEPLOYMENT, RUNNING, SUCCESS, World, at
from tests.unit.run import Run, contain
from tests.unit.watch import Unread

OURS = "ecs-svc/4026531840000000042"


def ours(**changed: Any) -> Deployment:
    return replace(OLD, **({"id": OURS, "rollout_state": "IN_PROGRESS", "reason": ""} | changed))


def service(*deployments: Deployment, **changed: Any) -> ServiceState:
    return replace(RUNNING, deployments=deployments, **changed)


REPLACED = replace(OLD, status="ACTIVE")


def test_at_second_0_the_counts_agree_and_nothing_is_done() -> None:
    verdict, _ = verdict_on(OURS, service(ours(desired=0, running=0), REPLACED))
    assert verdict == "PENDING"


def test_completed_with_counts_0_is_not_believed() -> None:
    verdict, _ = verdict_on(OURS, service(ours(rollout_state="COMPLETED", desired=0, running=0)))
    assert verdict == "PENDING"


def test_all_tasks_running_is_not_done_before_ecs_says_completed() -> None:
    verdict, _ = verdict_on(OURS, service(ours(), REPLACED))
    assert verdict == "PENDING"


def test_ours_completed_with_all_its_tasks_is_healthy() -> None:
    verdict, evidence = verdict_on(OURS, service(ours(rollout_state="COMPLETED", reason="done")))
    assert verdict == "HEALTHY"
    assert evidence == (f"{OURS} COMPLETED: 2 of 2 tasks running, 0 failed.", "done")


def test_ours_completed_with_a_task_missing_again_is_not() -> None:
    verdict, _ = verdict_on(OURS, service(ours(rollout_state="COMPLETED", running=1)))
    assert verdict == "PENDING"


def test_the_circuit_breakers_rollback_is_not_our_success() -> None:
    back = replace(
        OLD, reason=f"ECS deployment circuit breaker: rolling back to deploymentId {OLD_DEPLOYMENT}"
    )
    verdict, evidence = verdict_on(OURS, service(back, ours(status="ACTIVE", rollout_state="FAILED")))
    assert verdict == "UNHEALTHY"
    assert OLD_DEPLOYMENT in evidence[0] and "circuit breaker" in evidence[0]


def test_nor_is_the_rollback_when_it_has_finished() -> None:
    assert verdict_on(OURS, service(OLD))[0] == "UNHEALTHY"


def test_somebody_elses_deployment_supersedes_ours() -> None:
    theirs = ours(id="ecs-svc/77", rollout_state="COMPLETED")
    verdict, evidence = verdict_on(OURS, service(theirs, ours(status="ACTIVE")))
    assert verdict == "UNHEALTHY" and "ecs-svc/77" in evidence[0]


def test_ours_failed_is_unhealthy_with_what_ecs_says_last() -> None:
    failed = ours(rollout_state="FAILED", reason="tasks failed to start.")
    verdict, evidence = verdict_on(OURS, service(failed, REPLACED, last_events=("unable to place a task",)))
    assert verdict == "UNHEALTHY"
    assert evidence[1:] == ("tasks failed to start.", "unable to place a task")


@pytest.mark.parametrize(("desired", "threshold"), [(1, 3), (2, 3), (6, 3), (7, 4), (25, 13), (1000, 200)])
def test_without_a_circuit_breaker_its_threshold_applies(desired: int, threshold: int) -> None:
    def verdict(failed: int) -> str:
        return verdict_on(OURS, service(ours(failed_tasks=failed), REPLACED, desired_count=desired))[0]

    assert (verdict(threshold - 1), verdict(threshold)) == ("PENDING", "UNHEALTHY")


def test_a_service_that_somebody_scaled_to_0_can_prove_nothing() -> None:
    scaled = ours(rollout_state="COMPLETED", desired=0, running=0)
    verdict, evidence = verdict_on(OURS, service(scaled, desired_count=0))
    assert (verdict, evidence[-1]) == ("UNHEALTHY", "Somebody scaled the service to 0.")


@pytest.mark.parametrize("state", [None, service(ours(), status="DRAINING")])
def test_a_service_that_is_gone_is_unhealthy(state: ServiceState | None) -> None:
    assert verdict_on(OURS, state)[0] == "UNHEALTHY"


def deploying() -> Run:
    """The worker's containment, whose deployment of 5 goes on."""
    run = contain(World())
    assert run.state.rollout is not None
    run.world.services.tasks = {run.state.rollout.deployment: ("new-1", "new-2")}
    return run


def test_while_it_goes_on_only_the_service_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    run = deploying()
    for port in ("roles", "logs", "queues"):
        monkeypatch.setattr(run.world, port, Unread())
    health = run.verify(25)
    assert (health.verdict, health.next, health.samples, health.last) == ("PENDING", "WAIT", 0, None)


def test_the_look_that_sees_it_completed_takes_the_first_sample() -> None:
    run = deploying()
    run.verify(25)
    run.world.services.finish()
    run.world.logs.write(40, SUCCESS)
    health = run.verify(45)
    assert (health.deployed_at, health.samples, health.streak) == (at(45), 1, 1)


def test_when_it_was_completed_is_remembered() -> None:
    run = deploying()
    run.world.services.finish()
    run.verify(25)
    assert run.verify(45).deployed_at == at(25)


def test_a_task_that_is_missing_later_does_not_start_the_rollout_again() -> None:
    run = deploying()
    run.world.services.finish()
    run.verify(25)
    run.world.services.finish(running=1)
    health = run.verify(45)
    assert (health.deployed_at, health.samples, health.verdict) == (at(25), 2, "PENDING")


def test_one_that_takes_half_an_hour_has_failed_however_few_looks_were_made() -> None:
    run = deploying()
    assert run.verify(1804).verdict == "PENDING"
    late = run.verify(1805)
    assert (late.next, late.replace_tasks, late.checks) == ("UNDO", False, 2)
    assert late.evidence[-1] == "Not finished after 30 minutes."


def test_the_time_of_the_proof_starts_when_it_is_completed() -> None:
    run = deploying()
    assert run.verify(1700).verdict == "PENDING"
    run.world.services.finish()
    run.verify(1720)
    assert run.verify(1720 + 629).verdict == "PENDING"
    assert run.verify(1720 + 630).evidence[-1] == "Not proved after 10.5 minutes."


def test_one_that_fails_is_undone_and_not_started_a_second_time() -> None:
    run = deploying()
    run.world.services.finish(rollout_state="FAILED")
    health = run.verify(25)
    assert (health.verdict, health.next, health.deployed_at) == ("UNHEALTHY", "UNDO", None)


def test_each_look_at_it_is_counted() -> None:
    run = deploying()
    looks: list[Health] = [run.verify(seconds) for seconds in (25, 45, 65)]
    assert [health.checks for health in looks] == [1, 2, 3]


@pytest.mark.parametrize(
    ("new", "old", "seconds"),
    [(0, 2, 30), (1, 2, 15), (2, 1, 15), (2, 0, 10)],
    ids=["no new task runs", "some do", "the old ones stop", "only the new ones run"],
)
def test_the_nearer_its_end_a_rollout_is_the_sooner_it_is_looked_at(new: int, old: int, seconds: int) -> None:
    found = service(ours(running=new), replace(REPLACED, running=old))
    assert seconds_to_next_look(OURS, found) == seconds


def test_a_rollout_of_which_nothing_is_known_is_looked_at_like_one_that_has_just_begun() -> None:
    assert seconds_to_next_look(OURS, None) == seconds_to_next_look(OURS, service(REPLACED)) == 30
