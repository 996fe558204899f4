"""What IAM is asked about a request: several things for one request, and what the request leaves unsaid."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from moto import mock_aws

from sandbox.iam.requests import REGION, Ask, asks

FAMILY = "arn:aws:ecs:us-east-1:123456789012:task-definition/worker:*"


def test_tags_of_what_is_registered_are_asked_about_too() -> None:
    tagged = {"family": "worker", "tags": [{"key": "team", "value": "orders"}]}
    assert asks("ecs", "RegisterTaskDefinition", tagged) == [
        Ask("ecs:RegisterTaskDefinition", FAMILY),
        Ask("ecs:TagResource", FAMILY, {"ecs:createaction": "RegisterTaskDefinition"}),
    ]
    assert [ask.action for ask in asks("ecs", "RegisterTaskDefinition", {"family": "worker"})] == [
        "ecs:RegisterTaskDefinition"
    ]


@pytest.mark.parametrize("operation", ["ListServices", "ListTasks"])
def test_what_has_no_resource_is_asked_about_with_its_cluster(operation: str) -> None:
    (ask,) = asks("ecs", operation, {"cluster": "orders"})
    cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/orders"
    assert (ask.resource, ask.context) == ("*", {"ecs:cluster": cluster})


@pytest.mark.parametrize(
    ("operation", "parameters", "owner"),
    [
        ("GetQueueUrl", {"QueueName": "q"}, "123456789012"),
        ("GetQueueUrl", {"QueueName": "q", "QueueOwnerAWSAccountId": "210987654321"}, "210987654321"),
        ("SendMessage", {"QueueUrl": "https://queue.amazonaws.com/210987654321/q"}, "210987654321"),
        ("SendMessage", {"QueueUrl": "q"}, "123456789012"),
    ],
)
def test_a_queue_is_its_owners(operation: str, parameters: dict[str, Any], owner: str) -> None:
    (ask,) = asks("sqs", operation, parameters)
    assert ask.resource == f"arn:aws:sqs:us-east-1:{owner}:q"


def test_a_transaction_is_asked_about_as_what_it_writes() -> None:
    items = [{"Put": {"TableName": "journal", "Item": {}}}, {"Delete": {"TableName": "orders", "Key": {}}}]
    asked = asks("dynamodb", "TransactWriteItems", {"TransactItems": items})
    assert [(ask.action, ask.resource.rpartition("/")[2]) for ask in asked] == [
        ("dynamodb:PutItem", "journal"),
        ("dynamodb:DeleteItem", "orders"),
    ]


@mock_aws
@pytest.mark.parametrize(
    ("operation", "item"), [("PutItem", "Item"), ("GetItem", "Key"), ("UpdateItem", "Key")]
)
def test_an_items_partition_key_is_asked_with(operation: str, item: str) -> None:
    keys = ("run", "HASH"), ("entry", "RANGE")
    boto3.client(
        "dynamodb", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    ).create_table(
        TableName="journal",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    named = {"TableName": "journal", item: {"entry": {"S": "lease"}, "run": {"S": "lease#service/c/s"}}}
    (ask,) = asks("dynamodb", operation, named)
    assert ask.context == {"dynamodb:leadingkeys": ["lease#service/c/s"]}
