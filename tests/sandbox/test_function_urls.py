"""Function URLs and CloudTrail's event history, as their pages say."""

from __future__ import annotations

import base64
import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError

import pytest

from sandbox.account import LocalAccount
from sandbox.aws.cloudtrail import DELAY
from sandbox.engine.gateway import ADMINISTRATOR, ADMINISTRATOR_ID
from sandbox.iam.requests import ACCOUNT

# It gives back the event; a body of "raise" is a failure of the function's own.
HANDLER = """
def handler(event, context):
    if event["body"] == "raise":
        raise ValueError("mine")
    return {"statusCode": 201, "headers": {"x-mine": "1"}, "body": __import__("json").dumps(event)}
"""
SIGNED = (
    "AWS4-HMAC-SHA256 Credential={}/20260302/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0"
)


def _zip(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", text)
    return packed.getvalue()


def role(account: LocalAccount, name: str, *statements: dict[str, Any], service: str = "") -> str:
    iam: Any = account.client("iam")
    trusted = {"Service": service} if service else {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="it", PolicyDocument=_document(*statements))
    return arn


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[LocalAccount]:
    with LocalAccount(http_port=getattr(request, "param", None)) as account:
        functions: Any = account.client("lambda")
        functions.create_function(
            FunctionName="echo",
            Runtime="python3.13",
            Handler="index.handler",
            Role=role(account, "echo", service="lambda.amazonaws.com"),
            Code={"ZipFile": _zip(HANDLER)},
        )
        functions.create_function_url_config(FunctionName="echo", AuthType="AWS_IAM")
        yield account


def url_of(account: LocalAccount) -> str:
    functions: Any = account.client("lambda")
    return str(functions.get_function_url_config(FunctionName="echo")["FunctionUrl"])


def key_of(account: LocalAccount, name: str, session: str = "dave") -> str:
    sts: Any = account.client("sts")
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    return str(sts.assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]["AccessKeyId"])


def call(account: LocalAccount, key: str, body: bytes = b"hello", **headers: str) -> tuple[int, Any]:
    given = {"Authorization": SIGNED.format(key), "content-type": "text/plain"} | headers
    status, _, text = account.function_urls.request(url_of(account), "POST", given, body)
    return status, json.loads(text)


def test_the_event_says_who_signed_and_the_response_is_the_functions(account: LocalAccount) -> None:
    status, event = call(account, "AKIAANYBODY")
    assert status == 201
    iam = event["requestContext"]["authorizer"]["iam"]
    assert (iam["userArn"], iam["callerId"]) == (ADMINISTRATOR, ADMINISTRATOR_ID)
    assert event["requestContext"]["http"]["method"] == "POST" and event["version"] == "2.0"
    assert (event["body"], event["isBase64Encoded"]) == ("hello", False)
    assert "authorization" not in event["headers"]


def test_a_body_of_another_type_comes_in_base64(account: LocalAccount) -> None:
    _, event = call(account, "AKIAANYBODY", b"\xff", **{"content-type": "application/octet-stream"})
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\xff", True)


def test_a_failure_of_the_function_is_a_502(account: LocalAccount) -> None:
    assert call(account, "AKIAANYBODY", b"raise") == (502, {"Message": "Internal Server Error"})


BY_URL = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
SIGNING = {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}


@pytest.mark.parametrize(
    ("may", "status"),
    [
        ({"lambda:InvokeFunctionUrl": {}, "lambda:InvokeFunction": {}}, 201),
        ({"lambda:InvokeFunctionUrl": SIGNING, "lambda:InvokeFunction": BY_URL}, 201),
        ({"lambda:InvokeFunctionUrl": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}}, 403),
        ({"lambda:InvokeFunctionUrl": {}}, 403),
        ({"lambda:InvokeFunction": {}}, 403),
        ({}, 403),
    ],
)
def test_both_permissions_are_asked_about(account: LocalAccount, may: dict[str, Any], status: int) -> None:
    allowed = [
        {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": condition}
        for action, condition in may.items()
    ]
    role(account, "caller", *allowed)
    answered, said = call(account, key_of(account, "caller"))
    assert answered == status
    if status == 201:
        iam = said["requestContext"]["authorizer"]["iam"]
        assert iam["userArn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/caller/dave"
        assert iam["callerId"].startswith("AROA") and iam["callerId"].endswith(":dave")
    else:
        assert said["Message"].startswith("Forbidden")
    last = [each for each in account.calls if each.operation == "InvokeFunctionUrl"][-1]
    assert last.allowed is (status == 201)


def test_who_may_invoke_by_the_url_only_does_not_invoke_otherwise(account: LocalAccount) -> None:
    by_url = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*", "Condition": BY_URL}
    role(account, "caller", by_url)
    client: Any = account.role_client("caller", "lambda", "dave")
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.invoke(FunctionName="echo", Payload=b"{}")


def test_what_is_not_signed_or_no_url_is_forbidden(account: LocalAccount) -> None:
    assert call(account, "x", Authorization="Bearer x")[0] == 403
    assert account.function_urls.request("https://x.on.aws/", "POST", {}, b"")[0] == 403


@pytest.mark.parametrize("account", [0], indirect=True)
def test_the_served_account_has_the_url(account: LocalAccount) -> None:
    assert url_of(account).startswith(f"{account.endpoint_url}/lambda-url/")
    headers = {"Authorization": SIGNED.format("AKIAANYBODY"), "Content-Type": "text/plain"}
    request = urllib.request.Request(url_of(account), data=b"hello", headers=headers, method="POST")
    with urllib.request.urlopen(request) as answer:
        assert (answer.status, answer.headers["x-mine"]) == (201, "1")
        assert json.load(answer)["body"] == "hello"
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(url_of(account), data=b"hello"))


def starts(account: LocalAccount, **more: Any) -> dict[str, Any]:
    attributes = [{"AttributeKey": "EventName", "AttributeValue": "StartExecution"}]
    client: Any = account.client("cloudtrail")
    found: dict[str, Any] = client.lookup_events(LookupAttributes=attributes, **more)
    return found


def machine(account: LocalAccount) -> str:
    arn = role(account, "machine", service="states.amazonaws.com")
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    states: Any = account.client("stepfunctions")
    made = states.create_state_machine(name="machine", definition=definition, roleArn=arn)
    return str(made["stateMachineArn"])


def test_the_trail_has_who_started_an_execution_some_minutes_later(account: LocalAccount) -> None:
    arn = machine(account)
    role(account, "caller", {"Effect": "Allow", "Action": "states:StartExecution", "Resource": "*"})
    states: Any = account.role_client("caller", "stepfunctions", "dave")
    started = states.start_execution(stateMachineArn=arn, name="one")
    began = account.clock.now()
    account.clock.run_for(DELAY - 10)
    assert starts(account)["Events"] == []
    account.clock.run_for(20)
    (event,) = starts(account, StartTime=began - timedelta(seconds=1), EndTime=began + timedelta(seconds=1))[
        "Events"
    ]
    record = json.loads(event["CloudTrailEvent"])
    assert record["responseElements"]["executionArn"] == started["executionArn"]
    assert record["requestParameters"] == {"stateMachineArn": arn, "name": "one"}
    who = record["userIdentity"]
    assert (who["type"], who["arn"]) == ("AssumedRole", f"arn:aws:sts::{ACCOUNT}:assumed-role/caller/dave")
    assert who["principalId"].endswith(":dave")
    assert starts(account, StartTime=began + timedelta(seconds=5))["Events"] == []


def test_the_trail_comes_in_pages_newest_first_and_refused_starts_are_not_in_it(
    account: LocalAccount,
) -> None:
    arn = machine(account)
    states: Any = account.client("stepfunctions")
    for number in range(3):
        states.start_execution(stateMachineArn=arn, name=f"run-{number}")
        account.clock.run_for(1)
    with pytest.raises(states.exceptions.ClientError):
        states.start_execution(stateMachineArn=arn, name="no*name")
    account.clock.run_for(DELAY + 5)
    first = starts(account, MaxResults=2)
    rest = starts(account, MaxResults=2, NextToken=first["NextToken"])
    names = [
        json.loads(each["CloudTrailEvent"])["requestParameters"]["name"]
        for each in (*first["Events"], *rest["Events"])
    ]
    assert (names, "NextToken" in rest) == (["run-2", "run-1", "run-0"], False)
    assert json.loads(rest["Events"][0]["CloudTrailEvent"])["userIdentity"]["type"] == "IAMUser"
