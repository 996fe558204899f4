"""Every request passes the gateway: who asks, whether IAM allows it, which fault strikes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.engine.faults import Effect

ROLE = "arn:aws:iam::123456789012:role/service/task"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"


@pytest.fixture
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        account.client("iam").create_role(RoleName="task", Path="/service/", AssumeRolePolicyDocument="{}")
        yield account


def policy(account: LocalAccount, name: str, *statements: dict[str, Any]) -> str:
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    arn: str = account.client("iam").create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
    return arn


def grant(account: LocalAccount, *statements: dict[str, Any], role: str = "task") -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    account.client("iam").put_role_policy(RoleName=role, PolicyName="inline", PolicyDocument=document)


def allow(action: Any, resource: Any = "*", effect: str = "Allow", condition: Any = None) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource} | (
        {"Condition": condition} if condition else {}
    )


def refused(call: Any, **parameters: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value


def test_a_denied_queue_call_reads_as_on_aws(account: LocalAccount) -> None:
    url = account.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    error = refused(account.role_client("task", "sqs", "a1b2").receive_message, QueueUrl=url)
    assert str(error) == (
        "An error occurred (AccessDenied) when calling the ReceiveMessage operation: "
        "User: arn:aws:sts::123456789012:assumed-role/task/a1b2 is not authorized to perform: "
        "sqs:receivemessage on resource: arn:aws:sqs:us-east-1:123456789012:q "
        "because no identity-based policy allows the sqs:receivemessage action"
    )
    call = account.calls[-1]
    assert (call.service, call.operation, call.resource, call.allowed) == (
        "sqs",
        "ReceiveMessage",
        QUEUE,
        False,
    )
    assert call.principal == "arn:aws:sts::123456789012:assumed-role/task/a1b2"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "action", "resource"),
    [
        (
            "iam",
            "list_attached_role_policies",
            {"RoleName": "task"},
            "AccessDenied",
            "iam:ListAttachedRolePolicies",
            "role task",
        ),
        (
            "ecs",
            "describe_services",
            {"cluster": "c", "services": ["s"]},
            "AccessDeniedException",
            "ecs:DescribeServices",
            "arn:aws:ecs:us-east-1:123456789012:service/c/s",
        ),
        (
            "ssm",
            "get_parameter",
            {"Name": "/a/b"},
            "AccessDeniedException",
            "ssm:GetParameter",
            "arn:aws:ssm:us-east-1:123456789012:parameter/a/b",
        ),
        (
            "dynamodb",
            "get_item",
            {"TableName": "t", "Key": {"k": {"S": "v"}}},
            "AccessDeniedException",
            "dynamodb:GetItem",
            "arn:aws:dynamodb:us-east-1:123456789012:table/t",
        ),
        (
            "sns",
            "publish",
            {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": "m"},
            "AuthorizationError",
            "SNS:Publish",
            "arn:aws:sns:us-east-1:123456789012:t",
        ),
        (
            "logs",
            "filter_log_events",
            {"logGroupName": "/ecs/a"},
            "AccessDeniedException",
            "logs:FilterLogEvents",
            "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/a:*",
        ),
        ("s3", "put_object", {"Bucket": "b", "Key": "k"}, "AccessDenied", "s3:PutObject", "arn:aws:s3:::b/k"),
        (
            "lambda",
            "invoke",
            {"FunctionName": "f"},
            "AccessDeniedException",
            "lambda:InvokeFunction",
            "arn:aws:lambda:us-east-1:123456789012:function:f",
        ),
    ],
)
def test_each_service_words_a_denial_its_own_way(
    account: LocalAccount,
    service: str,
    operation: str,
    parameters: Any,
    code: str,
    action: str,
    resource: str,
) -> None:
    error = refused(getattr(account.role_client("task", service, "s"), operation), **parameters)
    assert error.response["Error"]["Code"] == code
    assert error.response["Error"]["Message"] == (
        "User: arn:aws:sts::123456789012:assumed-role/task/s is not authorized to perform: "
        f"{action} on resource: {resource} because no identity-based policy allows the {action} action"
    )


def test_an_explicit_deny_and_a_boundary_are_named(account: LocalAccount) -> None:
    client = account.role_client("task", "ssm", "s")
    grant(account, allow("ssm:*"), allow("ssm:GetParameter", effect="Deny"))
    assert "with an explicit deny in an identity-based policy" in str(
        refused(client.get_parameter, Name="/a")
    )
    boundary = policy(account, "boundary", allow("s3:*"))
    account.client("iam").put_role_permissions_boundary(RoleName="task", PermissionsBoundary=boundary)
    error = refused(client.put_parameter, Name="/a", Value="1", Type="String")
    assert "because no permissions boundary allows the ssm:PutParameter action" in str(error)


def test_only_listed_policies_can_be_attached_to_listed_roles(account: LocalAccount) -> None:
    good, bad = (policy(account, name, allow("s3:*")) for name in ("good", "bad"))
    account.client("iam").create_role(RoleName="runbook", AssumeRolePolicyDocument="{}")
    grant(
        account,
        allow("iam:AttachRolePolicy", ROLE, condition={"ArnEquals": {"iam:PolicyARN": [good]}}),
        role="runbook",
    )
    iam = account.role_client("runbook", "iam", "s")
    iam.attach_role_policy(RoleName="task", PolicyArn=good)
    assert "iam:AttachRolePolicy on resource: role task" in str(
        refused(iam.attach_role_policy, RoleName="task", PolicyArn=bad)
    )
    assert refused(iam.attach_role_policy, RoleName="runbook", PolicyArn=good)


OTHER = "arn:aws:iam::123456789012:role/other"


def trusting(account: LocalAccount, *statements: dict[str, Any]) -> None:
    """A role that these statements let in."""
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    account.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=document)


def trust(principal: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"} | more


ACCOUNT_ITSELF = {"AWS": "arn:aws:iam::123456789012:root"}


def test_a_role_that_may_not_be_assumed_is_not(account: LocalAccount) -> None:
    trusting(account, trust(ACCOUNT_ITSELF))
    error = refused(account.role_client("task", "sts", "s").assume_role, RoleArn=OTHER, RoleSessionName="t1")
    assert error.response["Error"]["Code"] == "AccessDenied"
    assert f"is not authorized to perform: sts:AssumeRole on resource: {OTHER}" in str(error)
    assert "because no identity-based policy allows the sts:AssumeRole action" in str(error)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([], "because no role trust policy allows the sts:AssumeRole action"),
        ([trust({"Service": "ecs-tasks.amazonaws.com"})], "because no role trust policy allows"),
        ([trust({"AWS": "arn:aws:iam::123456789012:role/another"})], "because no role trust policy allows"),
        (
            [trust(ACCOUNT_ITSELF), trust({"AWS": ROLE}, "Deny")],
            "with an explicit deny in the role trust policy",
        ),
    ],
)
def test_a_role_is_assumed_only_by_whom_it_trusts(
    account: LocalAccount, statements: list[dict[str, Any]], reason: str
) -> None:
    trusting(account, *statements)
    grant(account, allow("sts:AssumeRole", OTHER))
    error = refused(account.role_client("task", "sts", "s").assume_role, RoleArn=OTHER, RoleSessionName="t1")
    assert reason in str(error)


def test_nor_is_it_by_an_administrator_whom_it_does_not_trust(account: LocalAccount) -> None:
    trusting(account, trust({"Service": "ecs-tasks.amazonaws.com"}))
    error = refused(account.client("sts").assume_role, RoleArn=OTHER, RoleSessionName="t1")
    assert "because no role trust policy allows" in str(error)
    missing = f"{OTHER}-that-is-not-there"
    error = refused(account.client("sts").assume_role, RoleArn=missing, RoleSessionName="t1")
    assert error.response["Error"]["Code"] == "AccessDenied"


def test_whom_a_role_names_itself_needs_no_policy_for_it(account: LocalAccount) -> None:
    trusting(account, trust({"AWS": ROLE}))
    sts = account.role_client("task", "sts", "s")
    assert sts.assume_role(RoleArn=OTHER, RoleSessionName="t1")["AssumedRoleUser"]["Arn"].endswith(
        "/other/t1"
    )
    grant(account, allow("sts:AssumeRole", OTHER, "Deny"))
    error = refused(sts.assume_role, RoleArn=OTHER, RoleSessionName="t1")
    assert "with an explicit deny in an identity-based policy" in str(error)


def test_whoever_assumes_a_role_is_that_role_from_then_on(account: LocalAccount) -> None:
    trusting(account, trust(ACCOUNT_ITSELF))
    grant(account, allow("sts:AssumeRole", OTHER), allow("ssm:*"))
    sts = account.role_client("task", "sts", "s")
    credentials = sts.assume_role(RoleArn=OTHER, RoleSessionName="t1")["Credentials"]
    ssm = account.session_client(credentials, "ssm")
    error = refused(ssm.put_parameter, Name="/a", Value="1", Type="String")
    assert "User: arn:aws:sts::123456789012:assumed-role/other/t1 is not authorized" in str(error)
    grant(account, allow("ssm:PutParameter"), role="other")
    ssm.put_parameter(Name="/a", Value="1", Type="String")


def test_a_change_of_a_policy_reaches_credentials_in_use(account: LocalAccount) -> None:
    url = account.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    sqs = account.role_client("task", "sqs", "s")
    assert refused(sqs.receive_message, QueueUrl=url)
    arn = policy(account, "queue", allow("sqs:*", QUEUE))
    account.client("iam").attach_role_policy(RoleName="task", PolicyArn=arn)
    sqs.receive_message(QueueUrl=url)


def test_iam_may_lag(account: LocalAccount) -> None:
    url = account.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    arn = policy(account, "queue", allow("sqs:*", QUEUE))
    sqs = account.role_client("task", "sqs", "s")
    account.faults.iam_lag = 4
    account.client("iam").attach_role_policy(RoleName="task", PolicyArn=arn)
    assert refused(sqs.receive_message, QueueUrl=url)
    account.clock.run_for(4)
    sqs.receive_message(QueueUrl=url)


def test_while_iam_lags_answers_may_change_to_and_fro(account: LocalAccount) -> None:
    url = account.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    arn = policy(account, "queue", allow("sqs:*", QUEUE))
    sqs = account.role_client("task", "sqs", "s")
    account.faults.iam_lag, account.faults.iam_flapping = 4, random.Random(1)
    account.client("iam").attach_role_policy(RoleName="task", PolicyArn=arn)
    made = len(account.calls)
    for _ in range(20):
        with suppress(ClientError):
            sqs.receive_message(QueueUrl=url)
    assert {call.allowed for call in account.calls[made:]} == {True, False}
    account.clock.run_for(4)
    for _ in range(20):
        sqs.receive_message(QueueUrl=url)


def test_a_role_takes_ten_policies(account: LocalAccount) -> None:
    iam = account.client("iam")
    arns = [policy(account, f"p{number}", allow("s3:*")) for number in range(11)]
    for arn in arns[:10]:
        iam.attach_role_policy(RoleName="task", PolicyArn=arn)
    iam.attach_role_policy(RoleName="task", PolicyArn=arns[0])
    error = refused(iam.attach_role_policy, RoleName="task", PolicyArn=arns[10])
    assert (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]) == (
        "LimitExceeded", 409,
    )  # fmt: skip
    assert error.response["Error"]["Message"] == "Cannot exceed quota for PoliciesPerRole: 10"


def test_passing_a_role_is_asked_for(account: LocalAccount) -> None:
    grant(account, allow("ecs:RegisterTaskDefinition"))
    ecs = account.role_client("task", "ecs", "s")
    container = {"name": "c", "image": "i", "memory": 1}
    error = refused(
        ecs.register_task_definition, family="f", taskRoleArn=ROLE, containerDefinitions=[container]
    )
    assert error.response["Error"]["Code"] == "AccessDeniedException"
    assert f"iam:PassRole on resource: {ROLE}" in str(error)
    passed = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    grant(account, allow("ecs:RegisterTaskDefinition"), allow("iam:PassRole", ROLE, condition=passed))
    ecs.register_task_definition(family="f", taskRoleArn=ROLE, containerDefinitions=[container])


def test_a_deployment_passes_both_roles_of_its_revision(account: LocalAccount) -> None:
    execution, container = ROLE.replace("task", "execution"), {"name": "c", "image": "i", "memory": 1}
    ecs = account.client("ecs")
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(
        family="f", taskRoleArn=ROLE, executionRoleArn=execution, containerDefinitions=[container]
    )
    ecs.create_service(cluster="shop", serviceName="f", taskDefinition="f", desiredCount=0)
    grant(account, allow("ecs:UpdateService"), allow("iam:PassRole", ROLE))
    restart = {"cluster": "shop", "service": "f", "forceNewDeployment": True}
    error = refused(account.role_client("task", "ecs", "s").update_service, **restart)
    assert f"iam:PassRole on resource: {execution}" in str(error)
    grant(account, allow("ecs:UpdateService"), allow("iam:PassRole", [ROLE, execution]))
    account.role_client("task", "ecs", "s").update_service(**restart)


@pytest.mark.parametrize(
    ("service", "call", "parameters", "code"),
    [
        ("iam", "get_account_summary", {}, "Throttling"),
        ("ecs", "list_clusters", {}, "ThrottlingException"),
        ("dynamodb", "list_tables", {}, "ThrottlingException"),
    ],
)
def test_throttling(account: LocalAccount, service: str, call: str, parameters: Any, code: str) -> None:
    account.faults.add(Effect.THROTTLE, service, times=100)
    assert refused(getattr(account.client(service), call), **parameters).response["Error"]["Code"] == code


def test_a_fault_strikes_at_its_occurrence_only(account: LocalAccount) -> None:
    account.faults.add(Effect.DENIED, "iam", "GetRole", occurrence=2)
    iam = account.client("iam")
    iam.get_role(RoleName="task")
    assert refused(iam.get_role, RoleName="task").response["Error"]["Code"] == "AccessDenied"
    iam.get_role(RoleName="task")


def test_a_stale_read_answers_as_before_the_change(account: LocalAccount) -> None:
    iam = account.client("iam")
    arn = policy(account, "p", allow("s3:*"))
    assert iam.list_attached_role_policies(RoleName="task")["AttachedPolicies"] == []
    iam.attach_role_policy(RoleName="task", PolicyArn=arn)
    account.faults.add(Effect.STALE_READ, "iam", "ListAttachedRolePolicies")
    assert iam.list_attached_role_policies(RoleName="task")["AttachedPolicies"] == []
    assert len(iam.list_attached_role_policies(RoleName="task")["AttachedPolicies"]) == 1


def test_times_are_simulated(account: LocalAccount) -> None:
    account.clock.run_for(3600)
    queue = account.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    attributes = account.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])[
        "Attributes"
    ]
    assert int(float(attributes["CreatedTimestamp"])) == int(account.clock.now().timestamp())


def test_a_long_poll_waits_on_the_clock(account: LocalAccount) -> None:
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    got: list[float] = []

    def poll() -> None:
        sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        got.append(account.clock.elapsed())

    account.clock.spawn(poll)
    account.clock.call_later(7, lambda: sqs.send_message(QueueUrl=url, MessageBody="m"))
    account.clock.run(lambda: bool(got), 60)
    assert got == [7]
