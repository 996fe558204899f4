"""The audit comes every hour, may do what it does and no more, and does not fail unseen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.template.cloudformation import Template, Values, as_list, statements

ROLE = "arn:aws:iam::123456789012:role/app/worker"
POLICY = "arn:aws:iam::123456789012:policy/app/sqs"
QUEUE = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}


@pytest.fixture
def values(source: Template) -> Values:
    """As in the stack: a resource's Ref and ARN are its name."""
    names = {name: f"<{name}>" for name in source["Resources"]}
    arns = {f"{name}.Arn": f"<{name}.Arn>" for name in names}
    return Values(source, ManagedRoleArns=[ROLE], GrantablePolicyArns=[POLICY], **names, **arns)


def properties(stack: Template, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stack["Resources"][name]["Properties"]
    return found


def test_the_audit_may_read_start_the_runbook_notify_and_nothing_else(
    stack: Template, values: Values
) -> None:
    own = [each for owner, each in statements(stack) if owner == "AuditGrants"]
    lists = "arn:aws:ssm:us-east-1:123456789012:parameter"
    assert {action: values(each["Resource"]) for each in own for action in as_list(each["Action"])} == {
        "iam:GetRole": [ROLE],
        "iam:ListAttachedRolePolicies": [ROLE],
        "iam:GetPolicy": [POLICY],
        "iam:GetPolicyVersion": [POLICY],
        "ssm:GetParameters": [
            f"{lists}<{name}>" for name in ("AllowedRoles", "AllowedPolicies", "AllowedClusters")
        ],
        "ssm:GetParametersByPath": [f"{lists}/regrant/services/", f"{lists}/regrant/services"],
        "cloudwatch:DescribeAlarms": "*",
        "events:DescribeRule": "<AlarmRule.Arn>",
        "dynamodb:Query": "<JournalTable.Arn>",
        "dynamodb:GetItem": "<JournalTable.Arn>",
        "dynamodb:PutItem": "<JournalTable.Arn>",
        "states:StartExecution": "arn:aws:states:us-east-1:123456789012:stateMachine:regrant-runbook",
        "states:DescribeExecution": "arn:aws:states:us-east-1:123456789012:execution:regrant-runbook:*",
        "sns:Publish": "<Topic>",
        # Lambda sends there what came of an audit that failed.
        "sqs:SendMessage": "<DeadLetterQueue.Arn>",
    }
    assert {each["Effect"] for each in own} == {"Allow"}


def test_it_comes_every_hour_and_no_call_is_lost(stack: Template) -> None:
    rule = properties(stack, "AuditRule")
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["AuditGrantsFunction", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": QUEUE}
    # An older one would only do what the next has done.
    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 3600


def test_only_its_rule_may_invoke_it(stack: Template, values: Values) -> None:
    permissions = [
        each["Properties"]
        for each in stack["Resources"].values()
        if each["Type"] == "AWS::Lambda::Permission"
    ]
    assert values(permissions) == [
        {
            "FunctionName": "<AuditGrantsFunction>",
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": "<AuditRule.Arn>",
            "SourceAccount": "123456789012",
        }
    ]


def test_an_audit_that_fails_is_seen(stack: Template) -> None:
    config = properties(stack, "AuditGrantsFunctionEventInvokeConfig")
    assert config["FunctionName"] == {"Ref": "AuditGrantsFunction"}
    assert config["DestinationConfig"] == {"OnFailure": {"Destination": QUEUE}}
    for alarm, metric in (
        # Of each loss, and as long as one is left (SQS developer guide, CloudWatch metrics).
        ("UndeliveredAlarmsAlarm", ("NumberOfMessagesSent", "Sum")),
        ("DeadLettersLeftAlarm", ("ApproximateNumberOfMessagesVisible", "Maximum")),
    ):
        watching = properties(stack, alarm)
        assert (watching["MetricName"], watching["Statistic"]) == metric
        (watched,) = watching["Dimensions"]
        assert watched["Value"] == {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}
