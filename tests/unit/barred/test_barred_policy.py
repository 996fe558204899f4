"""A policy that lets its holder change permissions is never granted, however it says so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.barred.policy import judge_policies, judge_policy
from regrant.barred.stack import stack_at
from regrant.denials.actions import permission_actions
from regrant.iam.policy import Policy
from tests.unit.fakes import ACCOUNT, DOCUMENTS, OLD_ROLE, QUEUE, RECEIVE, REGION, SEND, SETTINGS

ARN = f"arn:aws:iam::{ACCOUNT}:policy/worker"
AWS = "arn:aws:iam::aws:policy"
STACK = stack_at(SETTINGS, OLD_ROLE)
OF_QUEUES = ["sqs:AddPermission", "sqs:RemovePermission", "sqs:SetQueueAttributes"]
CONDITION = {"StringEquals": {"aws:PrincipalTag/team": "owner"}}


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    resource = {} if "NotResource" in elements else {"Resource": "*"}
    return {"Effect": effect, **resource, **elements}


def policy(*statements: Any, arn: str = ARN) -> Policy:
    return Policy(arn, {"Version": "2012-10-17", "Statement": list(statements)})


def code(*statements: Any, arn: str = ARN) -> str | None:
    refusal = judge_policy(policy(*statements, arn=arn), STACK)
    return refusal.code if refusal else None


@pytest.mark.parametrize(
    "elements",
    [
        {"Action": "*"},
        {"Action": "*:*"},
        {"Action": "iam:*"},
        {"Action": "IAM:putrolepolicy"},
        {"Action": "iam:Attach*"},
        {"Action": "iam:PassRole", "Resource": f"arn:aws:iam::{ACCOUNT}:role/worker"},
        {"Action": "iam:CreateAccessKey"},
        {"Action": "organizations:MoveAccount"},
        {"Action": "sso:CreateAccountAssignment"},
        {"Action": "ram:CreateResourceShare"},
        {"Action": "sqs:*", "Resource": QUEUE},
        {"Action": ["sqs:ReceiveMessage", "sqs:Add?ermission"], "Resource": QUEUE},
        {"Action": "kms:CreateGrant", "Condition": CONDITION},
        {"Action": "s3:Put*", "Resource": "arn:aws:s3:::uploads/*"},
        {"Action": "lambda:AddPermission"},
        {"Action": "kinesis:*", "Resource": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/clicks"},
        {"Action": "codeartifact:Put*PermissionsPolicy"},
        {"Action": ["eks:CreateAccessEntry", "eks:AssociateAccessPolicy"]},
        {"Action": "aoss:UpdateAccessPolicy"},
        {"Action": "kafka:PutClusterPolicy"},
        {"Action": "rds:ModifyDBSnapshotAttribute"},
        {"Action": "ec2:ModifyImageAttribute"},
        {"Action": "i?m:PutRolePolicy"},
        {"NotAction": "s3:*"},
        {"NotAction": ["iam:*", "organizations:*"]},
        {"Action": "iam:PutRolePolicy", "NotResource": f"arn:aws:iam::{ACCOUNT}:role/admin"},
    ],
    ids=str,
)
def test_what_changes_permissions_is_refused(elements: dict[str, Any]) -> None:
    assert code(statement(**elements)) == "POLICY_CHANGES_PERMISSIONS"


@pytest.mark.parametrize(
    "elements",
    [
        {"Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:Get*"], "Resource": QUEUE},
        {"Action": ["s3:Get*", "s3:PutObject", "s3:List*"]},
        {"Action": ["iam:Get*", "iam:List*"]},
        {"Action": ["kms:Decrypt", "kms:GenerateDataKey*"]},
        {"Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{ACCOUNT}:role/worker"},
        {"Action": "dynamodb:*Item", "Resource": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/uploads"},
    ],
    ids=str,
)
def test_what_only_works_with_data_is_not(elements: dict[str, Any]) -> None:
    assert code(statement(**elements)) is None


def test_a_deny_of_its_own_on_every_resource_takes_it_away() -> None:
    everything = statement(Action="sqs:*")
    assert code(everything, statement("Deny", Action=OF_QUEUES)) is None
    assert code(everything, statement("Deny", NotAction="sqs:ReceiveMessage")) is None


@pytest.mark.parametrize(
    "denial",
    [
        statement("Deny", Action=OF_QUEUES[:2]),
        statement("Deny", Action=OF_QUEUES, Resource=QUEUE),
        statement("Deny", Action=OF_QUEUES, NotResource=QUEUE),
        statement("Deny", Action=OF_QUEUES, Condition=CONDITION),
    ],
    ids=["of one action less", "on one resource", "on all but one", "on a condition"],
)
def test_a_deny_that_leaves_something_takes_nothing_away(denial: dict[str, Any]) -> None:
    assert code(statement(Action="sqs:*"), denial) == "POLICY_CHANGES_PERMISSIONS"


@pytest.mark.parametrize(
    "name",
    [
        "AdministratorAccess",
        "AdministratorAccess-Amplify",
        "PowerUserAccess",
        "IAMFullAccess",
        "job-function/SystemAdministrator",
        "job-function/NetworkAdministrator",
    ],
)
def test_the_policies_of_administrators_are_refused_by_name(name: str) -> None:
    assert code(statement(Action="sqs:ReceiveMessage"), arn=f"{AWS}/{name}") == "ADMINISTRATOR_POLICY"
    assert code(statement(Action="sqs:ReceiveMessage"), arn=f"{AWS}/{name.replace('A', 'a')}") is None


@pytest.mark.parametrize("wrong", [{"Effect": "Allow"}, {"Effect": "Maybe"}, 7, statement(Action=[])])
def test_what_cannot_be_read_is_not_granted(wrong: Any) -> None:
    assert code(statement(Action="sqs:ReceiveMessage"), wrong) == "POLICY_CHANGES_PERMISSIONS"


def test_the_refusal_names_the_policy_and_the_first_actions() -> None:
    refusal = judge_policy(policy(statement(Action="iam:*")), STACK)
    assert refusal is not None
    assert refusal.message.startswith("worker lets its holder change permissions (iam:")
    assert refusal.message.count("iam:") == 3 and "and more" in refusal.message


def test_of_several_policies_the_first_that_is_barred_is_named() -> None:
    fine = [Policy(arn, DOCUMENTS[arn]) for arn in (RECEIVE, SEND)]
    assert judge_policies(fine, STACK) is None
    refusal = judge_policies([*fine, policy(statement(Action="*"))], STACK)
    assert refusal is not None and "worker" in refusal.message


@given(st.sampled_from([f"{s}:{name}" for s, names in permission_actions().items() for name in names]))
def test_no_action_of_the_table_is_granted_alone_or_by_a_wildcard(action: str) -> None:
    service, _, name = action.partition(":")
    for pattern in (
        action,
        action.upper(),
        f"{service}:{name[:3]}*",
        f"{service}:*{name[-3:]}",
        f"{service}:*",
    ):
        assert code(statement(Action=["sqs:ReceiveMessage", pattern])) == "POLICY_CHANGES_PERMISSIONS"
