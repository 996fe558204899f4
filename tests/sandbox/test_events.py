"""Rules reach their targets, and services reach the bus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.account import LocalAccount
from sandbox.aws.events.inputs import fill

TRUSTED = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sts:AssumeRole",
    "Condition": {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:123456789012:rule/rule"},
    },
}
WAIT = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}})
DONE = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


@pytest.fixture
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        yield account


def queue(account: LocalAccount, name: str, *, open_to_events: bool = True) -> tuple[str, str]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    attributes = {"Policy": policy} if open_to_events else {}
    url = account.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:123456789012:{name}"


def rule(account: LocalAccount, pattern: Any, target: dict[str, Any]) -> None:
    account.client("events").put_rule(Name="rule", EventPattern=json.dumps(pattern))
    account.client("events").put_targets(Rule="rule", Targets=[{"Id": "t", **target}])


def messages(account: LocalAccount, url: str) -> list[Any]:
    account.clock.run_for(1)
    answer = account.client("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return [(json.loads(m["Body"]), m.get("MessageAttributes")) for m in answer.get("Messages", [])]


def machine(
    account: LocalAccount, *, may_start: bool, definition: str = DONE, trust: dict[str, Any] = TRUSTED
) -> dict[str, Any]:
    iam = account.client("iam")
    trusted = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="rule-role", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    if may_start:
        statement = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="rule-role", PolicyName="p", PolicyDocument=document)
    arn = account.client("stepfunctions").create_state_machine(name="m", definition=definition, roleArn=role)
    return {"Arn": arn["stateMachineArn"], "RoleArn": role}


def alarm(account: LocalAccount) -> None:
    account.client("cloudwatch").put_metric_alarm(
        AlarmName="regrant/c/s",
        AlarmDescription="denied",
        Namespace="App",
        MetricName="Denied",
        Dimensions=[{"Name": "Service", "Value": "s"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="ignore",
    )


def set_alarm(account: LocalAccount, value: str) -> None:
    account.client("cloudwatch").set_alarm_state(
        AlarmName="regrant/c/s", StateValue=value, StateReason="told", StateReasonData='{"version":"1.0"}'
    )


def test_an_alarm_starts_a_state_machine_with_the_event_as_its_input(account: LocalAccount) -> None:
    target = machine(account, may_start=True)
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [{"prefix": "regrant/"}]}}
    rule(account, pattern, target)
    alarm(account)
    set_alarm(account, "ALARM")
    account.clock.run_for(1)
    states = account.client("stepfunctions")
    (execution,) = states.list_executions(stateMachineArn=target["Arn"])["executions"]
    event = json.loads(states.describe_execution(executionArn=execution["executionArn"])["input"])
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["resources"] == ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:regrant/c/s"]
    assert event["time"] == "2026-03-02T09:00:00Z"
    detail = event["detail"]
    assert detail["alarmName"] == "regrant/c/s"
    assert detail["state"] == {
        "value": "ALARM",
        "reason": "told",
        "reasonData": '{"version":"1.0"}',
        "timestamp": "2026-03-02T09:00:00.000+0000",
    }
    assert detail["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert detail["configuration"] == {
        "description": "denied",
        "metrics": [
            {
                "id": "m1",
                "metricStat": {
                    "metric": {"namespace": "App", "name": "Denied", "dimensions": {"Service": "s"}},
                    "period": 60,
                    "stat": "Sum",
                },
                "returnData": True,
            }
        ],
    }


def test_an_alarm_that_stays_as_it_is_tells_nobody(account: LocalAccount) -> None:
    url, arn = queue(account, "q")
    rule(account, {"source": ["aws.cloudwatch"]}, {"Arn": arn})
    alarm(account)
    set_alarm(account, "ALARM")
    set_alarm(account, "ALARM")
    assert len(messages(account, url)) == 1


def test_a_rule_without_permission_leaves_the_event_in_the_dead_letter_queue(account: LocalAccount) -> None:
    url, arn = queue(account, "dlq")
    target = machine(account, may_start=False)
    rule(account, {"source": ["mine"]}, target | {"DeadLetterConfig": {"Arn": arn}})
    account.client("events").put_events(Entries=[{"Source": "mine", "DetailType": "t", "Detail": '{"a": 1}'}])
    ((event, about),) = messages(account, url)
    assert event["detail"] == {"a": 1}
    assert about["TARGET_ARN"]["StringValue"] == target["Arn"]
    assert about["ERROR_CODE"]["StringValue"] == "AccessDeniedException"
    assert account.events.undelivered[0].sender == "rule"


@pytest.mark.parametrize(
    ("operator", "key", "value"),
    [
        ("ArnEquals", "aws:SourceArn", "arn:aws:events:us-east-1:123456789012:rule/another"),
        ("ArnEquals", "aws:SourceArn", "arn:aws:events:eu-west-1:123456789012:rule/rule"),
        ("StringEquals", "aws:SourceAccount", "999999999999"),
    ],
)
def test_a_role_that_is_for_another_rule_is_not_assumed(
    account: LocalAccount, operator: str, key: str, value: str
) -> None:
    trust = TRUSTED | {"Condition": {operator: {key: value}}}
    target = machine(account, may_start=True, trust=trust)
    rule(account, {"source": ["mine"]}, target)
    account.client("events").put_events(Entries=[{"Source": "mine", "DetailType": "t", "Detail": "{}"}])
    account.clock.run_for(1)
    assert account.client("stepfunctions").list_executions(stateMachineArn=target["Arn"])["executions"] == []
    assert [each.code for each in account.events.undelivered] == ["NO_PERMISSIONS"]


def test_a_queue_that_does_not_let_events_in_gets_none(account: LocalAccount) -> None:
    url, arn = queue(account, "q", open_to_events=False)
    rule(account, {"source": ["mine"]}, {"Arn": arn})
    account.client("events").put_events(Entries=[{"Source": "mine", "DetailType": "t", "Detail": "{}"}])
    assert messages(account, url) == []
    assert account.events.undelivered[0].code == "NO_PERMISSIONS"


def status_changes(account: LocalAccount, definition: str = DONE) -> tuple[str, str]:
    """(a queue that has every change, a state machine)."""
    url, arn = queue(account, "q")
    rule(account, {"source": ["aws.states"]}, {"Arn": arn})
    target = machine(account, may_start=True, definition=definition)
    return url, target["Arn"]


def test_the_status_changes_of_an_execution_are_events_with_the_members_that_aws_gives(
    account: LocalAccount,
) -> None:
    """As LocalStack recorded them: test_base.snapshot.json, test_event_bridge_events_base."""
    url, arn = status_changes(account)
    account.client("stepfunctions").start_execution(stateMachineArn=arn, name="x", input='{"a": 1}')
    (begun, _), (ended, _) = messages(account, url)
    assert {begun["detail-type"], ended["detail-type"]} == {"Step Functions Execution Status Change"}
    at = int(account.clock.now().timestamp() - 1) * 1000
    execution = "arn:aws:states:us-east-1:123456789012:execution:m:x"
    both = {
        "executionArn": execution,
        "stateMachineArn": arn,
        "name": "x",
        "startDate": at,
        "input": '{"a": 1}',
        "inputDetails": {"included": True},
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "NOT_REDRIVABLE",
        "error": None,
        "cause": None,
    }
    assert begun["resources"] == [execution]
    assert begun["detail"] == both | {
        "status": "RUNNING",
        "stopDate": None,
        "output": None,
        "outputDetails": None,
        "redriveStatusReason": "Execution is RUNNING and cannot be redriven",
    }
    assert ended["detail"] == both | {
        "status": "SUCCEEDED",
        "stopDate": at,
        "output": '{"a": 1}',
        "outputDetails": {"included": True},
        "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
    }


@pytest.mark.parametrize("after", [0, 5])
def test_an_execution_can_be_stopped_also_right_after_its_start(account: LocalAccount, after: int) -> None:
    url, arn = status_changes(account, WAIT)
    states = account.client("stepfunctions")
    execution = states.start_execution(stateMachineArn=arn, name="x", input="{}")["executionArn"]
    account.clock.run_for(after)
    assert "stopDate" in states.stop_execution(executionArn=execution, error="E", cause="c")
    shown = states.describe_execution(executionArn=execution)
    assert (shown["status"], shown["error"], shown["cause"]) == ("ABORTED", "E", "c")
    (_, _), (ended, _) = messages(account, url)
    written = json.loads((Path(__file__).parents[2] / "events/ended-run.json").read_text())
    assert ended["detail"].keys() == written["detail"].keys()
    same = ("status", "redriveStatus", "redriveStatusReason", "inputDetails", "output", "outputDetails")
    assert [ended["detail"][name] for name in same] == [written["detail"][name] for name in same]
    assert (ended["detail"]["error"], ended["detail"]["cause"]) == ("E", "c")
    history = states.get_execution_history(executionArn=execution)["events"]
    assert [each["type"] for each in (history[0], history[-1])] == ["ExecutionStarted", "ExecutionAborted"]
    assert len(messages(account, url)) == 0


def test_an_event_leaves_out_what_would_make_it_too_long(account: LocalAccount) -> None:
    """248 KiB, escaped: the input goes if it is too long with the output, the output if that alone is."""
    url, arn = status_changes(account)
    for name, size in (("half", 130_000), ("quotes", 125_000)):
        text = json.dumps(("x" if name == "half" else '"') * size)
        account.client("stepfunctions").start_execution(stateMachineArn=arn, name=name, input=text)
    found = {(e["detail"]["name"], e["detail"]["status"]): e["detail"] for e, _ in messages(account, url)}
    included = {
        run: (each["inputDetails"]["included"], (each["outputDetails"] or {}).get("included"))
        for run, each in found.items()
    }
    assert included == {
        ("half", "RUNNING"): (True, None),
        ("half", "SUCCEEDED"): (False, True),
        ("quotes", "RUNNING"): (False, None),
        ("quotes", "SUCCEEDED"): (False, False),
    }
    assert found["half", "SUCCEEDED"]["input"] is None and found["half", "SUCCEEDED"]["output"] is not None


def test_templates_quote_strings_outside_of_quotes() -> None:
    values = {"name": 'a "b"', "detail": {"x": 1}}
    filled = fill('{"mode": "rollback", "incident": <name>, "text": "about <name>", "d": <detail>}', values)
    assert json.loads(filled) == {
        "mode": "rollback",
        "incident": 'a "b"',
        "text": 'about a "b"',
        "d": {"x": 1},
    }
