"""Lambda functions and state machines with the credentials of their roles."""

from __future__ import annotations

import io
import json
import re
import textwrap
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.engine.faults import Effect


@pytest.fixture
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        yield account


def role(account: LocalAccount, name: str, *statements: dict[str, Any]) -> str:
    iam = account.client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if statements:
        iam.put_role_policy(
            RoleName=name,
            PolicyName="inline",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
        )
    return arn


def allow(action: str, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def function(
    account: LocalAccount,
    name: str,
    code: str,
    *statements: dict[str, Any],
    logs: dict[str, str] | None = None,
) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", textwrap.dedent(code))
    answer: dict[str, Any] = account.client("lambda").create_function(
        FunctionName=name,
        Role=role(account, f"{name}-role", *statements),
        Runtime="python3.13",
        Handler="main.handler",
        Timeout=50,
        Code={"ZipFile": packed.getvalue()},
        **({"LoggingConfig": logs} if logs else {}),
    )
    return str(answer["FunctionArn"])


def invoke(account: LocalAccount, name: str, event: Any = None) -> Any:
    answer = account.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}))
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def run(
    account: LocalAccount, definition: dict[str, Any], role_arn: str, limit: float = 3600
) -> dict[str, Any]:
    states = account.client("stepfunctions")
    machine = states.create_state_machine(name="m", definition=json.dumps(definition), roleArn=role_arn)
    arn = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    account.clock.run(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", limit)
    answer: dict[str, Any] = states.describe_execution(executionArn=arn)
    return answer


def task(arn: str, **more: Any) -> dict[str, Any]:
    return {"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": arn, "End": True, **more}}}


WHO = """
    import boto3, os
    sts = boto3.client("sts")
    def handler(event, context):
        print("hello")
        return {"arn": sts.get_caller_identity()["Arn"], "name": context.function_name, "event": event}
"""


def test_a_handler_runs_with_the_credentials_of_its_role(account: LocalAccount) -> None:
    function(account, "who", WHO)
    result, error = invoke(account, "who", {"a": 1})
    assert error is None
    assert result == {
        "arn": "arn:aws:sts::123456789012:assumed-role/who-role/who",
        "name": "who",
        "event": {"a": 1},
    }
    assert account.calls[-2].function == "who"


def test_what_a_handler_prints_goes_to_its_log_group(
    account: LocalAccount, capsys: pytest.CaptureFixture[str]
) -> None:
    function(account, "who", WHO)
    invoke(account, "who")
    events = account.client("logs").filter_log_events(logGroupName="/aws/lambda/who")["events"]
    assert [event["message"] for event in events] == ["hello"]
    assert events[0]["timestamp"] == account.clock.now().timestamp() * 1000
    assert capsys.readouterr().out == ""


def streams(account: LocalAccount, group: str) -> list[str]:
    shown = account.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    return [stream["logStreamName"] for stream in shown]


def test_functions_may_share_a_log_group(account: LocalAccount) -> None:
    for name in ("first", "second"):
        function(account, name, WHO, logs={"LogFormat": "JSON", "LogGroup": "/aws/lambda/stack"})
        invoke(account, name)
    patterns = [rf"\d{{4}}/\d\d/\d\d/{name}\[\$LATEST\][0-9a-f]{{32}}" for name in ("first", "second")]
    for stream, pattern in zip(sorted(streams(account, "/aws/lambda/stack")), patterns, strict=True):
        assert re.fullmatch(pattern, stream)
    groups = account.client("logs").describe_log_groups()["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["/aws/lambda/stack"]


def test_an_environment_writes_to_one_stream_and_its_successor_to_another(account: LocalAccount) -> None:
    function(account, "who", WHO)
    invoke(account, "who")
    invoke(account, "who")
    (first,) = streams(account, "/aws/lambda/who")
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", first)
    account.client("lambda").update_function_configuration(
        FunctionName="who", Environment={"Variables": {"A": "b"}}
    )
    invoke(account, "who")
    assert len(streams(account, "/aws/lambda/who")) == 2


def test_a_handler_finds_its_log_group_and_stream_in_its_context(account: LocalAccount) -> None:
    code = """
        def handler(event, context):
            print("hello")
            return [context.log_group_name, context.log_stream_name]
    """
    function(account, "where", code, logs={"LogGroup": "/aws/lambda/stack"})
    (group, stream), _ = invoke(account, "where")
    assert (group, [stream]) == ("/aws/lambda/stack", streams(account, "/aws/lambda/stack"))


def test_the_log_group_is_changed_and_shown_with_the_configuration(account: LocalAccount) -> None:
    function(account, "who", WHO)
    client = account.client("lambda")
    client.update_function_configuration(FunctionName="who", LoggingConfig={"LogGroup": "/aws/lambda/stack"})
    invoke(account, "who")
    shown = client.get_function_configuration(FunctionName="who")["LoggingConfig"]
    assert shown == {"LogFormat": "Text", "LogGroup": "/aws/lambda/stack"}
    assert len(streams(account, "/aws/lambda/stack")) == 1


def test_an_exception_is_named_by_its_class(account: LocalAccount) -> None:
    arn = function(
        account,
        "fails",
        """
        class RolloutFailed(Exception):
            pass
        def handler(event, context):
            raise RolloutFailed("no")
        """,
    )
    result, error = invoke(account, "fails")
    assert error == "Unhandled"
    assert (result["errorType"], result["errorMessage"]) == ("RolloutFailed", "no")
    assert "main.py" in result["stackTrace"][-1]
    ended = run(account, task(arn), role(account, "machine", allow("lambda:InvokeFunction", arn)))
    assert (ended["status"], ended["error"]) == ("FAILED", "RolloutFailed")
    assert json.loads(ended["cause"])["errorMessage"] == "no"


@pytest.mark.parametrize("resource", ["arn:aws:states:::lambda:invoke", None])
def test_a_machine_without_permission_cannot_invoke(account: LocalAccount, resource: str | None) -> None:
    arn = function(account, "who", WHO)
    more = {"Parameters": {"FunctionName": arn}} if resource else {}
    ended = run(account, task(resource or arn, **more), role(account, "machine"))
    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.AWSLambdaException")
    assert "assumed-role/machine/" in ended["cause"]
    assert "not authorized to perform: lambda:InvokeFunction on resource: " + arn in ended["cause"]


def test_a_function_that_takes_too_long_is_ended_by_lambda_and_tried_again(account: LocalAccount) -> None:
    arn = function(account, "who", WHO)
    account.faults.slow("who", 600)
    retry = [{"ErrorEquals": ["Sandbox.Timedout"], "IntervalSeconds": 2, "MaxAttempts": 1}]
    began = account.clock.elapsed()
    ended = run(
        account, task(arn, TimeoutSeconds=60, Retry=retry), role(account, "machine", allow("lambda:*"))
    )
    assert ended["status"] == "SUCCEEDED"
    assert account.clock.elapsed() - began == 52


def test_a_state_times_out_before_the_function_does(account: LocalAccount) -> None:
    arn = function(account, "who", WHO)
    account.faults.slow("who", 40)
    ended = run(account, task(arn, TimeoutSeconds=30), role(account, "machine", allow("lambda:*")))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")


def test_a_crash_after_a_call_leaves_its_effect(account: LocalAccount) -> None:
    function(
        account,
        "writes",
        """
        import boto3
        ssm = boto3.client("ssm")
        def handler(event, context):
            try:
                ssm.put_parameter(Name="/x", Value="1", Type="String", Overwrite=True)
            except Exception:
                return "caught"
            return "ok"
        """,
        allow("ssm:PutParameter"),
    )
    account.faults.add(Effect.CRASH_AFTER, "ssm", "PutParameter", function="writes")
    result, error = invoke(account, "writes")
    assert (result["errorType"], error) == ("Runtime.ExitError", "Unhandled")
    assert account.client("ssm").get_parameter(Name="/x")["Parameter"]["Value"] == "1"
    assert invoke(account, "writes") == ("ok", None)


def test_pools_work_in_order_so_that_runs_repeat(account: LocalAccount) -> None:
    function(
        account,
        "pool",
        """
        from concurrent.futures import ThreadPoolExecutor
        order = []
        def handler(event, context):
            with ThreadPoolExecutor(8) as pool:
                futures = [pool.submit(order.append, number) for number in range(50)]
                list(pool.map(str, range(3)))
            return order
        """,
    )
    assert invoke(account, "pool") == (list(range(50)), None)


def test_a_lost_response_is_tried_again_by_the_sdk(account: LocalAccount) -> None:
    account.faults.add(Effect.RESPONSE_LOST, "ssm", "PutParameter")
    account.client("ssm").put_parameter(Name="/x", Value="1", Type="String", Overwrite=True)
    assert [call.operation for call in account.calls] == ["PutParameter", "PutParameter"]


def test_waits_pass_in_simulated_time_and_the_context_object_shows_it(account: LocalAccount) -> None:
    definition = {
        "StartAt": "Wait",
        "States": {
            "Wait": {"Type": "Wait", "Seconds": 3600, "Next": "Show"},
            "Show": {
                "Type": "Pass",
                "Parameters": {"at.$": "$$.State.EnteredTime", "began.$": "$$.Execution.StartTime"},
                "End": True,
            },
        },
    }
    ended = run(account, definition, role(account, "machine"), limit=7200)
    assert json.loads(ended["output"]) == {
        "at": "2026-03-02T10:00:00.000Z",
        "began": "2026-03-02T09:00:00.000Z",
    }
    assert (ended["stopDate"] - ended["startDate"]).total_seconds() == 3600
    history = account.client("stepfunctions").get_execution_history(executionArn=ended["executionArn"])
    assert (history["events"][-1]["timestamp"] - history["events"][0]["timestamp"]).total_seconds() == 3600


PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


def test_a_history_is_shown_latest_first_to_whoever_asks_for_it(account: LocalAccount) -> None:
    ended = run(account, PASS, role(account, "machine"))
    states = account.client("stepfunctions")
    ids = [
        [e["id"] for e in states.get_execution_history(executionArn=ended["executionArn"], **how)["events"]]
        for how in ({}, {"reverseOrder": False}, {"reverseOrder": True})
    ]
    assert ids[0] == ids[1] == sorted(ids[0]) == ids[2][::-1]


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"name": "n" * 81}, "ValidationException", "Member must have length less than or equal to 80"),
        ({"name": "a b"}, "InvalidName", "Invalid Name: 'a b'"),
        ({"input": json.dumps("x" * 262_143)}, "ValidationException", "less than or equal to 262144"),
        ({"input": json.dumps("é" * 140_000, ensure_ascii=False)}, "ValidationException", "262144"),
    ],
)
def test_a_name_and_an_input_have_their_limits(
    account: LocalAccount, given: dict[str, str], code: str, words: str
) -> None:
    states = account.client("stepfunctions")
    machine = states.create_state_machine(
        name="m", definition=json.dumps(PASS), roleArn=role(account, "machine")
    )
    with pytest.raises(ClientError, match=words) as refused:
        states.start_execution(stateMachineArn=machine["stateMachineArn"], **given)
    assert refused.value.response["Error"]["Code"] == code
    fits = {"name": "n" * 80, "input": json.dumps("x" * 262_142)}
    states.start_execution(stateMachineArn=machine["stateMachineArn"], **fits)


CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]


def test_stopping_an_execution_is_not_caught(account: LocalAccount) -> None:
    arn = function(account, "who", WHO)
    states = account.client("stepfunctions")
    account.faults.add(Effect.THROTTLE, "lambda", "Invoke", times=100)
    definition = task(arn, Catch=CATCH, Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600}])
    definition["States"]["Caught"] = {"Type": "Pass", "End": True}
    machine = states.create_state_machine(
        name="m", definition=json.dumps(definition), roleArn=role(account, "machine", allow("lambda:*"))
    )
    execution = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    account.clock.run_for(60)
    states.stop_execution(executionArn=execution)
    account.clock.run_for(1)
    assert states.describe_execution(executionArn=execution)["status"] == "ABORTED"
    types = [e["type"] for e in states.get_execution_history(executionArn=execution)["events"]]
    assert types[-1] == "ExecutionAborted"
    assert "PassStateEntered" not in types


def test_the_machine_s_own_time_limit_is_not_caught(account: LocalAccount) -> None:
    definition = {
        "TimeoutSeconds": 60,
        "StartAt": "W",
        "States": {"W": {"Type": "Wait", "Seconds": 90, "End": True}},
    }
    ended = run(account, definition, role(account, "machine"))
    assert ended["status"] == "TIMED_OUT"
    assert "error" not in ended
    assert (ended["stopDate"] - ended["startDate"]).total_seconds() == 60


def test_a_task_token_is_waited_for(account: LocalAccount) -> None:
    queue = account.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    definition = task(
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        Parameters={"QueueUrl": queue, "MessageBody.$": "$$.Task.Token"},
        TimeoutSeconds=600,
    )

    def approve() -> None:
        token = account.client("sqs").receive_message(QueueUrl=queue)["Messages"][0]["Body"]
        account.client("stepfunctions").send_task_success(taskToken=token, output='"yes"')

    account.clock.call_later(300, approve)
    ended = run(account, definition, role(account, "machine", allow("sqs:SendMessage")))
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", '"yes"')


@pytest.mark.parametrize(
    ("given", "caught"),
    [
        ({"error": "Declined", "cause": "not tonight"}, {"Error": "Declined", "Cause": "not tonight"}),
        ({}, {"Error": None, "Cause": None}),
    ],
)
def test_a_failure_that_is_sent_for_a_task_token_is_caught_with_its_cause(
    account: LocalAccount, given: dict[str, str], caught: dict[str, str | None]
) -> None:
    """Both are optional (API reference, SendTaskFailure)."""
    queue = account.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    definition = task(
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        Parameters={"QueueUrl": queue, "MessageBody.$": "$$.Task.Token"},
        TimeoutSeconds=600,
        Catch=[{"ErrorEquals": ["States.ALL"], "Next": "C"}],
    )
    definition["States"]["C"] = {"Type": "Pass", "End": True}

    def decline() -> None:
        token = account.client("sqs").receive_message(QueueUrl=queue)["Messages"][0]["Body"]
        account.client("stepfunctions").send_task_failure(taskToken=token, **given)

    account.clock.call_later(300, decline)
    ended = run(account, definition, role(account, "machine", allow("sqs:SendMessage")))
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", caught)


def test_branches_run_side_by_side(account: LocalAccount) -> None:
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "End": True}}}
    definition = {
        "StartAt": "P",
        "States": {"P": {"Type": "Parallel", "Branches": [wait, wait], "End": True}},
    }
    ended = run(account, definition, role(account, "machine"))
    assert ended["status"] == "SUCCEEDED"
    assert (ended["stopDate"] - ended["startDate"]).total_seconds() == 100


@pytest.mark.parametrize(
    ("rule", "ends"),
    [
        ({"Variable": "$.absent", "NumericGreaterThanEquals": 1}, ("FAILED", "States.Runtime")),
        ({"Variable": "$.absent.next", "StringEquals": "GO"}, ("FAILED", "States.Runtime")),
        ({"Variable": "$.absent", "IsPresent": True}, ("SUCCEEDED", None)),
    ],
    ids=["number", "word", "presence"],
)
def test_a_choice_may_compare_only_what_is_there(
    account: LocalAccount, rule: dict[str, Any], ends: tuple[str, str | None]
) -> None:
    decide = {"Type": "Choice", "Choices": [rule | {"Next": "Done"}], "Default": "Done"}
    definition = {"StartAt": "Decide", "States": {"Decide": decide, "Done": {"Type": "Succeed"}}}
    ended = run(account, definition, role(account, "machine"))
    assert (ended["status"], ended.get("error")) == ends


def test_nothing_is_left_behind() -> None:
    import os
    import sys

    from moto.core.responses import BaseResponse

    before = BaseResponse.call_action, dict(os.environ), set(sys.path)
    for _ in range(2):
        with LocalAccount() as account:
            function(account, "who", WHO)
            assert invoke(account, "who")[1] is None
    assert (BaseResponse.call_action, dict(os.environ), set(sys.path)) == before
    assert "main" not in sys.modules


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:SourceAccount": "999999999999"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:lambda:us-east-1:123456789012:function:another-*"}},
    ],
)
def test_a_role_that_is_for_another_function_is_not_given_to_this_one(
    account: LocalAccount, condition: dict[str, Any]
) -> None:
    function(account, "ours", WHO)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    theirs = account.client("iam").create_role(
        RoleName="theirs",
        AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [trust | {"Condition": condition}]}
        ),
    )["Role"]["Arn"]
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        account.client("lambda").update_function_configuration(FunctionName="ours", Role=theirs)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:SourceAccount": "999999999999"}},
        {"ArnEquals": {"aws:SourceArn": "arn:aws:states:us-east-1:123456789012:stateMachine:another"}},
    ],
)
def test_a_role_that_is_for_another_state_machine_invokes_nothing(
    account: LocalAccount, condition: dict[str, Any]
) -> None:
    arn = function(account, "who", WHO)
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = account.client("iam")
    machine = role(account, "machine", allow("lambda:*"))
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust | {"Condition": condition}]})
    iam.update_assume_role_policy(RoleName="machine", PolicyDocument=document)
    ended = run(account, task(arn), machine)
    assert ended["error"] == "Lambda.AWSLambdaException"
    assert "states.amazonaws.com may not assume" in ended["cause"]
