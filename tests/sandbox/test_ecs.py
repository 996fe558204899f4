"""Rolling deployments of the local account, as ECS shows them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.aws.ecs.rollout import Rollout
from tests.sandbox.services import CLUSTER, SERVICE, Shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    with LocalAccount() as account:
        yield Shop(account)


def test_a_forced_redeploy_shows_an_empty_primary_beside_the_old_deployment(shop: Shop) -> None:
    old = shop.create()["deployments"][0]
    new, kept = shop.update(forceNewDeployment=True)["deployments"]
    assert (new["desiredCount"], new["runningCount"], new["pendingCount"]) == (0, 0, 0)
    assert (new["status"], new["rolloutState"]) == ("PRIMARY", "IN_PROGRESS")
    assert new["rolloutStateReason"] == f"ECS deployment {new['id']} in progress."
    assert (kept["id"], kept["status"], kept["rolloutState"]) == (old["id"], "ACTIVE", "COMPLETED")
    assert kept["runningCount"] == 2
    assert new["taskDefinition"] == old["taskDefinition"]
    assert new["taskDefinition"].startswith("arn:aws:ecs:us-east-1:123456789012:task-definition/")


def test_a_rollout_starts_new_tasks_before_it_stops_old_ones(shop: Shop) -> None:
    shop.create()
    shop.update(forceNewDeployment=True)
    shop.wait(20)
    assert shop.shown() == [("PRIMARY", "IN_PROGRESS", 0), ("ACTIVE", "COMPLETED", 2)]
    assert shop.describe()["deployments"][0]["pendingCount"] == 2
    shop.wait(20)
    assert shop.shown() == [("PRIMARY", "IN_PROGRESS", 2), ("ACTIVE", "COMPLETED", 2)]
    shop.wait(80)
    assert shop.shown() == [("PRIMARY", "COMPLETED", 2)]


def test_a_finished_rollout_says_so_newest_event_first(shop: Shop) -> None:
    shop.create()
    deployment = shop.update(forceNewDeployment=True)["deployments"][0]["id"]
    assert 100 <= shop.settle() <= 150
    messages = shop.messages()
    assert messages[:2] == ["has reached a steady state.", f"(deployment {deployment}) deployment completed."]
    assert any(message.startswith("has started 2 tasks: (task ") for message in messages)


def test_tasks_are_found_by_the_deployment_that_started_them(shop: Shop) -> None:
    shop.create()
    deployment = shop.update(forceNewDeployment=True)["deployments"][0]["id"]
    shop.settle()
    new = shop.tasks(startedBy=deployment)
    assert [task["lastStatus"] for task in new] == ["RUNNING", "RUNNING"]
    assert shop.tasks(serviceName=SERVICE) == new
    old = shop.tasks(serviceName=SERVICE, desiredStatus="STOPPED")
    assert {task["stopCode"] for task in old} == {"ServiceSchedulerInitiated"}
    assert {task["stoppedReason"] for task in old} == {
        f"Scaling activity initiated by (deployment {deployment})"
    }


def test_started_by_is_the_only_filter(shop: Shop) -> None:
    shop.create()
    with pytest.raises(ClientError, match="only filter"):
        shop.tasks(startedBy="ecs-svc/1", serviceName=SERVICE)


def test_the_breaker_rolls_back_to_the_earlier_deployment_under_its_own_id(shop: Shop) -> None:
    good = shop.create()["deployments"][0]
    bad = shop.update(taskDefinition=shop.register(image="shop/orders:missing"))["deployments"][0]
    shop.account.clock.run(lambda: shop.describe()["deployments"][0]["id"] == good["id"], 3600)
    back, failed = shop.describe()["deployments"]
    reason = f"ECS deployment circuit breaker: rolling back to deploymentId {good['id']}"
    assert (back["rolloutState"], back["rolloutStateReason"]) == ("IN_PROGRESS", reason)
    assert (failed["id"], failed["status"], failed["rolloutState"]) == (bad["id"], "ACTIVE", "IN_PROGRESS")
    assert shop.describe()["taskDefinition"] == good["taskDefinition"]
    assert shop.messages()[:2] == [
        f"rolling back to deployment {good['id']}.",
        f"(deployment {bad['id']}) deployment failed: tasks failed to start.",
    ]
    shop.settle()
    assert shop.describe()["deployments"][0]["id"] == good["id"]
    assert shop.describe()["runningCount"] == 2


def test_a_failed_deployment_is_shown_failed_and_then_goes(shop: Shop) -> None:
    shop.create()
    bad = shop.update(taskDefinition=shop.register(image="shop/orders:missing"))["deployments"][0]["id"]
    failed = {"id": bad, "rolloutState": "FAILED"}
    assert shop.account.clock.run(
        lambda: any(failed.items() <= deployment.items() for deployment in shop.describe()["deployments"]),
        3600,
    )
    shop.wait(120)
    assert [d["rolloutState"] for d in shop.describe()["deployments"]] == ["COMPLETED"]


def test_without_rollback_the_breaker_fails_and_the_old_tasks_keep_serving(shop: Shop) -> None:
    shop.create(deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}})
    shop.update(taskDefinition=shop.register(image="shop/orders:missing"))
    assert shop.until("FAILED")
    shop.wait(600)
    assert shop.shown() == [("PRIMARY", "FAILED", 0), ("ACTIVE", "COMPLETED", 2)]


def test_without_a_breaker_a_rollout_is_in_progress_for_ever(shop: Shop) -> None:
    shop.create(deploymentConfiguration={"deploymentCircuitBreaker": {"enable": False, "rollback": False}})
    shop.update(taskDefinition=shop.register(image="shop/orders:missing"))
    shop.wait(2 * 3600)
    primary, old = shop.describe()["deployments"]
    assert (primary["rolloutState"], old["runningCount"]) == ("IN_PROGRESS", 2)
    assert primary["failedTasks"] > 10
    assert "is unable to consistently start tasks successfully." in shop.messages()


def test_a_first_rollout_that_fails_has_nothing_to_go_back_to(shop: Shop) -> None:
    shop.create(settled=False, desired=1, taskDefinition=shop.register(image="shop/orders:missing"))
    assert shop.until("FAILED")
    assert len(shop.describe()["deployments"]) == 1


def test_tasks_that_exit_at_start_trip_the_breaker_in_about_three_minutes(shop: Shop) -> None:
    shop.create(desired=1)
    shop.update(taskDefinition=shop.register(EXIT_AT_START="1"))
    assert shop.account.clock.run(
        lambda: "rolling back" in shop.describe()["deployments"][0]["rolloutStateReason"]
    )
    assert 150 <= shop.account.clock.elapsed() <= 200
    exited = shop.tasks(serviceName=SERVICE, desiredStatus="STOPPED")[0]
    assert (exited["stopCode"], exited["containers"][0]["exitCode"]) == ("EssentialContainerExited", 1)


def test_exits_can_be_left_uncounted_as_ecs_did_until_2022(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rollout, "count_exits", False)
    shop.create(desired=1)
    shop.update(taskDefinition=shop.register(EXIT_AT_START="1"))
    shop.wait(1800)
    assert shop.shown()[0][:2] == ("PRIMARY", "IN_PROGRESS")
    assert shop.describe()["deployments"][0]["failedTasks"] == 0


def test_a_superseded_deployment_stays_in_progress_until_it_is_gone(shop: Shop) -> None:
    shop.create()
    first = shop.update(forceNewDeployment=True)["deployments"][0]["id"]
    shop.wait(40)
    shop.update(forceNewDeployment=True)
    assert [(d["status"], d["rolloutState"]) for d in shop.describe()["deployments"]] == [
        ("PRIMARY", "IN_PROGRESS"),
        ("ACTIVE", "IN_PROGRESS"),
        ("ACTIVE", "COMPLETED"),
    ]
    shop.settle()
    assert first not in [d["id"] for d in shop.describe()["deployments"]]
    assert shop.describe()["runningCount"] == 2


def test_never_more_tasks_than_maximum_nor_fewer_than_minimum(shop: Shop) -> None:
    shop.create(desired=4, deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 125})
    shop.update(forceNewDeployment=True)
    seen = []

    def settled() -> bool:
        seen.append(sum(task["desiredStatus"] == "RUNNING" for task in shop.tasks(serviceName=SERVICE)))
        return shop.shown()[0][1] == "COMPLETED"

    assert shop.account.clock.run(settled, 3600)
    assert 2 <= min(seen) <= max(seen) <= 5
    assert shop.shown() == [("PRIMARY", "COMPLETED", 4)]


def test_a_configuration_that_lets_nothing_move_is_said_in_an_event(shop: Shop) -> None:
    shop.create(desired=1, deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 100})
    shop.update(forceNewDeployment=True)
    shop.wait(1800)
    assert shop.shown() == [("PRIMARY", "IN_PROGRESS", 0), ("ACTIVE", "COMPLETED", 1)]
    assert shop.messages()[0].startswith("was unable to stop or start tasks during a deployment because of")


def test_with_desired_count_zero_a_rollout_starts_nothing_and_completes(shop: Shop) -> None:
    shop.create(desired=0)
    shop.update(forceNewDeployment=True)
    assert shop.settle() <= 60
    assert shop.tasks(serviceName=SERVICE) == []


def test_a_task_that_dies_is_replaced(shop: Shop) -> None:
    shop.create()
    victim = shop.tasks(serviceName=SERVICE)[0]
    shop.ecs.stop_task(cluster=CLUSTER, task=victim["taskArn"], reason="testing")
    assert shop.describe()["runningCount"] == 1
    shop.wait(60)
    assert shop.describe()["runningCount"] == 2
    assert shop.shown() == [("PRIMARY", "COMPLETED", 2)]


def test_scaling_starts_no_deployment(shop: Shop) -> None:
    before = shop.create()["deployments"][0]["id"]
    shop.update(desiredCount=3)
    shop.wait(60)
    assert [(d["id"], d["runningCount"]) for d in shop.describe()["deployments"]] == [(before, 3)]
    shop.update(desiredCount=1)
    shop.wait(60)
    assert shop.describe()["runningCount"] == 1


def test_zones_are_rebalanced_unless_the_service_says_otherwise(shop: Shop) -> None:
    before = shop.create()["deployments"][0]["id"]
    assert shop.describe()["availabilityZoneRebalancing"] == "ENABLED"
    shop.update(availabilityZoneRebalancing="DISABLED")
    shop.update(desiredCount=3)
    assert shop.describe()["availabilityZoneRebalancing"] == "DISABLED"
    assert [d["id"] for d in shop.describe()["deployments"]] == [before]


def test_the_same_definition_without_force_starts_no_deployment(shop: Shop) -> None:
    made = shop.create()
    assert len(shop.update(taskDefinition=made["taskDefinition"])["deployments"]) == 1


def test_a_family_means_its_latest_active_revision(shop: Shop) -> None:
    shop.create()
    latest = shop.register()
    assert shop.update(taskDefinition=SERVICE)["deployments"][0]["taskDefinition"] == latest


def test_an_inactive_revision_is_refused(shop: Shop) -> None:
    shop.create()
    retired = shop.register()
    shop.ecs.deregister_task_definition(taskDefinition=retired)
    with pytest.raises(ClientError, match=r"\(ClientException\).*TaskDefinition is inactive"):
        shop.update(taskDefinition=retired)


@pytest.mark.parametrize("controller", ["CODE_DEPLOY", "EXTERNAL"])
def test_other_controllers_refuse_a_forced_deployment(shop: Shop, controller: str) -> None:
    shop.create(deploymentController={"type": controller})
    text = f"Cannot force a new deployment on services with a {controller} deployment controller"
    with pytest.raises(ClientError, match=text) as refused:
        shop.update(forceNewDeployment=True)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"


def test_a_deleted_service_drains_and_is_then_inactive(shop: Shop) -> None:
    shop.create()
    shop.ecs.delete_service(cluster=CLUSTER, service=SERVICE, force=True)
    assert shop.describe()["status"] == "DRAINING"
    with pytest.raises(ClientError, match="ServiceNotActiveException"):
        shop.update(forceNewDeployment=True)
    shop.wait(120)
    assert shop.describe()["status"] == "INACTIVE"


def test_unknown_names_are_answered_as_ecs_does(shop: Shop) -> None:
    described = shop.ecs.describe_services(cluster=CLUSTER, services=["nobody"])
    assert described["services"] == []
    assert described["failures"][0]["reason"] == "MISSING"
    with pytest.raises(ClientError, match="Cluster not found"):
        shop.ecs.describe_services(cluster="nowhere", services=[SERVICE])
    with pytest.raises(ClientError, match="Service not found"):
        shop.ecs.update_service(cluster=CLUSTER, service="nobody", forceNewDeployment=True)


def test_a_role_that_ecs_cannot_assume_is_said_in_an_event(shop: Shop) -> None:
    shop.create()
    shop.client("iam").delete_role(RoleName="orders-task-role")
    shop.update(forceNewDeployment=True)
    shop.wait(20)
    text = "failed to launch a task with (error ECS was unable to assume the role 'arn:"
    assert any(message.startswith(text) for message in shop.messages())


def test_every_run_tells_the_same_story() -> None:
    def story() -> list[str]:
        with LocalAccount() as account:
            shop = Shop(account)
            shop.create()
            shop.update(forceNewDeployment=True)
            shop.settle()
            return [
                f"{event['createdAt']} {event['id']} {event['message']}"
                for event in shop.describe()["events"]
            ]

    assert story() == story()
