"""Somebody deploys, and the run comes into it: it waits, helps a deployment that is denied, or gives up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from regrant.diagnosis.containment.waiting import WAIT_LIMIT
from sandbox.scenarios.seeds import retainwise, retainwise_account
from tests.statemachine.happenings import (
    all_of,
    answering,
    ask_first,
    say,
    somebody_deploys,
    the_image_disappears,
    when,
    without_circuit_breaker,
)
from tests.statemachine.world import Ended, World, incident

NO_OTHER = "ecs:UpdateService"


@contextmanager
def moved(seconds: float = 60, redeploy: str = "always") -> Iterator[World]:
    """A colleague moved the worker to its own role so long ago. That lacks the queue, and each task exits
    after four denials in a row."""
    with incident("new-role-denied", redeploy) as world:
        retainwise_account.move_worker(world.account)
        world.after(seconds)
        yield world


def service(world: World) -> dict[str, Any]:
    shape: dict[str, Any] = world.account.client("ecs").describe_services(
        cluster=retainwise.CLUSTER, services=[retainwise.WORKER]
    )["services"][0]
    return shape


def settled_on(world: World) -> str:
    """The revision in use, where the one deployment is completed."""
    (deployment,) = service(world)["deployments"]
    assert deployment["rolloutState"] == "COMPLETED"
    return str(deployment["taskDefinition"].rpartition("/")[2])


def granted(world: World) -> list[str]:
    """What the worker's own role has."""
    answer = world.account.client("iam").list_attached_role_policies(RoleName=retainwise.WORKER_ROLE)
    return [policy["PolicyName"] for policy in answer["AttachedPolicies"]]


def found(ended: Ended, code: str) -> list[dict[str, Any]]:
    return [finding for finding in ended.report["findings"] if finding["code"] == code]


def test_a_deployment_that_cannot_end_is_helped_and_no_other_is_started() -> None:
    with moved() as world:
        ended = world.run()
        assert ended.outcome == "CONTAINED" and "DENIED_ROLLOUT" in ended.codes
        assert (settled_on(world), granted(world)) == ("retainwise-worker:2", [retainwise.RECEIVE])
        assert NO_OTHER not in world.mutations()
        proof = ended.report["health"]
        assert proof["last"]["tasks"] == 2 and proof["deployed_at"]


def test_an_undo_of_that_takes_the_grant_and_leaves_the_service_where_its_colleague_moved_it() -> None:
    with moved() as world:
        undone = world.run({"mode": "rollback", "incident": world.run().name})
        assert undone.outcome == "ROLLED_BACK" and undone.report["receipt"]["equal"]
        changed = undone.report["receipt"]["changed_by_others"]
        assert [line for line in changed if "revisions" not in line] == []
        assert "retainwise-worker:1" in changed[0]
        assert (granted(world), NO_OTHER in world.mutations()) == ([], False)
        assert service(world)["taskDefinition"].endswith("retainwise-worker:2")


def test_one_that_the_circuit_breaker_takes_back_after_the_grant_is_undone() -> None:
    with moved() as world:
        ended = world.run(on_state=when("AttachPolicies", the_image_disappears))
        assert (ended.outcome, ended.error) == ("ROLLED_BACK", "RolledBack")
        assert "ROLLOUT_FAILED" in ended.codes and ended.report["receipt"]["equal"]
        assert granted(world) == []
        world.after(300)
        assert settled_on(world) == "retainwise-worker:1"


def test_one_that_goes_on_for_longer_than_a_run_watches_keeps_its_grant_while_its_tasks_work() -> None:
    def no_more_of_them(world: World, state: str) -> None:
        if state == "PauseForHealth" and granted(world) and service(world)["deployments"][0]["runningCount"]:
            the_image_disappears(world)
            world.account.client("ecs").update_service(
                cluster=retainwise.CLUSTER, service=retainwise.WORKER, desiredCount=4
            )

    with moved() as world:
        without_circuit_breaker(world)
        ended = world.run(on_state=no_more_of_them)
        assert (ended.outcome, granted(world)) == ("CONTAINED", [retainwise.RECEIVE])
        (theirs, *_) = service(world)["deployments"]
        assert (theirs["rolloutState"], theirs["runningCount"] < 4) == ("IN_PROGRESS", True)
        (said,) = found(ended, "ROLLOUT_UNFINISHED")
        assert theirs["id"] in said["text"] and NO_OTHER not in world.mutations()


def test_one_that_the_circuit_breaker_is_taking_back_is_waited_for_and_leaves_nothing_to_fix() -> None:
    with moved(seconds=210) as world:
        (primary, *_) = service(world)["deployments"]
        assert primary["taskDefinition"].endswith("retainwise-worker:1")
        ended = world.run()
        assert ended.outcome == "NOTHING_TO_FIX" and "DEPLOYMENT_REPLACED" in ended.codes
        assert "WAITED_FOR_DEPLOYMENT" in ended.codes
        (missing,) = found(ended, "MISSING_ATTACHMENT")
        assert f"{retainwise.WORKER_ROLE} lacks {retainwise.RECEIVE}" in missing["text"]
        assert (granted(world), settled_on(world)) == ([], "retainwise-worker:1")


def test_one_that_is_replaced_before_the_grant_is_diagnosed_again() -> None:
    def go_back(world: World) -> None:
        world.account.client("ecs").update_service(
            cluster=retainwise.CLUSTER, service=retainwise.WORKER, taskDefinition="retainwise-worker:1"
        )

    with moved() as world:
        ask_first(world)
        ended = world.run(on_state=answering(all_of(go_back, say("Yes"))))
        assert ended.outcome == "NOTHING_TO_FIX"
        chain = ["CaptureBaseline", "Diagnose", "DecidePlan", "PauseForDeployment"]
        assert any(ended.path[n : n + 4] == chain for n in range(len(ended.path)))
        assert (granted(world), settled_on(world)) == ([], "retainwise-worker:1")


def test_one_that_fails_for_another_reason_is_given_up_with_what_was_seen() -> None:
    """The old tasks are denied, and the new ones have no image."""
    with incident() as world:
        without_circuit_breaker(world)
        the_image_disappears(world)
        somebody_deploys(world)
        ended = world.run()
        assert (ended.outcome, ended.error) == ("REFUSED", None)
        assert WAIT_LIMIT <= ended.seconds < WAIT_LIMIT + 60
        (stopped,) = found(ended, "TASKS_STOPPED")
        assert "CannotPullContainerError" in stopped["evidence"][0]
        (denied,) = found(ended, "DENIED_TASKS")
        assert "retainwise-worker:1" in denied["text"]
        (missing,) = found(ended, "MISSING_ATTACHMENT")
        assert f"lacks {retainwise.RECEIVE}" in missing["text"]
        assert "DEPLOYMENT_IN_FLIGHT" in ended.codes
        assert world.mutations() == []
