"""What may happen while health is being proved: each time the run must see it before it says CONTAINED."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest

from regrant.clock import seconds_between
from regrant.model.results import PAUSE
from sandbox.engine.faults import Effect
from sandbox.scenarios.seeds import retainwise
from tests.statemachine.happenings import move_to_declared_role, somebody_deploys, when, when_sampled
from tests.statemachine.world import POLICY, Ended, World, incident

GROUP = f"/ecs/{retainwise.WORKER}"
DENIED = (
    f"User: arn:aws:sts::123456789012:assumed-role/{retainwise.OLD_ROLE}/y is not authorized to perform:"
    " sqs:deletemessage"
)


def after_the_first_sample(act: Callable[[World], None]) -> Callable[[World], Ended]:
    return lambda world: world.run(on_state=when_sampled(act))


def after_the_first_two_samples(act: Callable[[World], None]) -> Callable[[World], Ended]:
    """It happens, and happens again."""
    done = set[int]()

    def on_state(world: World, state: str) -> None:
        looks = world.looks() if state == "PauseForHealth" and len(done) < 2 else []
        if looks and looks[-1]["samples"] and looks[-1]["samples"] not in done:
            done.add(looks[-1]["samples"])
            act(world)

    return lambda world: world.run(on_state=on_state)


def new_task_is_denied(world: World) -> None:
    logs, moment = world.account.client("logs"), world.account.clock.now()
    stream = f"ecs/worker/{youngest_task(world)}"
    with suppress(logs.exceptions.ResourceAlreadyExistsException):  # else it has logged nothing yet
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    event = {"timestamp": round(moment.timestamp() * 1000), "message": DENIED}
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[event])


def youngest_task(world: World) -> str:
    ecs = world.account.client("ecs")
    arns = ecs.list_tasks(cluster=retainwise.CLUSTER, serviceName=retainwise.WORKER)["taskArns"]
    tasks = ecs.describe_tasks(cluster=retainwise.CLUSTER, tasks=arns)["tasks"]
    return str(max(tasks, key=lambda task: task["createdAt"])["taskArn"].rpartition("/")[2])


def new_task_is_denied_and_exits(world: World) -> None:
    task = youngest_task(world)
    new_task_is_denied(world)
    world.account.client("ecs").stop_task(cluster=retainwise.CLUSTER, task=task)


def somebody_takes_the_grant_off(world: World) -> None:
    world.account.client("iam").detach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=POLICY)


def why(ended: Ended) -> str:
    return " ".join(ended.report["health"]["evidence"])


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (somebody_takes_the_grant_off, "prod-retainwise-sqs-worker is not attached"),
        (somebody_deploys, "is not the primary deployment any more"),
    ],
)
def test_what_others_change_during_the_proof_is_not_called_contained(
    act: Callable[[World], None], reason: str
) -> None:
    with incident() as world:
        ended = after_the_first_sample(act)(world)
        assert (ended.error, ended.outcome) == ("RolledBack", "ROLLED_BACK"), ended.report
        assert reason in why(ended)
        assert ended.report["health"]["samples"] == 2


def test_tasks_that_are_denied_and_exit_are_not_called_healthy() -> None:
    with incident() as world:
        ended = after_the_first_two_samples(new_task_is_denied_and_exits)(world)
        assert (ended.error, ended.outcome) == ("RolledBack", "ROLLED_BACK"), ended.report
        assert "sqs:deletemessage" in why(ended)


def test_without_a_redeploy_tasks_of_another_role_prove_nothing() -> None:
    with incident() as world:
        world.change_entry(redeploy="never")
        ended = world.run(on_state=when("PauseForHealth", move_to_declared_role))
        assert ended.outcome == "ROLLED_BACK", ended.report
        assert "is not the primary deployment any more" in why(ended)


def attached_at(ended: Ended) -> str:
    (attached,) = (change["done_at"] for change in ended.report["changes"] if change["kind"] == "attach")
    return str(attached)


@pytest.mark.parametrize("redeploy", ["always", "never"])
def test_the_first_look_comes_twenty_seconds_after_the_change(redeploy: str) -> None:
    with incident(redeploy=redeploy) as world:
        ended = world.run()
        assert seconds_between(attached_at(ended), world.looks()[0]["at"]) == PAUSE
        assert world.looks()[0]["shown_at"] == attached_at(ended)


def test_a_grant_that_iam_shows_late_counts_from_when_it_is_shown() -> None:
    with incident(redeploy="never") as world:
        world.account.faults.add(
            Effect.STALE_READ,
            "iam",
            "ListAttachedRolePolicies",
            function="regrant-attach-policies",
            occurrence=2,
            times=3,
        )
        ended = world.run()
        assert (ended.outcome, ended.path.count("AttachPolicies")) == ("CONTAINED", 1)
        first = world.looks()[0]
        assert first["shown_at"] > attached_at(ended)
        assert seconds_between(first["shown_at"], first["at"]) == PAUSE


def test_a_rollout_is_looked_at_the_sooner_the_nearer_its_end() -> None:
    with incident() as world:
        world.run()
        looks = world.looks()
        rolling = [look for look in looks if look["deployed_at"] is None]
        waits = [seconds_between(a["at"], b["at"]) for a, b in pairwise(looks[: len(rolling) + 1])]
        assert waits == sorted(waits, reverse=True)
        assert {30, 10} <= set(waits) <= {30, 15, 10}


def test_a_log_that_is_late_is_waited_for() -> None:
    with incident() as world:
        world.account.logs.lag = 20
        ended = world.run()
        assert (ended.outcome, ended.report["health"]["verdict"]) == ("CONTAINED", "HEALTHY")


def test_a_denial_that_is_shown_twenty_seconds_late_is_not_called_healthy() -> None:
    with incident() as world:
        world.account.logs.lag = 20
        ended = after_the_first_two_samples(new_task_is_denied)(world)
        assert (ended.error, ended.outcome) == ("RolledBack", "ROLLED_BACK"), ended.report
        assert "sqs:deletemessage" in why(ended)
        world.after(300)
        assert world.changed() == []
