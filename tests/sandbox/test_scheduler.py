"""One-time schedules start state machines at their time, and rules with a rate reach their targets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.engine.faults import Effect
from sandbox.scenarios.snapshot import difference, snapshot

DONE = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
INPUT = '{"mode": "expire", "incident": "run-1"}'
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/expiry"
GROUP = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/regrant"


class Stack:
    """`account` with a state machine, a role that may start it, and a schedule group."""

    def __init__(self, account: LocalAccount) -> None:
        self.account = account
        self.scheduler: Any = account.client("scheduler")
        self.states: Any = account.client("stepfunctions")
        self.scheduler.create_schedule_group(Name="regrant")
        self.machine = self.states.create_state_machine(name="m", definition=DONE, roleArn=ROLE)[
            "stateMachineArn"
        ]
        self.role("expiry", "scheduler.amazonaws.com", allow("states:StartExecution", self.machine))

    def role(self, name: str, service: str, *statements: dict[str, Any], source: str = GROUP) -> None:
        iam: Any = self.account.client("iam")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": source}},
        }
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))

    def put(self, at: str = "2026-03-02T09:10:00", client: Any = None, **target: Any) -> None:
        (client or self.scheduler).create_schedule(
            Name="run-1",
            GroupName="regrant",
            ScheduleExpression=f"at({at})",
            FlexibleTimeWindow={"Mode": "OFF"},
            ActionAfterCompletion="DELETE",
            Target={"Arn": self.machine, "RoleArn": ROLE, "Input": INPUT} | target,
        )

    def scheduled(self) -> list[str]:
        return [each["Name"] for each in self.scheduler.list_schedules()["Schedules"]]

    def started(self) -> list[tuple[str, Any]]:
        """(time, input) of each execution."""
        found = self.states.list_executions(stateMachineArn=self.machine)["executions"]
        shapes = [self.states.describe_execution(executionArn=each["executionArn"]) for each in found]
        return [(f"{shape['startDate']:%H:%M:%S}", shape["input"]) for shape in shapes]


def allow(action: str, resource: str, **conditions: Any) -> dict[str, Any]:
    more = {"Condition": {"StringEquals": conditions}} if conditions else {}
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        yield account


@pytest.fixture
def stack(account: LocalAccount) -> Stack:
    return Stack(account)


def test_it_starts_its_machine_at_its_time_with_its_role_and_is_gone(stack: Stack) -> None:
    stack.put()
    stack.account.clock.run_for(599)
    assert (stack.started(), stack.scheduled()) == ([], ["run-1"])
    stack.account.clock.run_for(2)
    assert (stack.started(), stack.scheduled()) == ([("09:10:00", INPUT)], [])
    (call,) = [call for call in stack.account.calls if call.operation == "StartExecution"]
    assert call.principal == f"arn:aws:sts::{ACCOUNT}:assumed-role/expiry/scheduler"


def test_a_time_that_has_passed_is_now(stack: Stack) -> None:
    stack.put("2026-03-02T08:00:00")
    stack.account.clock.run_for(1)
    assert stack.started() == [("09:00:00", INPUT)]


def test_one_that_was_deleted_does_not_start_anything(stack: Stack) -> None:
    stack.put()
    stack.scheduler.delete_schedule(Name="run-1", GroupName="regrant")
    stack.account.clock.run_for(1200)
    assert stack.started() == []


def test_one_that_was_deleted_and_put_again_starts_at_the_new_time_only(stack: Stack) -> None:
    stack.put()
    stack.scheduler.delete_schedule(Name="run-1", GroupName="regrant")
    stack.put("2026-03-02T09:15:00")
    stack.account.clock.run_for(1200)
    assert stack.started() == [("09:15:00", INPUT)]


def test_a_group_that_is_deleted_takes_its_schedules_along(stack: Stack) -> None:
    stack.put()
    stack.scheduler.delete_schedule_group(Name="regrant")
    stack.account.clock.run_for(1200)
    assert (stack.started(), stack.scheduled()) == ([], [])
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        stack.put()


def test_a_name_is_taken_once(stack: Stack) -> None:
    stack.put()
    with pytest.raises(ClientError, match="ConflictException"):
        stack.put("2026-03-02T09:15:00")
    stack.account.clock.run_for(1200)
    assert stack.started() == [("09:10:00", INPUT)]


def test_who_puts_one_must_be_allowed_to_pass_the_role_to_scheduler(stack: Stack) -> None:
    create = allow(
        "scheduler:CreateSchedule", f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/regrant/run-1"
    )
    elsewhere = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    here = {"iam:PassedToService": "scheduler.amazonaws.com"}
    stack.role("nothing", "lambda.amazonaws.com")
    stack.role("passes-elsewhere", "lambda.amazonaws.com", create, allow("iam:PassRole", ROLE, **elsewhere))
    stack.role("passes", "lambda.amazonaws.com", create, allow("iam:PassRole", ROLE, **here))
    put = "not authorized to perform: scheduler:CreateSchedule on resource: .*:schedule/regrant/run-1 "
    for role, why in ("nothing", put), ("passes-elsewhere", "perform: iam:PassRole on resource: .*/expiry"):
        with pytest.raises(ClientError, match=why) as denied:
            stack.put(client=stack.account.role_client(role, "scheduler", "s"))
        assert denied.value.response["Error"]["Code"] == "AccessDeniedException"
    stack.put(client=stack.account.role_client("passes", "scheduler", "s"))
    assert stack.scheduled() == ["run-1"]


def test_deleting_one_is_a_permission_on_it(stack: Stack) -> None:
    stack.put()
    other = allow("scheduler:DeleteSchedule", f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/run-1")
    stack.role("other", "lambda.amazonaws.com", other)
    with pytest.raises(ClientError, match="schedule/regrant/run-1"):
        stack.account.role_client("other", "scheduler", "s").delete_schedule(
            Name="run-1", GroupName="regrant"
        )


def test_a_role_that_trusts_another_service_is_refused(stack: Stack) -> None:
    stack.role("rule", "events.amazonaws.com", allow("states:StartExecution", "*"))
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
        stack.put(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/rule")


def test_what_its_role_may_not_start_goes_to_the_dead_letter_queue(stack: Stack) -> None:
    sqs: Any = stack.account.client("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"
    stack.role("weak", "scheduler.amazonaws.com", allow("sqs:SendMessage", queue))
    stack.put(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/weak", DeadLetterConfig={"Arn": queue})
    stack.account.clock.run_for(601)
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == INPUT
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "AccessDeniedException"
    assert [each.sender for each in stack.account.events.undelivered] == ["run-1"]
    assert (stack.started(), stack.scheduled()) == ([], [])


def test_it_tries_again_till_step_functions_answers(stack: Stack) -> None:
    # More than the five tries that the SDK makes of one call.
    stack.account.faults.add(Effect.SERVER_ERROR, "states", "StartExecution", times=7)
    stack.put()
    stack.account.clock.run_for(700)
    tries = [call for call in stack.account.calls if call.operation == "StartExecution"]
    assert len(tries) == 8
    assert [given for _, given in stack.started()] == [INPUT]
    assert stack.scheduled() == []


def test_one_that_is_left_over_is_a_difference(stack: Stack) -> None:
    before = snapshot(stack.account)
    stack.put()
    (line,) = difference(before, snapshot(stack.account))
    assert "schedule/regrant/run-1: None -> {'expression': 'at(2026-03-02T09:10:00)'" in line
    assert repr(INPUT) in line
    stack.scheduler.delete_schedule(Name="run-1", GroupName="regrant")
    assert snapshot(stack.account) == before


def test_a_schedule_group_in_a_template_has_a_name_and_an_arn(account: LocalAccount, tmp_path: Path) -> None:
    template = {
        "Resources": {
            "Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "regrant"}},
        },
        "Outputs": {
            "Name": {"Value": {"Ref": "Group"}},
            "Arn": {"Value": {"Fn::GetAtt": ["Group", "Arn"]}},
        },
    }
    (tmp_path / "template.yaml").write_text(json.dumps(template))
    assert account.deploy(tmp_path / "template.yaml", {}) == {"Name": "regrant", "Arn": GROUP}


def sweeper(*, permitted: bool) -> dict[str, Any]:
    """A template whose rule calls a function each hour; the function logs the event."""
    code = "import json\ndef handler(event, context):\n    print(json.dumps(event))\n"
    trusted = {"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Statement": [{"Effect": "Allow", **trusted}]}
    resources: dict[str, Any] = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "sweep",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Handler": "index.handler",
                "Runtime": "python3.13",
                "Code": {"ZipFile": code},
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": "hourly",
                "ScheduleExpression": "rate(1 hour)",
                "Targets": [{"Id": "t", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}],
            },
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": "Function"},
                "Principal": "events.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
            },
        },
    }
    if not permitted:
        del resources["Permission"]
    return {"Resources": resources}


def deployed(account: LocalAccount, folder: Path, *, permitted: bool = True) -> None:
    (folder / "template.yaml").write_text(json.dumps(sweeper(permitted=permitted)))
    account.deploy(folder / "template.yaml", {})


def received(account: LocalAccount) -> list[dict[str, Any]]:
    """What the function was given."""
    logs: Any = account.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/sweep")["logGroups"]
    lines = logs.filter_log_events(logGroupName="/aws/lambda/sweep")["events"] if groups else []
    return [json.loads(line["message"]) for line in lines if line["message"].startswith("{")]


def test_a_rule_with_a_rate_calls_its_function_each_time(account: LocalAccount, tmp_path: Path) -> None:
    deployed(account, tmp_path)
    account.clock.run_for(3599)
    assert received(account) == []
    account.clock.run_for(3601)
    first, second = received(account)
    assert first.pop("id") != second["id"]
    assert first == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": "2026-03-02T10:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:{ACCOUNT}:rule/hourly"],
        "detail": {},
    }


def test_a_function_that_does_not_let_the_rule_in_is_not_called(
    account: LocalAccount, tmp_path: Path
) -> None:
    deployed(account, tmp_path, permitted=False)
    account.clock.run_for(3601)
    assert received(account) == []
    assert account.events.undelivered[0].code == "NO_PERMISSIONS"


def test_a_rule_that_is_disabled_waits(account: LocalAccount, tmp_path: Path) -> None:
    deployed(account, tmp_path)
    events: Any = account.client("events")
    events.disable_rule(Name="hourly")
    account.clock.run_for(3601)
    assert received(account) == []
    events.enable_rule(Name="hourly")
    account.clock.run_for(3600)
    assert [event["time"] for event in received(account)] == ["2026-03-02T11:00:00Z"]


def test_a_rule_that_is_put_again_has_one_rate(account: LocalAccount, tmp_path: Path) -> None:
    deployed(account, tmp_path)
    account.clock.run_for(1)
    account.client("events").put_rule(Name="hourly", ScheduleExpression="rate(40 minutes)")
    account.clock.run_for(2 * 3600)
    times = [event["time"] for event in received(account)]
    assert times == ["2026-03-02T09:40:01Z", "2026-03-02T10:20:01Z", "2026-03-02T11:00:01Z"]


def test_a_rule_with_a_rate_starts_a_state_machine(stack: Stack) -> None:
    events: Any = stack.account.client("events")
    events.put_rule(Name="daily", ScheduleExpression="rate(2 days)")
    rule = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/daily"
    allowed = allow("states:StartExecution", stack.machine)
    stack.role("daily", "events.amazonaws.com", allowed, source=rule)
    role = f"arn:aws:iam::{ACCOUNT}:role/daily"
    target = {"Id": "t", "Arn": stack.machine, "RoleArn": role, "Input": INPUT}
    events.put_targets(Rule="daily", Targets=[target])
    stack.account.clock.run_for(2 * 86_400 + 1)
    assert [given for _, given in stack.started()] == [INPUT]
