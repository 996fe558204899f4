"""The account over loopback HTTP."""

from __future__ import annotations

import json
import socket
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount


def remote(account: LocalAccount, service: str, **credentials: str) -> Any:
    """A client as another process would have it."""
    keys = credentials or {"AWS_ACCESS_KEY_ID": "anything", "AWS_SECRET_ACCESS_KEY": "at all"}
    return boto3.client(
        service,
        endpoint_url=account.endpoint_url,
        region_name="us-east-1",
        **{name.lower(): value for name, value in keys.items()},
    )


def test_any_key_is_the_administrator_and_sees_the_same_account() -> None:
    with LocalAccount(http_port=0) as account:
        remote(account, "ssm").put_parameter(Name="/a", Value="1", Type="String")
        assert account.client("ssm").get_parameter(Name="/a")["Parameter"]["Value"] == "1"
        assert account.endpoint_url is not None
        assert account.endpoint_url.startswith("http://127.0.0.1:")


def test_a_role_s_key_is_enforced() -> None:
    with LocalAccount(http_port=0) as account:
        account.client("iam").create_role(RoleName="task", AssumeRolePolicyDocument="{}")
        keys = account.role_credentials("task", "s")
        for service, call in (("sqs", "list_queues"), ("s3", "list_buckets"), ("iam", "list_roles")):
            with pytest.raises(ClientError, match="AccessDenied"):
                getattr(remote(account, service, **keys), call)()
        arn = remote(account, "sts", **keys).get_caller_identity()["Arn"]
        assert arn == "arn:aws:sts::123456789012:assumed-role/task/s"


def test_the_key_of_an_assumed_role_is_enforced() -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}
    with LocalAccount(http_port=0) as account:
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        remote(account, "iam").create_role(RoleName="reader", AssumeRolePolicyDocument=document)
        answer = remote(account, "sts").assume_role(
            RoleArn="arn:aws:iam::123456789012:role/reader", RoleSessionName="s1"
        )["Credentials"]
        keys = {
            "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
            "AWS_SESSION_TOKEN": answer["SessionToken"],
        }
        with pytest.raises(ClientError, match="assumed-role/reader/s1 is not authorized to perform"):
            remote(account, "sqs", **keys).list_queues()


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("cloudformation", "list_stacks"),
        ("iam", "list_service_specific_credentials"),
        ("ecs", "list_service_deployments"),
    ],
)
def test_what_it_does_not_stand_for_is_an_error_that_says_so(service: str, call: str) -> None:
    parameters = {"service": "s"} if service == "ecs" else {}
    with (
        LocalAccount(http_port=0) as account,
        pytest.raises(ClientError, match="does not stand for") as refused,
    ):
        getattr(remote(account, service), call)(**parameters)
    assert refused.value.response["Error"]["Code"] == "NotImplemented"


def test_a_stack_is_answered_by_what_there_is_instead() -> None:
    with LocalAccount(http_port=0) as account, pytest.raises(ClientError) as refused:
        remote(account, "cloudformation").describe_stacks(StackName="regrant")
    message = refused.value.response["Error"]["Message"]
    assert "does not stand for cloudformation." in message and "`make enrol`" in message
    assert "ModuleNotFound" not in message


def test_it_tells_the_time_of_the_account() -> None:
    with LocalAccount(http_port=0) as account:
        metadata = remote(account, "sts").get_caller_identity()["ResponseMetadata"]
        assert parsedate_to_datetime(metadata["HTTPHeaders"]["date"]) == account.clock.now()


def test_a_taken_port_is_an_error_and_leaves_nothing_behind() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        account = LocalAccount(http_port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            account.__enter__()
    with LocalAccount(http_port=0) as account:
        assert remote(account, "sqs").list_queues().get("QueueUrls", []) == []
