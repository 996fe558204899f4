"""What a task is: its states, its container, its log stream, its end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from sandbox.account import LocalAccount
from sandbox.aws.ecs import containers
from tests.sandbox.services import CLUSTER, GROUP, SERVICE, Shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    with LocalAccount() as account:
        yield Shop(account)


def lines(shop: Shop) -> list[tuple[str, str]]:
    events = shop.client("logs").filter_log_events(logGroupName=GROUP)["events"]
    return [(event["logStreamName"], event["message"]) for event in events]


def test_a_task_goes_through_the_states_of_fargate(shop: Shop) -> None:
    shop.create(settled=False, desired=1)
    seen: list[str] = []

    def running() -> bool:
        status = [task["lastStatus"] for task in shop.tasks(serviceName=SERVICE)]
        seen.extend(name for name in status if name not in seen)
        return status == ["RUNNING"]

    assert shop.account.clock.run(running, 120)
    assert seen == ["PROVISIONING", "PENDING", "RUNNING"]
    assert shop.account.clock.elapsed() == 35


def test_a_task_id_has_32_hexadecimal_digits_and_ends_its_arn(shop: Shop) -> None:
    shop.create(desired=1)
    arn = shop.tasks(serviceName=SERVICE)[0]["taskArn"]
    prefix, _, task_id = arn.rpartition("/")
    assert prefix == f"arn:aws:ecs:us-east-1:123456789012:task/{CLUSTER}"
    assert len(task_id) == 32 and int(task_id, 16)


def test_output_goes_to_the_stream_prefix_container_task(shop: Shop) -> None:
    shop.create(desired=1)
    shop.wait(1)
    task_id = shop.tasks(serviceName=SERVICE)[0]["taskArn"].rpartition("/")[2]
    assert lines(shop) == [(f"ecs/app/{task_id}", "worker started")]


def test_log_events_carry_simulated_time(shop: Shop) -> None:
    shop.create(settled=False, desired=1)
    shop.wait(60)
    event = shop.client("logs").filter_log_events(logGroupName=GROUP)["events"][0]
    assert event["timestamp"] == int((shop.account.clock.now().timestamp() - 25) * 1000)


def test_an_image_that_is_missing_cannot_be_pulled(shop: Shop) -> None:
    shop.create()
    shop.update(taskDefinition=shop.register(image="shop/orders:missing"))
    shop.wait(150)
    task = shop.tasks(serviceName=SERVICE, desiredStatus="STOPPED")[0]
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")
    assert "startedAt" not in task


def test_without_its_log_group_a_task_does_not_start(shop: Shop) -> None:
    shop.client("logs").delete_log_group(logGroupName=GROUP)
    shop.create(settled=False, desired=1)
    shop.wait(200)
    task = shop.tasks(serviceName=SERVICE, desiredStatus="STOPPED")[0]
    assert task["stoppedReason"].startswith("ResourceInitializationError: failed to validate logger args")


def test_a_container_that_ends_by_itself_ends_its_task(shop: Shop) -> None:
    shop.create(settled=False, desired=1, taskDefinition=shop.register(EXIT_AT_START="1"))
    shop.wait(60)
    task = shop.tasks(serviceName=SERVICE, desiredStatus="STOPPED")[0]
    assert task["stoppedReason"] == "Essential container in task exited"
    assert task["containers"][0]["exitCode"] == 1
    assert lines(shop)[1][1] == "CRITICAL worker cannot start"


def test_a_stopped_task_gets_sigterm_and_a_deaf_one_sigkill_after_30_seconds(shop: Shop) -> None:
    def exit_code_and_seconds(**environment: str) -> tuple[int, float]:
        shop.update(desiredCount=0)
        shop.wait(300)
        shop.update(desiredCount=1, taskDefinition=shop.register(**environment))
        shop.wait(300)
        task = shop.tasks(serviceName=SERVICE)[0]["taskArn"]
        shop.ecs.stop_task(cluster=CLUSTER, task=task, reason="testing")
        shop.wait(60)
        stopped = shop.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]
        took = (stopped["stoppedAt"] - stopped["stoppingAt"]).total_seconds()
        assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "testing")
        return stopped["containers"][0]["exitCode"], took

    shop.create(desired=1)
    assert exit_code_and_seconds() == (143, 12)
    assert exit_code_and_seconds(IGNORE_SIGTERM="1") == (137, 42)


def test_stopped_tasks_can_be_described_for_an_hour(shop: Shop) -> None:
    shop.create(desired=1)
    task = shop.tasks(serviceName=SERVICE)[0]["taskArn"]
    shop.ecs.stop_task(cluster=CLUSTER, task=task)
    shop.wait(3500)
    assert shop.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"]
    shop.wait(200)
    assert shop.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["failures"] == [
        {"arn": task, "reason": "MISSING"}
    ]


def test_a_container_calls_aws_as_its_task_role(shop: Shop) -> None:
    sqs = shop.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    definition = shop.register(HANG="0", QUEUE_URL=url, PREDICTIONS_TABLE="orders")
    shop.create(desired=1, taskDefinition=definition)
    shop.wait(1)
    task_id = shop.tasks(serviceName=SERVICE)[0]["taskArn"].rpartition("/")[2]
    call = next(call for call in shop.account.calls if call.operation == "ReceiveMessage")
    assert call.principal == f"arn:aws:sts::123456789012:assumed-role/orders-task-role/{task_id}"
    assert not call.allowed
    assert "(AccessDenied) when calling the ReceiveMessage operation" in lines(shop)[1][1]


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-c", "print(1)"],
        ["sh", "-c", "true"],
        ["python", "-m", "http.server"],
        ["python", "-m", "os"],
        [],
    ],
)
def test_only_our_own_workloads_are_ever_run(command: list[str]) -> None:
    assert containers.workload_module(command) is None


def test_any_other_command_stands_still_until_it_is_stopped(shop: Shop) -> None:
    definition = shop.ecs.register_task_definition(
        family="other",
        taskRoleArn=shop.role_arn,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "app", "image": "nginx:1", "command": ["nginx"]}],
    )["taskDefinition"]["taskDefinitionArn"]
    shop.create(desired=1, taskDefinition=definition)
    shop.wait(600)
    assert shop.describe()["runningCount"] == 1
    shop.update(desiredCount=0)
    shop.wait(60)
    assert shop.describe()["runningCount"] == 0


def test_a_workload_ends_with_the_process_that_started_it() -> None:
    environment = {"HANG": "1", "SUPERVISED": "1", "PATH": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.workloads.worker"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "worker started\n"
        process.stdin.close()
        assert process.wait(10) == 137


def test_with_processes_a_task_is_a_real_one_that_does_not_outlive_the_account() -> None:
    with LocalAccount(pace=60, http_port=0, processes=True) as account:
        shop = Shop(account)
        url = shop.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
        definition = shop.register(HANG="0", QUEUE_URL=url, PREDICTIONS_TABLE="orders")
        shop.create(desired=1, taskDefinition=definition)
        [container] = [task.container for task in account.ecs.runner.tasks]
        assert isinstance(container, containers.Process)
        assert account.clock.run(lambda: len(lines(shop)) > 1, 1200)
        started, denied = lines(shop)[:2]
        task_id = shop.tasks(serviceName=SERVICE)[0]["taskArn"].rpartition("/")[2]
        assert started == (f"ecs/app/{task_id}", "worker started")
        assert f"assumed-role/orders-task-role/{task_id} is not authorized to perform: sqs:" in denied[1]
    assert container.ended


def test_a_process_that_is_stopped_gets_sigterm() -> None:
    with LocalAccount(pace=60, http_port=0, processes=True) as account:
        shop = Shop(account)
        shop.create(desired=1)
        assert account.clock.run(lambda: bool(lines(shop)), 1200)
        task = shop.tasks(serviceName=SERVICE)[0]["taskArn"]
        shop.update(desiredCount=0)

        def stopped() -> bool:
            found = shop.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]
            return bool(found["lastStatus"] == "STOPPED")

        assert account.clock.run(stopped, 1200)
        found = shop.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]
        assert found["containers"][0]["exitCode"] == 143
