"""Actions in IAM's spelling, from the table of its actions."""

import subprocess
import sys

import pytest

from regrant.denials.actions import (
    canonical_action,
    is_action,
    manages_permissions,
    takes_no_resource,
)


@pytest.mark.parametrize(
    ("printed", "policy"),
    [
        ("sqs:receivemessage", "sqs:ReceiveMessage"),
        ("SNS:Publish", "sns:Publish"),
        ("s3:getbucketcors", "s3:GetBucketCORS"),
        ("execute-api:invoke", "execute-api:Invoke"),
        ("apigateway:get", "apigateway:GET"),
    ],
)
def test_an_action_is_spelled_as_policies_spell_it(printed: str, policy: str) -> None:
    assert canonical_action(*printed.split(":")) == policy


@pytest.mark.parametrize("printed", ["SQS:FlyQueue", "NewService:DoThings"])
def test_an_action_that_the_table_lacks_stays_with_its_prefix_in_lower_case(printed: str) -> None:
    service, name = printed.split(":")
    assert not is_action(service, name)
    assert canonical_action(service, name) == f"{service.lower()}:{name}"


def test_a_prefix_is_found_whole_not_as_the_end_of_another() -> None:
    # The line of "kinesisvideo" begins like "kinesis", that of "ses" is the end of others.
    assert canonical_action("kinesis", "putrecord") == "kinesis:PutRecord"
    assert canonical_action("ses", "sendemail") == "ses:SendEmail"


def test_the_table_is_not_read_at_import() -> None:
    code = "from regrant.denials import reader, actions; print(actions._services.cache_info().currsize)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="functions", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"


@pytest.mark.parametrize(
    "action",
    [
        *("iam:PassRole", "iam:GetRole", "sts:AssumeRole", "organizations:CreateAccount", "kms:PutKeyPolicy"),
        *("s3:PutBucketPolicy", "lambda:addpermission", "sqs:AddPermission", "ecr:SetRepositoryPolicy"),
    ],
)
def test_an_action_that_leads_to_permissions_is_known(action: str) -> None:
    assert manages_permissions(*action.split(":"))


@pytest.mark.parametrize(
    "action", ["sqs:ReceiveMessage", "kms:Decrypt", "s3:PutObject", "no:Such", "sqs:Fly"]
)
def test_no_other_is(action: str) -> None:
    assert not manages_permissions(*action.split(":"))


def test_an_action_that_a_policy_can_allow_on_everything_only_is_known() -> None:
    everything = ("ecr:GetAuthorizationToken", "XRay:puttracesegments", "sqs:ListQueues")
    assert all(takes_no_resource(*action.split(":")) for action in everything)
    assert not any(takes_no_resource(*action.split(":")) for action in ("s3:GetObject", "no:Such", "ecr:Fly"))


def test_no_name_has_a_mark() -> None:
    assert canonical_action("kms", "putkeypolicy") == "kms:PutKeyPolicy"
    assert is_action("ecr", "getauthorizationtoken")
