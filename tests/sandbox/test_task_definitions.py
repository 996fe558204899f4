"""Task definitions of the local account, as ECS shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.engine.clock import START
from tests.aws.registrable import INPUT, filled
from tests.aws.task_definitions import SHAPES, TASK_ROLE, container, ec2, fargate
from tests.sandbox.services import CLUSTER, ROLE, SERVICE, Shop

PREFIX = "arn:aws:ecs:us-east-1:123456789012:task-definition/"


@pytest.fixture
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        yield account


@pytest.fixture
def ecs(account: LocalAccount) -> Any:
    return account.client("ecs")


def register(ecs: Any, definition: dict[str, Any] | None = None, family: str = "orders") -> dict[str, Any]:
    answer = ecs.register_task_definition(**{"family": family, **(definition or fargate())})
    return dict(answer["taskDefinition"])


def described(ecs: Any, name: str) -> dict[str, Any]:
    return dict(ecs.describe_task_definition(taskDefinition=name)["taskDefinition"])


def lost(given: Any, shown: Any) -> bool:
    """Whether something that was given is not shown. A list of named things may come in another order."""
    if isinstance(given, dict):
        return any(name not in shown or lost(each, shown[name]) for name, each in given.items())
    if isinstance(given, list):
        if given and isinstance(given[0], dict) and "value" in given[0]:
            given, shown = (
                sorted(side, key=lambda each: str(sorted(each.items()))) for side in (given, shown)
            )
        return len(given) != len(shown) or any(map(lost, given, shown))
    return bool(given != shown)


@pytest.mark.parametrize("definition", [*SHAPES.values(), filled(INPUT)], ids=[*SHAPES, "everything"])
def test_what_is_registered_is_shown(ecs: Any, definition: dict[str, Any]) -> None:
    made = ecs.register_task_definition(**{"family": "orders", **definition})
    name = made["taskDefinition"]["taskDefinitionArn"]
    shown = ecs.describe_task_definition(taskDefinition=name, include=["TAGS"])
    assert not lost(definition, {**shown["taskDefinition"], "tags": shown["tags"]})
    assert made["taskDefinition"] == shown["taskDefinition"]
    assert made.get("tags", []) == shown["tags"]


def test_what_nobody_said_is_shown_with_its_default(ecs: Any) -> None:
    shown = register(ecs, {"containerDefinitions": [{"name": "a", "image": "a", "memory": 4}]})
    assert shown["containerDefinitions"] == [
        {"name": "a", "image": "a", "memory": 4, "cpu": 0, "essential": True}
        | {"portMappings": [], "environment": [], "mountPoints": [], "volumesFrom": [], "systemControls": []}
    ]
    assert (shown["volumes"], shown["placementConstraints"]) == ([], [])
    assert not {"networkMode", "taskRoleArn", "requiresCompatibilities"} & shown.keys()


def test_ports_have_a_protocol_and_a_host_port(ecs: Any) -> None:
    ports = [{"containerPort": 80}]
    for definition, host_port in ((fargate, 80), (ec2, 0)):
        (shown,) = register(ecs, definition(container(portMappings=ports)))["containerDefinitions"]
        assert shown["portMappings"] == [{"containerPort": 80, "hostPort": host_port, "protocol": "tcp"}]


def test_a_volume_is_in_its_file_system_s_root_or_on_the_host(ecs: Any) -> None:
    efs = {"name": "b", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}
    scratch, shared = register(ecs, fargate(volumes=[{"name": "a"}, efs]))["volumes"]
    assert scratch == {"name": "a", "host": {}}
    assert shared["efsVolumeConfiguration"] == {"fileSystemId": "fs-1", "rootDirectory": "/"}


def test_an_environment_comes_back_in_an_order_of_its_own(ecs: Any) -> None:
    variables = [{"name": name, "value": "1"} for name in "abcdef"]

    def order(environment: list[dict[str, str]]) -> list[dict[str, str]]:
        shown = register(ecs, fargate(container(environment=environment)))["containerDefinitions"][0]
        return list(shown["environment"])

    assert order(variables) == order(variables[::-1]) != variables
    assert sorted(order(variables), key=lambda each: each["name"]) == variables


def test_a_revision_tells_who_registered_it_and_when(account: LocalAccount, ecs: Any) -> None:
    account.clock.run_for(60)
    shown = register(ecs)
    assert shown["registeredAt"] == START + timedelta(seconds=60)
    assert shown["registeredBy"] == "arn:aws:iam::123456789012:user/administrator"


def test_a_revision_tells_what_it_needs(ecs: Any) -> None:
    shown = register(ecs, SHAPES["fargate"])
    assert shown["compatibilities"] == ["EC2", "FARGATE", "MANAGED_INSTANCES"]
    assert [each["name"] for each in shown["requiresAttributes"]] == [
        "com.amazonaws.ecs.capability.docker-remote-api.1.18",
        "com.amazonaws.ecs.capability.logging-driver.awslogs",
        "com.amazonaws.ecs.capability.task-iam-role",
        "ecs.capability.task-eni",
    ]
    assert register(ecs, SHAPES["external"])["compatibilities"] == ["EC2", "EXTERNAL"]


def test_tags_are_the_revision_s_own(ecs: Any) -> None:
    tags = [{"key": "team", "value": "orders"}]
    for definition in (fargate(tags=tags), fargate()):
        register(ecs, definition)
    shown = [ecs.describe_task_definition(taskDefinition=f"orders:{n}", include=["TAGS"]) for n in (1, 2)]
    assert [each["tags"] for each in shown] == [tags, []]
    assert "tags" not in ecs.describe_task_definition(taskDefinition="orders:1")
    with pytest.raises(ClientError, match=r"\(ClientException\).*Tags can not be empty."):
        register(ecs, fargate(tags=[]))


def test_a_family_alone_is_its_latest_active_revision(ecs: Any) -> None:
    first, second = register(ecs), register(ecs)
    ecs.deregister_task_definition(taskDefinition="orders:2")
    assert described(ecs, "orders") == first
    gone = described(ecs, second["taskDefinitionArn"])
    assert gone == {**second, "status": "INACTIVE", "deregisteredAt": START}
    ecs.deregister_task_definition(taskDefinition="orders:1")
    with pytest.raises(ClientError, match=r"\(ClientException\).*Unable to describe task definition."):
        described(ecs, "orders")


def test_numbers_are_never_given_twice(ecs: Any) -> None:
    for _ in range(2):
        register(ecs)
    ecs.deregister_task_definition(taskDefinition="orders:2")
    answer = ecs.delete_task_definitions(taskDefinitions=["orders:2", "orders:1"])
    (deleted,) = answer["taskDefinitions"]
    assert (deleted["status"], deleted["deleteRequestedAt"]) == ("DELETE_IN_PROGRESS", START)
    (failure,) = answer["failures"]
    assert "still in ACTIVE status" in failure["reason"]
    assert register(ecs)["revision"] == 3
    with pytest.raises(ClientError, match="being deleted"):
        ecs.deregister_task_definition(taskDefinition="orders:2")
    with pytest.raises(ClientError, match="Revision is missing"):
        ecs.deregister_task_definition(taskDefinition="orders")


def test_a_list_is_of_one_family_in_order_and_in_pages(ecs: Any) -> None:
    for family in ("orders", "orders-worker", "orders"):
        for _ in range(51):
            register(ecs, family=family)
    ecs.deregister_task_definition(taskDefinition="orders:7")

    def pages(**query: Any) -> list[list[str]]:
        answers = ecs.get_paginator("list_task_definitions").paginate(**query)
        return [[arn.removeprefix(PREFIX) for arn in page["taskDefinitionArns"]] for page in answers]

    first, second = pages(familyPrefix="orders", sort="DESC")
    assert (len(first), first[0], first[-1], second) == (100, "orders:102", "orders:2", ["orders:1"])
    assert "orders:7" not in first
    assert pages(status="INACTIVE") == [["orders:7"]]
    assert pages(familyPrefix="order") == [[]]
    everything = [name for page in pages() for name in page]
    assert (everything[0], everything[-1], len(everything)) == ("orders:1", "orders-worker:51", 152)
    assert len(pages(familyPrefix="orders", PaginationConfig={"PageSize": 40})) == 3


# Services on an INACTIVE revision


def test_a_service_goes_on_with_its_inactive_revision(account: LocalAccount) -> None:
    shop = Shop(account)
    made = shop.create()["taskDefinition"]
    shop.ecs.deregister_task_definition(taskDefinition=made)
    shop.ecs.stop_task(cluster=CLUSTER, task=shop.tasks(serviceName=SERVICE)[0]["taskArn"])
    shop.update(desiredCount=3)
    shop.wait(120)
    assert (shop.describe()["runningCount"], shop.describe()["taskDefinition"]) == (3, made)


def test_a_service_cannot_go_to_an_inactive_revision(account: LocalAccount) -> None:
    shop = Shop(account)
    old = shop.create()["taskDefinition"]
    new = shop.register()
    shop.update(taskDefinition=new)
    shop.ecs.deregister_task_definition(taskDefinition=old)
    with pytest.raises(ClientError, match=r"\(ClientException\).*TaskDefinition is inactive"):
        shop.update(taskDefinition=old)
    assert shop.describe()["taskDefinition"] == new


def test_a_service_without_a_role_needs_no_passrole(account: LocalAccount) -> None:
    shop = Shop(account)
    without = {k: v for k, v in SHAPES["fargate without a task role"].items() if k != "executionRoleArn"}
    shop.create(taskDefinition=register(shop.ecs, without)["taskDefinitionArn"])
    allowed = {"Effect": "Allow", "Action": "ecs:UpdateService", "Resource": "*"}
    deployer(account, allowed).update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)
    assert len(shop.describe()["deployments"]) == 2


def test_a_family_passes_the_role_of_its_latest_active_revision(account: LocalAccount) -> None:
    shop = Shop(account)
    shop.create()
    register(shop.ecs, fargate(taskRoleArn=TASK_ROLE), SERVICE)
    shop.ecs.deregister_task_definition(taskDefinition=f"{SERVICE}:2")
    allowed = {"Effect": "Allow", "Action": "ecs:UpdateService", "Resource": "*"}
    with pytest.raises(ClientError, match=f"iam:PassRole on resource: .*role/{ROLE}"):
        deployer(account, allowed).update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=SERVICE)


def deployer(account: LocalAccount, statement: dict[str, Any]) -> Any:
    """A client of a role with that one statement."""
    iam: Any = account.client("iam")
    document = {"Version": "2012-10-17", "Statement": [statement]}
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(
        RoleName="deployer", AssumeRolePolicyDocument=json.dumps(document | {"Statement": [trust]})
    )
    iam.put_role_policy(RoleName="deployer", PolicyName="only", PolicyDocument=json.dumps(document))
    return account.role_client("deployer", "ecs", "test")
