"""A Terraform state in S3: one bounded read, and S3's refusals as ours."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from regrant.aws.account import Account
from regrant.aws.clients import client as ours
from regrant.aws.s3.states import S3States
from regrant.errors import AwsRefused, AwsUnavailable
from tests.aws.account import client

BUCKET, KEY = "retainwise-terraform-state", "env:/prod/network/terraform.tfstate"
STATE = f"arn:aws:s3:::{BUCKET}/{KEY}"


def stored(text: bytes) -> Any:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=text)
    return s3


def test_the_arn_says_bucket_and_key() -> None:
    assert S3States(stored(b"{}")).read(STATE, 2) == b"{}"


def test_what_is_too_long_is_not_read() -> None:
    """S3 says the length before the first byte."""
    body = io.BytesIO(b"x" * 3)
    s3 = client("s3")
    with Stubber(s3) as stub:
        answer = {"Body": StreamingBody(body, 3), "ContentLength": 3}
        stub.add_response("get_object", answer, {"Bucket": BUCKET, "Key": KEY})
        assert S3States(s3).read(STATE, 2) is None
    assert body.closed


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchKey", "NoSuchBucket", "PermanentRedirect"])
def test_what_s3_refuses_has_its_code(code: str) -> None:
    s3 = client("s3")
    with Stubber(s3) as stub:
        stub.add_client_error("get_object", code, http_status_code=403)
        with pytest.raises(AwsRefused) as refused:
            S3States(s3).read(STATE, 2)
    assert refused.value.code == code


def test_a_state_that_is_not_there_is_refused() -> None:
    with pytest.raises(AwsRefused) as refused:
        S3States(stored(b"{}")).read(f"{STATE}-typo", 2)
    assert refused.value.code == "NoSuchKey"


def test_a_body_that_is_cut_off_is_no_state() -> None:
    s3 = client("s3")
    with Stubber(s3) as stub:
        stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"x"), 9), "ContentLength": 9})
        with pytest.raises(AwsUnavailable) as cut:
            S3States(s3).read(STATE, 9)
    assert isinstance(cut.value.__cause__, IncompleteReadError)


def test_trouble_is_trouble_and_asked_about_once() -> None:
    made = ours("s3", retry=False)
    assert made.meta.config.retries["total_max_attempts"] == 1
    with Stubber(made) as stub:
        stub.add_client_error("get_object", "SlowDown", http_status_code=503)
        with pytest.raises(AwsUnavailable):
            S3States(made).read(STATE, 2)


def test_the_account_has_it_at_its_first_use() -> None:
    account = Account(("services",))
    assert "terraform_states" not in vars(account)
    assert isinstance(account.terraform_states, S3States)
