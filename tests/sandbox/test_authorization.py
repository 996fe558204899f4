"""What IAM is asked about a request: several things for one request, and what the request leaves unsaid."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sandbox.iam.requests import REGION, Ask, asks

ECS = "arn:aws:ecs:us-east-1:123456789012"
FAMILY = f"{ECS}:task-definition/worker:*"


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")


def test_tags_of_what_is_registered_are_asked_about_too() -> None:
    tagged = {"family": "worker", "tags": [{"key": "team", "value": "orders"}]}
    assert asks("ecs", "RegisterTaskDefinition", tagged) == [
        Ask("ecs:RegisterTaskDefinition", FAMILY),
        Ask("ecs:TagResource", FAMILY, {"ecs:createaction": "RegisterTaskDefinition"}),
    ]
    assert [ask.action for ask in asks("ecs", "RegisterTaskDefinition", {"family": "worker"})] == [
        "ecs:RegisterTaskDefinition"
    ]


@pytest.mark.parametrize(
    ("operation", "more", "resources"),
    [
        ("ListServices", {}, ["*"]),
        ("ListTasks", {"serviceName": "worker"}, ["*", f"{ECS}:container-instance/orders/*"]),
        ("DescribeServices", {"services": ["worker"]}, [f"{ECS}:service/orders/worker"]),
        ("DescribeTasks", {"tasks": ["0f9c"]}, [f"{ECS}:task/orders/0f9c"]),
        ("UpdateService", {"service": "worker"}, [f"{ECS}:service/orders/worker"]),
    ],
)
def test_what_is_in_a_cluster_is_asked_about_with_it(
    operation: str, more: dict[str, Any], resources: list[str]
) -> None:
    asked = asks("ecs", operation, {"cluster": "orders", **more})
    assert asked == [
        Ask(f"ecs:{operation}", each, {"ecs:cluster": f"{ECS}:cluster/orders"}) for each in resources
    ]


def test_a_service_is_updated_with_its_new_task_definition() -> None:
    (ask,) = asks("ecs", "UpdateService", {"service": "worker", "taskDefinition": "worker:2"})
    assert ask.context["ecs:task-definition"] == f"{ECS}:task-definition/worker:2"


@mock_aws(config={"stepfunctions": {"execute_state_machine": True}})
def test_a_start_whose_name_is_taken_is_asked_about_the_execution_too() -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = client("iam").create_role(RoleName="runbook", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    sfn = client("stepfunctions")
    machine = sfn.create_state_machine(name="runbook", definition=definition, roleArn=role)["stateMachineArn"]
    start = Ask("states:StartExecution", machine)
    assert asks("states", "StartExecution", {"stateMachineArn": machine, "name": "first"}) == [start]
    execution = sfn.start_execution(stateMachineArn=machine, name="first")["executionArn"]
    assert asks("states", "StartExecution", {"stateMachineArn": machine, "name": "first"}) == [
        start,
        Ask("states:DescribeExecution", execution),
    ]
    assert asks("states", "StartExecution", {"stateMachineArn": machine, "name": "second"}) == [start]
    assert asks("states", "StartExecution", {"stateMachineArn": machine}) == [start]


@mock_aws
@pytest.mark.parametrize("operation", ["AttachRolePolicy", "DetachRolePolicy"])
def test_a_roles_boundary_is_asked_with(operation: str) -> None:
    iam = client("iam")
    nothing = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": nothing})
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=document)["Policy"]["Arn"]
    for name, more in (("bounded", {"PermissionsBoundary": boundary}), ("free", {})):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}", **more)
    given = {
        name: asks("iam", operation, {"RoleName": name, "PolicyArn": "p"})[0] for name in ("bounded", "free")
    }
    assert given["bounded"].context == {"iam:policyarn": "p", "iam:permissionsboundary": boundary}
    assert given["free"].context == {"iam:policyarn": "p"}


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


ITEM = {"entry": {"S": "lease"}, "run": {"S": "lease#service/c/s"}}


@mock_aws
@pytest.mark.parametrize(
    ("operation", "named"),
    [
        ("PutItem", {"Item": ITEM}),
        ("GetItem", {"Key": ITEM}),
        ("UpdateItem", {"Key": ITEM}),
        ("DeleteItem", {"Key": ITEM}),
        (
            "Query",
            {
                "KeyConditionExpression": "#run = :run AND begins_with(entry, :entry)",
                "ExpressionAttributeNames": {"#run": "run"},
                "ExpressionAttributeValues": {":run": ITEM["run"], ":entry": ITEM["entry"]},
            },
        ),
    ],
)
def test_an_items_partition_key_is_asked_with(operation: str, named: dict[str, Any]) -> None:
    keys = ("run", "HASH"), ("entry", "RANGE")
    client("dynamodb").create_table(
        TableName="journal",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    (ask,) = asks("dynamodb", operation, {"TableName": "journal", **named})
    assert ask.context == {"dynamodb:leadingkeys": ["lease#service/c/s"]}


@pytest.mark.parametrize(
    ("operation", "version", "action"),
    [
        ("GetObject", {}, "s3:GetObject"),
        ("GetObject", {"VersionId": "v"}, "s3:GetObjectVersion"),
        ("HeadObject", {"VersionId": "v"}, "s3:GetObjectVersion"),
        ("DeleteObject", {"VersionId": "v"}, "s3:DeleteObjectVersion"),
    ],
)
def test_a_version_of_an_object_has_actions_of_its_own(
    operation: str, version: dict[str, str], action: str
) -> None:
    (ask,) = asks("s3", operation, {"Bucket": "b", "Key": "k", **version})
    assert ask.action == action
