"""CloudTrail's records of refused calls."""

# ruff: noqa: E501 - messages stand as they are printed

import json
from typing import Any

import pytest

from regrant.denials.actions import is_action
from regrant.denials.cloudtrail_names import OPERATIONS
from regrant.denials.reader import Denial, read_denials

SESSION = "arn:aws:sts::123456789012:assumed-role/orders-worker/0f3c"
RECORD: dict[str, Any] = {
    "eventVersion": "1.08",
    "userIdentity": {
        "type": "AssumedRole",
        "arn": SESSION,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "arn": "arn:aws:iam::123456789012:role/team/orders-worker",
                "userName": "orders-worker",
            }
        },
    },
    "eventSource": "s3.amazonaws.com",
    "eventName": "PutObject",
    "awsRegion": "eu-west-1",
    "errorCode": "AccessDenied",
    "errorMessage": "Access Denied",
    "requestParameters": {"bucketName": "orders", "key": "a b.txt"},
}
DENIAL = Denial(
    action="s3:PutObject",
    resource="arn:aws:s3:::orders/a b.txt",
    principal_arn=SESSION,
    role_name="orders-worker",
)


def one(**changes: Any) -> Denial:
    denials = read_denials({**RECORD, **changes})
    assert len(denials) == 1, denials
    return denials[0]


def test_a_record_without_a_sentence_is_read_from_its_fields() -> None:
    assert one() == DENIAL


@pytest.mark.parametrize(
    "around",
    [
        {"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": RECORD},
        {"Records": [RECORD, RECORD]},
        {"Events": [{"EventName": "PutObject", "CloudTrailEvent": json.dumps(RECORD)}]},
        json.dumps(RECORD),
        json.dumps(RECORD, indent=2),
        f"INFO event {json.dumps(RECORD)}",
        f"{json.dumps(RECORD)}\n{json.dumps(RECORD)}\n",
    ],
)
def test_a_record_is_found_in_envelopes_files_and_texts(around: Any) -> None:
    assert read_denials(around) == (DENIAL,)


@pytest.mark.parametrize(
    ("source", "name", "action"),
    [
        ("s3", "ListObjects", "s3:ListBucket"),
        ("s3", "HeadObject", "s3:GetObject"),
        ("s3", "GetBucketCors", "s3:GetBucketCORS"),
        ("lambda", "CreateFunction20150331", "lambda:CreateFunction"),
        ("lambda", "UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode"),
        ("lambda", "Invoke", "lambda:InvokeFunction"),
        ("monitoring", "PutMetricData", "cloudwatch:PutMetricData"),
        ("runtime.sagemaker", "InvokeEndpoint", "sagemaker:InvokeEndpoint"),
        ("apigateway", "CreateRestApi", "apigateway:POST"),
        ("sqs", "SendMessageBatch", "sqs:SendMessage"),
        ("elasticfilesystem", "NewClientConnection", "elasticfilesystem:ClientMount"),
        ("brandnew", "DoThings", "brandnew:DoThings"),
    ],
)
def test_calls_become_the_actions_that_allow_them(source: str, name: str, action: str) -> None:
    assert one(eventSource=f"{source}.amazonaws.com", eventName=name).action == action


@pytest.mark.parametrize(
    ("changes", "resource"),
    [
        ({"requestParameters": {"bucketName": "orders"}}, "arn:aws:s3:::orders"),
        (
            {"requestParameters": None, "resources": [{"ARNPrefix": "x"}, {"ARN": "arn:aws:s3:::b"}]},
            "arn:aws:s3:::b",
        ),
        (
            {
                "eventSource": "sqs.amazonaws.com",
                "requestParameters": {"queueUrl": "https://sqs.cn-north-1.amazonaws.com.cn/1/orders.fifo"},
                "awsRegion": "cn-north-1",
            },
            "arn:aws-cn:sqs:cn-north-1:1:orders.fifo",
        ),
        (
            {"eventSource": "sns.amazonaws.com", "requestParameters": {"topicArn": "arn:aws:sns:x:1:t"}},
            "arn:aws:sns:x:1:t",
        ),
        ({"eventSource": "dynamodb.amazonaws.com", "requestParameters": {"tableName": "orders"}}, None),
        ({"requestParameters": None}, None),
    ],
)
def test_the_resource_is_what_the_record_gives_whole(changes: dict[str, Any], resource: str | None) -> None:
    assert one(**changes).resource == resource


def test_the_sentence_in_a_record_is_completed_by_the_record() -> None:
    message = "User: anonymous is not authorized to perform: s3:PutObject because no session policy allows it"
    denial = one(errorMessage=message)
    assert (denial.effect, denial.policy_type) == ("implicit", "session")
    assert (denial.resource, denial.principal_arn) == (DENIAL.resource, SESSION)


def test_ec2s_record_has_the_encoded_message() -> None:
    denial = one(
        eventSource="ec2.amazonaws.com",
        eventName="RunInstances",
        errorCode="Client.UnauthorizedOperation",
        errorMessage="You are not authorized to perform this operation. Encoded authorization failure message: A",
    )
    assert (denial.action, denial.encoded) == ("ec2:RunInstances", True)


def test_an_endpoints_refusal_is_its_policys() -> None:
    assert one(errorCode="VpceAccessDenied", eventType="AwsVpceEvent").policy_type == "vpce"


@pytest.mark.parametrize("code", [None, "", "ThrottlingException", "NoSuchBucket", "ExpiredToken", 403])
def test_a_record_without_a_denials_code_is_none_whatever_it_says(code: Any) -> None:
    message = f"User: {SESSION} is not authorized to perform: s3:PutObject on resource: *"
    assert read_denials({**RECORD, "errorCode": code, "errorMessage": message}) == ()


def test_a_users_record_has_no_role() -> None:
    user = {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ci", "userName": "ci"}
    assert (one(userIdentity=user).principal_arn, one(userIdentity=user).role_name) == (user["arn"], None)


def test_every_other_name_of_a_call_is_an_action_of_iam() -> None:
    unknown = [key for key, name in OPERATIONS.items() if not is_action(key.split(":")[0], name)]
    assert not unknown
