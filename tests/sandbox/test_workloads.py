"""RetainWise's backend and worker, against an account whose IAM decides."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.account import LocalAccount
from sandbox.scenarios.seeds import retainwise, retainwise_account
from sandbox.workloads import churn
from sandbox.workloads.backend import customers


class RetainWise:
    def __init__(self, account: LocalAccount, **options: Any) -> None:
        self.account = account
        retainwise_account.create(account, **options)

    def client(self, service: str) -> Any:
        return self.account.client(service)

    def grant(self, *policies: str) -> None:
        self.grant_to(retainwise.OLD_ROLE, *policies)

    def grant_to(self, role: str, *policies: str) -> None:
        for policy in policies:
            arn = f"arn:aws:iam::123456789012:policy/retainwise/{policy}"
            self.client("iam").attach_role_policy(RoleName=role, PolicyArn=arn)

    def wait(self, seconds: float) -> None:
        self.account.clock.run_for(seconds)

    def predictions(self) -> dict[str, str]:
        items = self.client("dynamodb").scan(TableName=retainwise.TABLE)["Items"]
        return {item["prediction_id"]["S"]: item["status"]["S"] for item in items}

    def lines(self, service: str, pattern: str = "") -> list[str]:
        pages = (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/ecs/{service}", filterPattern=pattern)
        )
        return [event["message"] for page in pages for event in page["events"]]

    def waiting(self, queue: str) -> int:
        url = self.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        name = "ApproximateNumberOfMessages"
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])[
            "Attributes"
        ]
        return int(attributes[name])


@pytest.fixture
def broken() -> Iterator[RetainWise]:
    with LocalAccount() as account:
        yield RetainWise(account)


def test_without_permission_predictions_stay_queued(broken: RetainWise) -> None:
    broken.wait(60)
    assert set(broken.predictions().values()) == {"QUEUED"}
    assert broken.waiting(retainwise.QUEUE) == 0


def test_while_nobody_looks_they_turn_less_often(broken: RetainWise) -> None:
    broken.wait(1)
    before = len(broken.predictions())
    broken.account.idle_factor = 60
    broken.wait(3600)
    # One rest of 15 seconds had begun before; the others last 15 minutes.
    assert len(broken.predictions()) == before + 1 + 3


def test_both_log_the_real_text_of_the_denial(broken: RetainWise) -> None:
    broken.wait(20)
    for service, call, action in (
        (retainwise.BACKEND, "SendMessage", "sqs:sendmessage"),
        (retainwise.WORKER, "ReceiveMessage", "sqs:receivemessage"),
    ):
        denial = broken.lines(service, '"is not authorized to perform"')[0]
        assert (
            f"An error occurred (AccessDenied) when calling the {call} operation: User: arn:aws:sts::"
            in denial
        )
        assert f"assumed-role/{retainwise.OLD_ROLE}/" in denial
        assert f"is not authorized to perform: {action} on resource: arn:aws:sqs:" in denial


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("explicit-deny", "sqs:receivemessage .* with an explicit deny in an identity-based policy"),
        ("boundary", "sqs:receivemessage .* because no permissions boundary allows the sqs:receivemessage"),
        (
            "other-principal",
            "assumed-role/retainwise-queue-reader/.* perform: sqs:receivemessage on resource",
        ),
        (
            "table-lost",
            "retainwise-ecs-task-role/.* perform: dynamodb:UpdateItem on resource: .*:table/prod-",
        ),
    ],
)
def test_in_each_variant_the_worker_logs_its_own_reason(variant: str, words: str) -> None:
    with LocalAccount() as account:
        app = RetainWise(account, variant=variant)
        app.wait(30)
        said = app.lines(retainwise.WORKER, '"is not authorized"')
        assert said and all(re.search(words, line) for line in said)


def test_a_worker_that_may_not_read_the_queue_gives_up_where_it_is_set_to_and_ecs_starts_another() -> None:
    with LocalAccount() as account:
        app = RetainWise(account, variant="new-role-denied")
        retainwise_account.move_worker(account)
        app.wait(130)
        given_up = app.lines(retainwise.WORKER, '"CRITICAL worker gives up"')
        started = app.lines(retainwise.WORKER, '"worker started"')
        # Two from before, two of the deployment, and those in their place.
        assert (len(given_up), len(started)) == (2, 6)
        app.grant_to(retainwise.WORKER_ROLE, retainwise.RECEIVE)
        app.wait(200)
        assert app.lines(retainwise.WORKER, '"CRITICAL worker gives up"') == given_up


def test_a_storm_is_of_the_lines_that_the_worker_logs() -> None:
    with LocalAccount() as account:
        app = RetainWise(account, variant="storm")
        app.wait(5)
        denials = app.lines(retainwise.WORKER, '"is not authorized"')
        assert len(denials) > 100_000
        kinds = {re.sub(r"request \S+ |(?<=task-role/)\w+", "", line) for line in denials}
        assert len(kinds) == 1


@pytest.mark.parametrize("variant", ["other-principal", "table-lost"])
def test_where_only_the_worker_is_denied_the_backend_publishes(variant: str) -> None:
    with LocalAccount() as account:
        app = RetainWise(account, variant=variant)
        app.wait(30)
        assert app.lines(retainwise.BACKEND, '"Successfully published"')
        assert app.lines(retainwise.BACKEND, '"is not authorized"') == []


def test_with_its_own_permission_the_other_role_reads_the_queue() -> None:
    with LocalAccount() as account:
        app = RetainWise(account, variant="other-principal")
        arn = f"arn:aws:iam::123456789012:policy/retainwise/{retainwise.RECEIVE}"
        app.client("iam").attach_role_policy(RoleName=retainwise.QUEUE_READER_ROLE, PolicyArn=arn)
        app.wait(60)
        assert "COMPLETED" in app.predictions().values()


def test_with_permission_predictions_go_from_queued_to_completed(broken: RetainWise) -> None:
    broken.wait(60)
    early = set(broken.predictions())
    broken.grant(retainwise.SEND, retainwise.RECEIVE)
    seen: dict[str, list[str]] = {name: [] for name in early}

    def completed() -> bool:
        now = broken.predictions()
        for name, statuses in seen.items():
            if now[name] not in statuses:
                statuses.append(now[name])
        return all(statuses[-1] == "COMPLETED" for statuses in seen.values())

    assert broken.account.clock.run(completed, 120)
    assert all(statuses == ["QUEUED", "PROCESSING", "COMPLETED"] for statuses in seen.values())
    assert broken.lines(retainwise.BACKEND, '"Successfully published to SQS"')
    assert broken.lines(retainwise.WORKER, '"Successfully received"')


def test_the_result_holds_a_probability_for_each_customer(broken: RetainWise) -> None:
    broken.grant(retainwise.SEND, retainwise.RECEIVE)
    broken.wait(60)
    done = next(name for name, status in broken.predictions().items() if status == "COMPLETED")
    body = broken.client("s3").get_object(Bucket=retainwise.BUCKET, Key=f"results/{done}.csv")["Body"].read()
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert [row["customer_id"] for row in rows] == [
        row["customer_id"] for row in churn.read_customers(customers(done))
    ]
    assert all(0 < float(row["churn_probability"]) < 1 for row in rows)


def test_a_grant_for_the_worker_alone_ends_its_denials_and_an_empty_queue_is_no_success(
    broken: RetainWise,
) -> None:
    broken.grant(retainwise.RECEIVE)
    broken.wait(60)
    received = [call for call in broken.account.calls if call.operation == "ReceiveMessage"]
    assert received and all(call.allowed for call in received)
    assert set(broken.lines(retainwise.WORKER)) == {"worker started"}
    assert set(broken.predictions().values()) == {"QUEUED"}


def test_what_an_earlier_task_could_not_publish_its_successor_does(broken: RetainWise) -> None:
    broken.wait(60)
    early = set(broken.predictions())
    ecs = broken.client("ecs")
    old = ecs.list_tasks(cluster=retainwise.CLUSTER, serviceName=retainwise.BACKEND)["taskArns"][0]
    ecs.stop_task(cluster=retainwise.CLUSTER, task=old)
    broken.grant(retainwise.SEND)
    broken.wait(120)
    published = {
        line.rpartition(" ")[2] for line in broken.lines(retainwise.BACKEND, '"Successfully published"')
    }
    assert early <= published


def test_a_message_that_comes_twice_is_not_scored_twice(broken: RetainWise) -> None:
    broken.grant(retainwise.SEND, retainwise.RECEIVE)
    broken.wait(60)
    done = next(name for name, status in broken.predictions().items() if status == "COMPLETED")
    sqs = broken.client("sqs")
    url = sqs.get_queue_url(QueueName=retainwise.QUEUE)["QueueUrl"]
    body = {"prediction_id": done, "bucket": retainwise.BUCKET, "key": f"uploads/{done}.csv"}
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    broken.wait(30)
    assert f"{done} was COMPLETED before: the message came twice" in broken.lines(retainwise.WORKER)
    assert broken.predictions()[done] == "COMPLETED"


def test_without_its_model_the_worker_receives_and_never_completes() -> None:
    with LocalAccount() as account:
        app = RetainWise(account, variant="model-missing")
        app.grant(retainwise.RECEIVE)
        app.wait(300)
        assert app.lines(retainwise.WORKER, '"Successfully received"')
        assert app.lines(retainwise.WORKER, '"model file not found"')
        assert "COMPLETED" not in app.predictions().values()
        assert app.waiting(retainwise.DEAD_LETTER_QUEUE) > 0


def test_the_model_tells_customers_apart() -> None:
    model = churn.load(None)
    loyal = {
        "tenure_months": "60",
        "monthly_charges": "30",
        "support_tickets": "0",
        "logins_last_30_days": "25",
    }
    leaving = {
        "tenure_months": "2",
        "monthly_charges": "110",
        "support_tickets": "5",
        "logins_last_30_days": "1",
    }
    assert model.score(loyal) < 0.1 < 0.9 < model.score(leaving)


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(churn.ModelNotFound, match="model file not found: /nowhere"):
        churn.load("/nowhere")
