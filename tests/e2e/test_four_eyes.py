"""What somebody gains who may do one thing only about an approval: nothing, or what SECURITY.md says is left.

Each story plays the attack on the deployed stack, with credentials of STS.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.iam.requests import ACCOUNT
from sandbox.scenarios import approver
from sandbox.scenarios.approver import FUNCTION, Reply
from tests.e2e.test_forger import event, function, invoke, only, role_with_only
from tests.statemachine.happenings import answering, ask_first, question, say, tag_the_role, token_in_history
from tests.statemachine.world import WORKER, Ended, World, incident

ANSWERING = function("answer-approval")


def asked(world: World, act: Callable[[World], None], given: dict[str, Any] | None = None) -> Ended:
    """A run that asks first; while it waits, that happens."""
    ask_first(world)
    ended = world.run(given, on_state=answering(act))
    world.account.clock.run_for(60)
    return ended


def started_by(world: World, role: str, person: str = "carol", name: str = "theirs") -> None:
    """That person's session of the role starts the run under that name."""
    sts: Any = world.account.client("sts")
    role_arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    keys = sts.assume_role(RoleArn=role_arn, RoleSessionName=person)["Credentials"]
    given = json.dumps({"service": WORKER})
    client: Any = world.account.session_client(keys, "stepfunctions")
    client.start_execution(stateMachineArn=world.machine, name=name, input=given)


def may_start(world: World, *roles: str) -> None:
    for role in roles:
        may = {
            "Effect": "Allow",
            "Action": ["states:StartExecution", "states:DescribeExecution"],
            "Resource": "*",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
        world.account.client("iam").put_role_policy(
            RoleName=role, PolicyName="start", PolicyDocument=document
        )


def report_of(world: World) -> dict[str, Any]:
    """The report of the last run."""
    report: dict[str, Any] = json.loads(world.executions()[-1]["output"])
    return report


def test_who_has_the_token_and_may_send_it_gets_nothing_changed() -> None:
    """It is in the execution's history, which many may read; the right is SendTaskSuccess, on every token."""

    def forge(world: World) -> None:
        forger = only(world, "states:SendTaskSuccess", "*")
        answer = json.dumps({"approved": True, "by": "arn:aws:iam::123456789012:role/approver"})
        forger.send_task_success(taskToken=token_in_history(world), output=answer)

    with incident() as world:
        ended = asked(world, forge)
        assert (ended.outcome, ended.error) == ("REFUSED", "NothingChanged")
        assert "AnswerNotRecorded" in ended.codes and world.mutations() == []


def test_a_yes_to_an_earlier_plan_with_the_token_of_the_next_one_changes_nothing() -> None:
    """A listed person approved the first plan; the role was changed before that, so the run asks again."""

    def first(world: World) -> None:
        tag_the_role(world)
        say("Yes")(world)

    def forge(world: World) -> None:
        forger = only(world, "states:SendTaskSuccess", "*")
        forger.send_task_success(taskToken=token_in_history(world), output='{"approved": true}')

    with incident() as world:
        ask_first(world)
        ended = world.run(on_state=answering(first, forge))
        assert ended.path.count("AskApproval") == 2
        assert "AnswerNotRecorded" in ended.codes and world.mutations() == []


def test_the_token_is_in_no_message_log_report_or_output() -> None:
    seen: list[str] = []

    def answer(world: World) -> None:
        seen.append(token_in_history(world))
        say("Yes")(world)

    with incident() as world:
        ended = asked(world, answer)
        assert ended.outcome == "CONTAINED" and seen[0]
        logs: Any = world.account.client("logs")
        groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
        lines = [
            each["message"]
            for group in groups
            for each in logs.filter_log_events(logGroupName=group)["events"]
        ]
        texts = [*lines, json.dumps(ended.report), *(text for _, text in world.messages())]
        assert any(FUNCTION in line for line in lines)
        assert [text for text in texts if seen[0] in text] == []
        items = world.account.client("dynamodb").scan(TableName=world.outputs["JournalTable"])["Items"]
        assert seen[0] not in json.dumps(items)  # answered questions forget it


@pytest.mark.parametrize(
    ("role", "status", "code"),
    [("approver", 200, "APPROVED"), ("somebody", 403, "NOT_AN_APPROVER")],
)
def test_only_who_is_listed_may_answer_although_iam_lets_others_call(
    role: str, status: int, code: str
) -> None:
    replies: list[Reply] = []

    def answer(world: World) -> None:
        if role != approver.ROLE:
            approver.create(world.account, role)
        replies.append(approver.answer(world.account, question(world), "Yes", role=role))

    with incident() as world:
        ended = asked(world, answer)
        assert (replies[0].status, replies[0].code) == (status, code)
        assert ended.outcome == ("CONTAINED" if status == 200 else "REFUSED")
        assert bool(world.mutations()) is (status == 200)


@pytest.mark.parametrize("action", ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"])
def test_one_of_the_two_rights_to_call_the_url_is_not_enough(action: str) -> None:
    replies: list[Reply] = []

    def answer(world: World) -> None:
        role = role_with_only(world, action, ANSWERING)
        replies.append(approver.answer(world.account, question(world), "Yes", role=role))

    with incident() as world:
        assert asked(world, answer).outcome == "REFUSED"
        assert (replies[0].status, replies[0].code) == (403, "") and "Forbidden" in replies[0].message
        assert world.mutations() == []


def test_who_may_answer_by_the_url_cannot_forge_a_request_of_somebody_elses() -> None:
    with incident() as world:
        keys: Any = world.account.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{approver.ROLE}", RoleSessionName="carol"
        )["Credentials"]
        client = world.account.session_client(keys, "lambda")
        with pytest.raises(ClientError, match="AccessDenied"):
            invoke(client, "answer-approval", event("answer_approval"))


def test_who_may_invoke_the_function_directly_is_whoever_it_says() -> None:
    """SECURITY.md says so: an event does not show how it came. Keep that right to nobody."""

    def forge(world: World) -> None:
        forger = only(world, "lambda:InvokeFunction", ANSWERING)
        given = approver.command(question(world), "Yes")
        body = {"run": given["RUN"], "plan": given["PLAN"], "answer": given["ANSWER"]}
        reply = invoke(forger, "answer-approval", event("answer_approval") | {"body": json.dumps(body)})
        assert reply["statusCode"] == 200

    with incident() as world:
        ended = asked(world, forge)
        assert ended.outcome == "CONTAINED" and "ANSWERED" in ended.codes


def test_who_started_a_run_does_not_approve_it_and_a_second_start_hides_nothing() -> None:
    with incident() as world:
        ask_first(world)
        approver.create(world.account, "automation")
        may_start(world, approver.ROLE, "automation")
        started_by(world, approver.ROLE)
        world.account.clock.run_for(5)
        started_by(world, "automation")
        world.account.clock.run_for(20)
        reply = approver.answer(world.account, question(world), "Yes")
        assert (reply.status, reply.code) == (403, "SAME_PERSON")
        dave = approver.answer(world.account, question(world), "Yes", person="dave")
        assert (dave.status, dave.code) == (403, "SAME_PERSON")  # another session of the same role
        world.account.clock.run_for(30)
        assert world.executions()[-1]["status"] == "RUNNING" and world.mutations() == []
        assert approver.answer(world.account, question(world), "No").code == "REJECTED"
        world.account.clock.run_for(60)
        report = report_of(world)
        assert report["outcome"] == "REFUSED"
        said = [each["text"] for each in report["findings"] if each["code"] == "ANSWERED"]
        assert "approver/carol said no" in said[0]


def test_nobody_approves_before_cloudtrail_says_who_started_the_run() -> None:
    with incident() as world:
        ask_first(world)
        world.account.trail.delay = 300
        world.account.client("stepfunctions").start_execution(
            stateMachineArn=world.machine, input=json.dumps({"service": WORKER})
        )
        world.account.clock.run_for(60)
        early = approver.answer(world.account, question(world), "Yes")
        assert (early.status, early.code) == (503, "STARTER_NOT_KNOWN_YET")
        assert world.mutations() == []
        world.account.clock.run_for(300)
        assert approver.answer(world.account, question(world), "Yes").code == "APPROVED"
        again = approver.answer(world.account, question(world), "Yes", person="dave")
        assert (again.status, again.code) == (409, "ALREADY_ANSWERED")
        world.account.clock.run_for(900)
        assert report_of(world)["outcome"] == "CONTAINED"


def test_a_run_that_an_alarm_started_may_be_approved_by_anybody_listed() -> None:
    with incident() as world:
        ask_first(world)
        world.account.client("events").enable_rule(Name=world.outputs["AlarmRuleName"])
        for alarm in world.account.client("cloudwatch").describe_alarms()["MetricAlarms"]:
            if alarm["AlarmName"].endswith(WORKER):
                name = alarm["AlarmName"]
        for state in ("OK", "ALARM"):
            world.account.client("cloudwatch").set_alarm_state(
                AlarmName=name, StateValue=state, StateReason="a test"
            )
            world.account.clock.run_for(40)
        assert approver.answer(world.account, question(world), "Yes").code == "APPROVED"


def test_a_run_that_was_stopped_or_never_asked_takes_no_answer() -> None:
    with incident() as world:
        ask_first(world)
        sfn = world.account.client("stepfunctions")
        arn = sfn.start_execution(stateMachineArn=world.machine, input=json.dumps({"service": WORKER}))
        world.account.clock.run_for(20)
        text = question(world)
        other = text.replace(arn["executionArn"].rpartition(":")[2], "another-run")
        assert approver.answer(world.account, other, "Yes").code == "UNKNOWN_RUN"
        sfn.stop_execution(executionArn=arn["executionArn"])
        world.account.clock.run_for(5)
        assert approver.answer(world.account, text, "Yes").code == "TIMED_OUT"
        assert world.mutations() == []
