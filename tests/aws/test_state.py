"""The bucket and the lock table of Terraform's state, and the work bucket, in moto."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.handover.lock_table import DynamoLockTable
from regrant.aws.handover.state_bucket import S3StateBucket
from regrant.aws.handover.work import S3Work
from regrant.errors import AwsRefused, AwsUnavailable
from tests.aws.account import client
from tests.unit.fakes import ACCOUNT, REGION

NAME, TABLE = "retainwise-terraform-state", "retainwise-terraform-locks"


@pytest.fixture
def s3() -> Any:
    return client("s3")


@pytest.fixture
def bucket(s3: Any) -> S3StateBucket:
    return S3StateBucket(s3, NAME, REGION, ACCOUNT)


def test_a_bucket_that_is_made_keeps_versions_encrypts_and_is_private(s3: Any, bucket: S3StateBucket) -> None:
    assert not bucket.exists()
    bucket.create()
    bucket.create()
    bucket.secure()
    assert bucket.exists() and bucket.faults() == ()
    rules = s3.get_bucket_encryption(Bucket=NAME)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(Bucket=NAME)["Status"] == "Enabled"


def test_a_bucket_without_settings_has_all_three_faults(s3: Any, bucket: S3StateBucket) -> None:
    s3.create_bucket(Bucket=NAME)
    # moto's new buckets encrypt, as S3's have done since January 2023; their access is not blocked there.
    assert {"it keeps no versions", "it does not block public access"} <= set(bucket.faults())


def test_another_region_is_said_when_a_bucket_is_made_there(s3: Any) -> None:
    S3StateBucket(client("s3"), NAME, "eu-central-1", ACCOUNT).create()
    assert s3.get_bucket_location(Bucket=NAME)["LocationConstraint"] == "eu-central-1"


@pytest.mark.parametrize(("code", "there"), [("404", False), ("403", AwsRefused), ("503", AwsUnavailable)])
def test_a_bucket_of_another_account_is_nobodys_to_make(s3: Any, code: str, there: Any) -> None:
    with Stubber(s3) as stub:
        stub.add_client_error("head_bucket", code, http_status_code=int(code))
        bucket = S3StateBucket(s3, NAME, REGION, ACCOUNT)
        if there is False:
            assert bucket.exists() is False
        else:
            with pytest.raises(there):
                bucket.exists()


def test_every_call_names_the_account_that_the_bucket_has_to_be_of(s3: Any) -> None:
    with Stubber(s3) as stub:
        stub.add_response("head_bucket", {}, {"Bucket": NAME, "ExpectedBucketOwner": ACCOUNT})
        assert S3StateBucket(s3, NAME, REGION, ACCOUNT).exists()


def test_a_bucket_goes_only_while_no_version_of_anything_is_in_it(s3: Any, bucket: S3StateBucket) -> None:
    bucket.create()
    bucket.secure()
    s3.put_object(Bucket=NAME, Key="prod/terraform.tfstate", Body=b"{}")
    s3.delete_object(Bucket=NAME, Key="prod/terraform.tfstate")
    assert not bucket.delete_if_empty() and bucket.exists()
    for each in s3.list_object_versions(Bucket=NAME).get("Versions", []):
        s3.delete_object(Bucket=NAME, Key=each["Key"], VersionId=each["VersionId"])
    assert not bucket.delete_if_empty()  # a delete marker is left
    for each in s3.list_object_versions(Bucket=NAME).get("DeleteMarkers", []):
        s3.delete_object(Bucket=NAME, Key=each["Key"], VersionId=each["VersionId"])
    assert bucket.delete_if_empty() and not bucket.exists()
    assert bucket.delete_if_empty()


def test_a_table_is_made_with_terraforms_key_and_goes_while_it_has_no_row() -> None:
    dynamodb = client("dynamodb")
    table = DynamoLockTable(dynamodb, TABLE)
    assert not table.exists()
    table.create()
    table.create()
    assert table.exists() and table.faults() == ()
    dynamodb.put_item(TableName=TABLE, Item={"LockID": {"S": f"{NAME}/prod/terraform.tfstate-md5"}})
    assert not table.delete_if_empty()
    dynamodb.delete_item(TableName=TABLE, Key={"LockID": {"S": f"{NAME}/prod/terraform.tfstate-md5"}})
    assert table.delete_if_empty() and not table.exists() and table.delete_if_empty()


def test_a_table_that_is_not_active_is_waited_for() -> None:
    dynamodb = client("dynamodb")
    with Stubber(dynamodb) as stub:
        stub.add_response("describe_table", {"Table": {"TableStatus": "CREATING"}})
        with pytest.raises(AwsUnavailable, match="CREATING"):
            DynamoLockTable(dynamodb, TABLE).exists()


def test_a_table_with_another_key_is_no_lock_table() -> None:
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    assert DynamoLockTable(dynamodb, TABLE).faults() == ("its key is not the one string LockID",)


def test_what_goes_to_a_build_is_encrypted_and_a_short_text_comes_back(s3: Any) -> None:
    s3.create_bucket(Bucket="regrant-work")
    work = S3Work(s3, "regrant-work")
    work.put("run/plan.json", '{"a": 1}')
    assert s3.head_object(Bucket="regrant-work", Key="run/plan.json")["ServerSideEncryption"] == "AES256"
    assert work.read("run/plan.json") == '{"a": 1}' and work.read("run/none") is None


@pytest.mark.parametrize("text", ["", "\n", "root@host\x1b[2J", "x" * 513])
def test_what_is_no_short_plain_text_is_none(s3: Any, text: str) -> None:
    s3.create_bucket(Bucket="regrant-work")
    work = S3Work(s3, "regrant-work")
    work.put("run/plan.who", text)
    assert work.read("run/plan.who") is None
