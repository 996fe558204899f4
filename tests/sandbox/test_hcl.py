"""The seed's Terraform configuration says what its account has, and after the repair one thing else."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from sandbox.account import LocalAccount
from sandbox.scenarios.seeds import hcl, retainwise, retainwise_account

OF_TERRAFORM = {"~> 1.11", "hashicorp/aws", "5.100.0"}
ELSEWHERE = {"QUEUE_URL": "taken from the queue itself"}
"""Variables of containers whose value is a reference in the configuration."""


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        account.deploy(hcl.FOLDER.parents[3] / "template.yaml", retainwise.PARAMETERS)
        retainwise_account.create(account)
        yield account


def written(files: dict[str, str]) -> set[str]:
    """Every text in quotes, but for the labels of blocks and the keys of maps."""
    text = re.sub(r"(?m)^(resource|provider) .*$|#.*$", "", "\n".join(files.values()))
    image = re.search(r'image\s*=\s*"(\d[^"]+)"', text)
    assert image
    found = set(re.findall(r'"([^"]*)"', text.replace("${local.image}", image[1])))
    return found - {image[1]}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def there(account: LocalAccount) -> set[str]:
    """Every text that the account has where the configuration has one."""
    iam, sqs, ecs = (account.client(name) for name in ("iam", "sqs", "ecs"))
    found: list[Any] = [retainwise.REGION, retainwise.CLUSTER, retainwise.QUEUE, retainwise.DEAD_LETTER_QUEUE]
    for name in (retainwise.OLD_ROLE, retainwise.BACKEND_ROLE, retainwise.WORKER_ROLE):
        role = iam.get_role(RoleName=name)["Role"]
        inline = iam.get_role_policy(RoleName=name, PolicyName=retainwise.DATA)
        found += [name, role["AssumeRolePolicyDocument"], inline["PolicyName"], inline["PolicyDocument"]]
    url = sqs.get_queue_url(QueueName=retainwise.QUEUE)["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    for name in (retainwise.SEND, retainwise.RECEIVE):
        policy = iam.get_policy(PolicyArn=retainwise.policy_arn(name))["Policy"]
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        found += [policy["PolicyName"], policy["Path"]]
        found += [text for text in texts(version["PolicyVersion"]["Document"]) if text != queue["QueueArn"]]
    for name in (retainwise.BACKEND, retainwise.WORKER):
        [service] = ecs.describe_services(cluster=retainwise.CLUSTER, services=[name])["services"]
        definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        shown = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn")
        found += [definition[key] for key in shown]
        found += [service[key] for key in ("serviceName", "launchType", "platformVersion")]
        found += [service["networkConfiguration"]["awsvpcConfiguration"]["subnets"]]
        [container] = definition["containerDefinitions"]
        found += [container[key] for key in ("name", "image", "command", "logConfiguration")]
        for variable in container["environment"]:
            found += [variable["name"]] + ([variable["value"]] if variable["name"] not in ELSEWHERE else [])
    return {*texts(found)}


def test_the_configuration_says_what_is_there_and_nothing_else(account: LocalAccount) -> None:
    assert written(hcl.before()) - OF_TERRAFORM == there(account)


def test_its_numbers_are_those_of_the_account(account: LocalAccount) -> None:
    ecs, sqs = account.client("ecs"), account.client("sqs")
    names = [retainwise.BACKEND, retainwise.WORKER]
    services = ecs.describe_services(cluster=retainwise.CLUSTER, services=names)["services"]
    url = sqs.get_queue_url(QueueName=retainwise.QUEUE)["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    text = hcl.before()["services.tf"]

    def numbers(argument: str) -> list[int]:
        return [int(number) for number in re.findall(rf"{argument}\s*=\s*(\d+)", text)]

    assert numbers("desired_count") == [each["desiredCount"] for each in services]
    assert numbers("visibility_timeout_seconds") == [int(queue["VisibilityTimeout"])]
    assert numbers("maxReceiveCount") == [json.loads(queue["RedrivePolicy"])["maxReceiveCount"]]


def test_what_is_imported_is_every_resource_of_the_configuration() -> None:
    text = "\n".join(hcl.before().values())
    declared = {".".join(each) for each in re.findall(r'(?m)^resource "(\w+)" "(\w+)"', text)}
    assert {address.partition("[")[0] for address in hcl.imports()} == declared
    assert len(hcl.imports()) == 17


def test_after_the_repair_each_task_definition_has_its_own_role_and_nothing_else_differs() -> None:
    before, after = hcl.before(), hcl.after()
    pairs = [
        (old.split(), new.split())
        for name in before
        for old, new in zip(before[name].splitlines(), after[name].splitlines(), strict=True)
        if old != new
    ]
    role = ["task_role_arn", "="]
    assert pairs == [
        ([*role, "aws_iam_role.old_task_role.arn"], [*role, f"aws_iam_role.{name}_task_role.arn"])
        for name in ("backend", "worker")
    ]


def test_a_version_of_it_is_one_zip_file() -> None:
    packed = hcl.archive(hcl.after())
    assert packed == hcl.archive(hcl.after()) != hcl.archive(hcl.before())
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == hcl.after()
