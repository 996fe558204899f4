"""S3 says no where AWS says no: listings by prefix, and what is missing to those who may not list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount

BUCKET = "arn:aws:s3:::state"
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
LIST = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET}


@pytest.fixture(params=[None, 0], ids=["in process", "served"])
def account(request: pytest.FixtureRequest) -> Iterator[LocalAccount]:
    with LocalAccount(http_port=request.param) as account:
        account.client("iam").create_role(RoleName="task", AssumeRolePolicyDocument="{}")
        account.client("s3").create_bucket(Bucket="state")
        account.client("s3").put_object(Bucket="state", Key="env:/prod/x", Body=b"1")
        yield account


def grant(account: LocalAccount, *statements: dict[str, Any]) -> Any:
    """S3 for a role with these statements: in process, or over HTTP where the account is served."""
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    account.client("iam").put_role_policy(RoleName="task", PolicyName="inline", PolicyDocument=document)
    if account.endpoint_url is None:
        return account.role_client("task", "s3", "s")
    import boto3

    keys = {name.lower(): value for name, value in account.role_credentials("task", "s").items()}
    return boto3.client("s3", endpoint_url=account.endpoint_url, region_name=account.region, **keys)


def status(call: Any, **parameters: Any) -> int:
    try:
        answer = call(**parameters)
    except ClientError as error:
        answer = error.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


@pytest.mark.parametrize("how", ["get_object", "head_object"])
def test_what_is_missing_is_not_found_by_whoever_may_list_and_refused_to_others(
    account: LocalAccount, how: str
) -> None:
    s3 = grant(account, READ)
    assert status(getattr(s3, how), Bucket="state", Key="env:/prod/x") == 200
    assert status(getattr(s3, how), Bucket="state", Key="missing") == 403
    s3 = grant(account, READ, LIST)
    assert status(getattr(s3, how), Bucket="state", Key="missing") == 404


def test_a_right_to_list_a_prefix_shows_no_missing_key(account: LocalAccount) -> None:
    only = LIST | {"Condition": {"StringEquals": {"s3:prefix": "missing"}}}
    s3 = grant(account, READ, only)
    assert status(s3.head_object, Bucket="state", Key="missing") == 403


def test_a_deleted_object_is_missing_too(account: LocalAccount) -> None:
    admin: Any = account.client("s3")
    admin.put_bucket_versioning(Bucket="state", VersioningConfiguration={"Status": "Enabled"})
    admin.put_object(Bucket="state", Key="k", Body=b"1")
    admin.delete_object(Bucket="state", Key="k")
    assert status(grant(account, READ).get_object, Bucket="state", Key="k") == 403
    assert status(grant(account, READ, LIST).get_object, Bucket="state", Key="k") == 404


@pytest.mark.parametrize(
    ("condition", "asked", "expected"),
    [
        ({"StringEquals": {"s3:prefix": "env:/"}}, {"Prefix": "env:/"}, 200),
        ({"StringEquals": {"s3:prefix": "env:/"}}, {"Prefix": "other/"}, 403),
        ({"StringEquals": {"s3:prefix": "env:/"}}, {}, 403),
        ({"StringEquals": {"s3:prefix": ""}}, {"Prefix": ""}, 200),
        ({"StringEquals": {"s3:delimiter": "/"}}, {"Delimiter": "/"}, 200),
        ({"StringEquals": {"s3:delimiter": "/"}}, {}, 403),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"MaxKeys": 10}, 200),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"MaxKeys": 11}, 403),
    ],
)
def test_a_listing_is_asked_with_what_it_lists(
    account: LocalAccount, condition: Any, asked: dict[str, Any], expected: int
) -> None:
    s3 = grant(account, LIST | {"Condition": condition})
    assert status(s3.list_objects_v2, Bucket="state", **asked) == expected


def test_a_version_needs_a_right_of_its_own(account: LocalAccount) -> None:
    admin: Any = account.client("s3")
    admin.put_bucket_versioning(Bucket="state", VersioningConfiguration={"Status": "Enabled"})
    version = admin.put_object(Bucket="state", Key="k", Body=b"1")["VersionId"]
    asked = {"Bucket": "state", "Key": "k", "VersionId": version}
    assert status(grant(account, READ, LIST).get_object, **asked) == 403
    assert status(grant(account, READ | {"Action": "s3:GetObjectVersion"}).get_object, **asked) == 200


@pytest.mark.parametrize(("asked", "expected"), [({"ServerSideEncryption": "AES256"}, 200), ({}, 403)])
def test_an_upload_is_asked_with_the_encryption_that_it_names(
    account: LocalAccount, asked: dict[str, Any], expected: int
) -> None:
    named = {"StringEquals": {"s3:x-amz-server-side-encryption": "AES256"}}
    writing = READ | {"Action": "s3:PutObject", "Condition": named}
    given = {"Bucket": "state", "Key": "k", "Body": b"1"}
    assert status(grant(account, writing).put_object, **given, **asked) == expected


@pytest.mark.parametrize(
    ("operation", "action", "setting"),
    [
        ("get_bucket_encryption", "s3:GetEncryptionConfiguration", None),
        ("get_public_access_block", "s3:GetBucketPublicAccessBlock", None),
        (
            "put_public_access_block",
            "s3:PutBucketPublicAccessBlock",
            {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}},
        ),
    ],
)
def test_a_buckets_setting_needs_a_right_of_its_own(
    account: LocalAccount, operation: str, action: str, setting: dict[str, Any] | None
) -> None:
    given = {"Bucket": "state"} | (setting or {})
    bucket = READ | {"Action": ["s3:CreateBucket", "s3:ListBucket"], "Resource": BUCKET}
    assert status(getattr(grant(account, bucket), operation), **given) == 403
    allowed = status(getattr(grant(account, bucket | {"Action": action}), operation), **given)
    assert allowed in (200, 404)  # there may be no such setting
