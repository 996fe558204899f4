"""Builds of the local account: real processes with the service role's credentials, on the account's time."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.aws.codebuild.shell import Shell
from tests.sandbox.building import (
    BUCKET,
    LOGS,
    PROJECT,
    ROLE,
    SOURCE,
    TRUST,
    Yard,
    document,
    needs_aws,
    phases,
    reason,
    spec,
    zipped,
)

S3_SOURCE = {"type": "S3", "location": f"{BUCKET}/source.zip"}


@pytest.fixture
def yard() -> Iterator[Yard]:
    with LocalAccount(http_port=0) as account:
        yield Yard(account)


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# Phases and commands


def test_a_build_goes_through_its_phases(yard: Yard) -> None:
    order = {name: {"commands": [f"echo {name}"]} for name in ("post_build", "install", "build", "pre_build")}
    yard.project(spec(**order))
    build = yard.run()
    assert build["buildStatus"] == "SUCCEEDED" and build["currentPhase"] == "COMPLETED"
    assert [*phases(build)] == [
        *("SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD"),
        *("POST_BUILD", "UPLOAD_ARTIFACTS", "FINALIZING"),
    ]
    assert set(phases(build).values()) == {"SUCCEEDED"}
    assert yard.log(build) == ["install", "pre_build", "build", "post_build"]
    assert build["startTime"] < build["endTime"]


def test_all_commands_have_one_shell(yard: Yard) -> None:
    first = ["mkdir inner", "cd inner", "PLAIN='two words'", "export SHOWN=1", 'hello() { echo "hello $1"; }']
    then = {"commands": ["basename $PWD", 'echo "$PLAIN"', "printenv SHOWN", "hello you"]}
    yard.project(spec(install={"commands": first}, build=then))
    assert yard.log(yard.run()) == ["inner", "two words", "1", "hello you"]


@pytest.mark.parametrize("failing", ["install", "pre_build"])
def test_what_fails_early_ends_the_build(yard: Yard, failing: str) -> None:
    order: dict[str, Any] = {
        name: {"commands": [f"echo {name}"]} for name in ("install", "pre_build", "build")
    }
    order[failing]["commands"] = ["exit 3", "echo never"]
    yard.project(spec(**order))
    build = yard.run()
    assert build["buildStatus"] == phases(build)[failing.upper()] == "FAILED"
    assert {"BUILD", "POST_BUILD"}.isdisjoint(phases(build)) and "never" not in yard.log(build)
    assert reason(build, failing.upper()) == (
        "COMMAND_EXECUTION_ERROR: Error while executing command: exit 3. Reason: exit status 3"
    )


def test_after_a_failed_build_phase_post_build_runs_and_knows_it(yard: Yard) -> None:
    says = "echo succeeding $CODEBUILD_BUILD_SUCCEEDING"
    failing = {"commands": [says, "false", "echo never"], "finally": [says]}
    yard.project(spec(build=failing, post_build={"commands": [says]}))
    build = yard.run()
    assert build["buildStatus"] == "FAILED"
    assert (phases(build)["BUILD"], phases(build)["POST_BUILD"]) == ("FAILED", "SUCCEEDED")
    assert yard.log(build) == ["succeeding 1", "succeeding 0", "succeeding 0"]


def test_a_command_that_fails_in_finally_fails_the_phase(yard: Yard) -> None:
    yard.project(spec(build={"commands": ["true"], "finally": ["exit 4"]}))
    build = yard.run()
    assert build["buildStatus"] == "FAILED" and "exit status 4" in reason(build, "BUILD")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps({"version": 0.1, "phases": {"build": {"commands": ["true"]}}}, indent=1), "0.2 only"),
        (json.dumps({"version": 0.2, "phases": {}}, indent=1), "there is none"),
        (spec("true", batch={"commands": []}), "have no batch"),
        (spec(build={"commands": ["true"], "on-failure": "ABORT"}), "have no on-failure"),
        (spec(build={"commands": "true"}), "is not a list of commands"),
        ("version: 0.2\nphases: [", "parsing the buildspec"),
        ("other.yml", "YAML file does not exist"),
    ],
)
def test_a_buildspec_that_it_cannot_run_is_a_failed_build(yard: Yard, text: str, words: str) -> None:
    yard.project(text)
    build = yard.run()
    assert build["buildStatus"] == phases(build)["DOWNLOAD_SOURCE"] == "FAILED"
    assert reason(build, "DOWNLOAD_SOURCE").startswith("YAML_FILE_ERROR: ")
    assert words in reason(build, "DOWNLOAD_SOURCE")


# The environment


def test_a_build_knows_itself_and_what_it_was_given(yard: Yard) -> None:
    names = (
        "A",
        "B",
        "C",
        "CODEBUILD_BUILD_ID",
        "CODEBUILD_INITIATOR",
        "CODEBUILD_BUILD_NUMBER",
        "AWS_REGION",
    )
    text = json.dumps(
        {
            "version": 0.2,
            "env": {"shell": "bash", "variables": {"A": "spec", "B": "spec", "C": "spec"}},
            "phases": {"build": {"commands": [f"printenv {name}" for name in names]}},
        },
        indent=1,
    )
    own = [{"name": "B", "value": "project"}, {"name": "C", "value": "project"}]
    image = {"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"}
    yard.project(text, environment=image | {"environmentVariables": own})
    build = yard.run(environmentVariablesOverride=[{"name": "C", "value": "start", "type": "PLAINTEXT"}])
    expected = ["spec", "project", "start", build["id"], "administrator", "1", "us-east-1"]
    assert yard.log(build) == expected
    shown = {each["name"]: each["value"] for each in build["environment"]["environmentVariables"]}
    assert shown == {"B": "project", "C": "start"}


@needs_aws
def test_a_build_is_its_service_role_and_iam_is_asked(yard: Yard) -> None:
    who = "aws sts get-caller-identity --query Arn --output text"
    yard.project(spec(who, "aws sqs list-queues --endpoint-url $AWS_ENDPOINT_URL"))
    build = yard.run()
    assert build["buildStatus"] == "FAILED"
    session = f"AWSCodeBuild-{build['id'].rpartition(':')[2]}"
    assert yard.log(build)[0] == f"arn:aws:sts::123456789012:assumed-role/{ROLE}/{session}"
    assert "not authorized to perform: sqs:listqueues" in "\n".join(yard.log(build))


def test_nothing_of_the_developers_own_reaches_a_build(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    yard.project(spec("printenv GITHUB_TOKEN || echo none", "pwd -P", "echo ~"))
    none, folder, home = yard.log(yard.run())
    assert none == "none" and folder.endswith("/src") and home.endswith("/home")


# The source


def test_the_source_is_the_version_that_was_asked_for(yard: Yard) -> None:
    before = yard.upload({"buildspec.yml": spec("cat it"), "it": "before\n"})
    after = yard.upload({"buildspec.yml": spec("cat it"), "it": "after\n"})
    yard.project(source=S3_SOURCE)
    assert [yard.log(yard.run(sourceVersion=each)) for each in (before, after)] == [["before"], ["after"]]
    assert yard.log(yard.run()) == ["after"]


@pytest.mark.parametrize(
    ("statements", "version", "words"),
    [
        ([], False, "AccessDenied"),
        ([SOURCE | {"Action": "s3:GetObject"}], True, "AccessDenied"),
        ([SOURCE | {"Action": "s3:GetObjectVersion"}], False, "AccessDenied"),
        ([SOURCE], True, ""),
    ],
)
def test_the_source_is_read_in_the_service_role(
    yard: Yard, statements: list[Any], version: bool, words: str
) -> None:
    named = yard.upload({"buildspec.yml": spec("true")})
    yard.may(LOGS, *statements)
    yard.project(source=S3_SOURCE)
    build = yard.run(**({"sourceVersion": named} if version else {}))
    assert build["buildStatus"] == ("FAILED" if words else "SUCCEEDED")
    assert words in reason(build, "DOWNLOAD_SOURCE")


def test_a_role_that_may_not_write_its_log_fails_the_build(yard: Yard) -> None:
    yard.may(SOURCE)
    yard.project(spec("true"))
    build = yard.run()
    assert build["buildStatus"] == "FAILED"
    assert "does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams" in reason(
        build, "PROVISIONING"
    )


# Starting, stopping, ending


def test_simulated_time_goes_on_while_a_build_runs_and_does_not_jump(yard: Yard) -> None:
    clock = yard.account.clock
    yard.project(spec("sleep 1"))
    ticks: list[float] = []
    identity = yard.start()
    clock.every(1, lambda: ticks.append(time.monotonic()))
    build = yard.ended(identity)
    took = (build["endTime"] - build["startTime"]).total_seconds()
    assert 15 < took < 120 and len(ticks) > 5
    began = time.monotonic()
    clock.run_for(86_400)
    assert time.monotonic() - began < 20  # and afterwards it jumps again


ANSWER = """\
aws stepfunctions send-task-success --task-token "$TASK_TOKEN" --task-output '{"done": 1}'"""


@needs_aws
@pytest.mark.parametrize("pace", [None, 30])
def test_a_state_machine_waits_for_the_token_that_a_build_sends_back(pace: float | None) -> None:
    with LocalAccount(http_port=0, pace=pace) as account:
        yard = Yard(account)
        send = {"Effect": "Allow", "Action": "states:SendTaskSuccess", "Resource": "*"}
        yard.may(LOGS, send)
        yard.project(spec(ANSWER))
        execution = machine(yard)
        assert yard.until(lambda: status(yard, execution)["status"] != "RUNNING", 3600)
        assert json.loads(status(yard, execution)["output"]) == {"done": 1}
        asked = [call for call in account.calls if call.operation == "SendTaskSuccess"]
        assert [(call.principal.split("/")[1], call.allowed) for call in asked] == [(ROLE, True)]


@needs_aws
def test_a_build_that_may_not_send_the_token_back_leaves_the_machine_waiting(yard: Yard) -> None:
    yard.project(spec(ANSWER))
    execution = machine(yard)
    assert yard.until(lambda: status(yard, execution)["status"] != "RUNNING", 3600)
    assert status(yard, execution)["error"] == "States.Timeout"


STARTER = f"""
import boto3

def handler(event, context):
    token = {{"name": "TASK_TOKEN", "value": event["token"]}}
    boto3.client("codebuild").start_build(projectName="{PROJECT}", environmentVariablesOverride=[token])
"""


def machine(yard: Yard) -> str:
    """An execution whose only state has a function start a build, and waits for it for ten minutes."""
    iam = yard.client("iam")
    for name, action in (("lambda", "codebuild:StartBuild"), ("states", "lambda:InvokeFunction")):
        trusted = TRUST | {"Principal": {"Service": f"{name}.amazonaws.com"}}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trusted))
        may = document({"Effect": "Allow", "Action": action, "Resource": "*"})
        iam.put_role_policy(RoleName=name, PolicyName="it", PolicyDocument=may)
    yard.client("lambda").create_function(
        FunctionName="start",
        Runtime="python3.13",
        Handler="index.handler",
        Role="arn:aws:iam::123456789012:role/lambda",
        Code={"ZipFile": zipped({"index.py": STARTER})},
    )
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "start", "Payload": {"token.$": "$$.Task.Token"}},
        "TimeoutSeconds": 600,
        "End": True,
    }
    states = yard.client("stepfunctions")
    definition = json.dumps({"StartAt": "Build", "States": {"Build": state}})
    role = "arn:aws:iam::123456789012:role/states"
    made = states.create_state_machine(name="m", definition=definition, roleArn=role)
    return str(states.start_execution(stateMachineArn=made["stateMachineArn"], input="{}")["executionArn"])


def status(yard: Yard, execution: str) -> dict[str, Any]:
    return dict(yard.client("stepfunctions").describe_execution(executionArn=execution))


WAITS = "trap 'echo caught; exit 0' TERM; echo begun; while true; do sleep 0.1; done"


def begun(yard: Yard, identity: str) -> bool:
    build = yard.build(identity)
    return build["currentPhase"] == "BUILD" and "begun" in yard.log(build)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_stop_is_a_signal_that_the_build_hears(yard: Yard, at_once: bool) -> None:
    yard.account.builds.stop_shows_at_once = at_once
    yard.project(spec(build={"commands": [WAITS, "echo never"]}, post_build={"commands": ["echo never"]}))
    identity = yard.start()
    assert yard.until(lambda: begun(yard, identity))
    answer = yard.client("codebuild").stop_build(id=identity)["build"]
    assert answer["buildStatus"] == ("STOPPED" if at_once else "IN_PROGRESS")
    build = yard.ended(identity)
    assert build["buildStatus"] == phases(build)["BUILD"] == "STOPPED"
    assert yard.until(lambda: "caught" in yard.log(build), 60)
    yard.account.clock.run_for(60)
    assert "never" not in yard.log(build) and "POST_BUILD" not in phases(build)


def test_what_does_not_hear_the_signal_is_killed_with_all_that_it_started(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.aws.codebuild.shell.GRACE", 1.0)
    yard.account.builds.stop_shows_at_once = False
    hidden = "setsid bash -c 'while true; do echo alive; sleep 0.1; done'"
    yard.project(spec(f"trap '' TERM; {hidden} & echo begun; wait; sleep 60"))
    identity = yard.start()
    assert yard.until(lambda: begun(yard, identity))
    began = time.monotonic()
    yard.client("codebuild").stop_build(id=identity)
    build = yard.ended(identity)
    assert build["buildStatus"] == "STOPPED" and 0.9 < time.monotonic() - began < 15
    lines = len(yard.log(build))
    time.sleep(0.5)
    assert len(yard.log(build)) == lines


def test_a_build_that_takes_too_long_is_ended_like_a_stopped_one(yard: Yard) -> None:
    yard.project(spec(WAITS), timeoutInMinutes=5)
    yard.account.clock.pace = None
    identity = yard.start()
    assert yard.until(lambda: begun(yard, identity))
    yard.account.clock.pace = 600
    build = yard.ended(identity)
    assert build["buildStatus"] == phases(build)["BUILD"] == "TIMED_OUT"
    assert (build["endTime"] - build["startTime"]).total_seconds() >= 300


def test_a_build_whose_machine_is_gone_ends_as_a_fault(yard: Yard) -> None:
    yard.project(spec(WAITS))
    identity = yard.start()
    assert yard.until(lambda: begun(yard, identity))
    yard.account.builds.crash(identity)
    build = yard.ended(identity)
    assert build["buildStatus"] == "FAULT" and "caught" not in yard.log(build)


def test_a_build_that_is_queued_can_be_stopped_and_one_that_has_ended_stays_as_it_is(yard: Yard) -> None:
    codebuild = yard.client("codebuild")
    yard.project(spec("true"))
    identity = yard.start()
    stopped = codebuild.stop_build(id=identity)["build"]
    assert (stopped["buildStatus"], stopped["buildComplete"]) == ("STOPPED", True)
    yard.account.clock.run_for(60)
    assert yard.build(identity)["buildStatus"] == "STOPPED" and "BUILD" not in phases(yard.build(identity))
    done = yard.run()
    assert codebuild.stop_build(id=done["id"])["build"]["buildStatus"] == "SUCCEEDED"


def test_no_process_of_a_build_outlives_the_account() -> None:
    with LocalAccount(http_port=0) as account:
        yard = Yard(account)
        yard.project(spec(WAITS))
        identity = yard.start()
        assert yard.until(lambda: begun(yard, identity))
        agent = account.builds._agents[identity]
        assert agent._shell is not None and agent._shell._process is not None
        process = agent._shell._process
    assert process.poll() is not None


def test_the_end_of_a_build_leaves_alone_what_another_account_on_this_machine_builds() -> None:
    """Ids repeat from account to account."""
    environment = {"PATH": os.environ["PATH"], "CODEBUILD_BUILD_ID": "p:1"}
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = (Shell(Path(folder), Path(folder), environment, lines.append) for _ in range(2))
        other = threading.Thread(
            target=theirs.run, args=("echo begun; sleep 1; echo lived",), kwargs={"succeeding": True}
        )
        other.start()
        while "begun" not in lines:
            time.sleep(0.01)
        ours.close()
        other.join()
    assert lines == ["begun", "lived"]


# Refusals


def test_unknown_projects_and_builds_are_answered_as_codebuild_does(yard: Yard) -> None:
    codebuild = yard.client("codebuild")
    assert refused(codebuild.start_build, projectName="nobody") == (
        "ResourceNotFoundException",
        "Project cannot be found: arn:aws:codebuild:us-east-1:123456789012:project/nobody",
    )
    unknown = f"{PROJECT}:6c1c7a3e-0000-4000-8000-000000000000"
    assert codebuild.batch_get_builds(ids=[unknown]) | {"ResponseMetadata": None} == {
        "builds": [],
        "buildsNotFound": [unknown],
        "ResponseMetadata": None,
    }
    assert refused(codebuild.batch_get_builds, ids=["x"])[0] == "InvalidInputException"
    assert refused(codebuild.stop_build, id=unknown)[0] == "ResourceNotFoundException"
    assert refused(codebuild.stop_build, id="x")[0] == "InvalidInputException"


def test_what_a_start_may_not_ask_for_is_refused_by_name(yard: Yard) -> None:
    yard.project(spec("true"))
    start = yard.client("codebuild").start_build
    assert "imageOverride" in refused(start, projectName=PROJECT, imageOverride="x")[1]
    assert refused(start, projectName=PROJECT, timeoutInMinutesOverride=3000)[0] == "InvalidInputException"
    secret = [{"name": "A", "value": "/a", "type": "PARAMETER_STORE"}]
    assert "PARAMETER_STORE" in refused(start, projectName=PROJECT, environmentVariablesOverride=secret)[1]


def test_no_more_builds_at_the_same_time_than_the_project_allows(yard: Yard) -> None:
    yard.project(spec("true"), concurrentBuildLimit=1)
    first = yard.start()
    code, _ = refused(yard.client("codebuild").start_build, projectName=PROJECT)
    assert code == "AccountLimitExceededException"
    yard.ended(first)
    assert yard.run()["buildStatus"] == "SUCCEEDED"


def test_a_start_with_the_same_token_is_the_same_build_for_five_minutes(yard: Yard) -> None:
    yard.project(spec("true"))
    first = yard.start(idempotencyToken="once")
    assert yard.start(idempotencyToken="once") == first
    other = {"projectName": PROJECT, "sourceVersion": "v", "idempotencyToken": "once"}
    assert refused(yard.client("codebuild").start_build, **other)[0] == "InvalidInputException"
    yard.ended(first)
    yard.account.clock.run_for(301)
    assert yard.start(idempotencyToken="once") != first


def test_a_role_that_does_not_trust_codebuild_is_refused(yard: Yard) -> None:
    iam = yard.client("iam")
    other = document(TRUST | {"Principal": {"Service": "lambda.amazonaws.com"}})
    yard.project(spec("true"))
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=other)
    expected = (
        "InvalidInputException",
        f"CodeBuild is not authorized to perform: sts:AssumeRole on {yard.role_arn}",
    )
    assert refused(yard.client("codebuild").start_build, projectName=PROJECT) == expected
    given = {
        "name": "second",
        "serviceRole": yard.role_arn,
        "source": {"type": "NO_SOURCE", "buildspec": spec("true")},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
    }
    assert refused(yard.client("codebuild").create_project, **given) == expected


@pytest.mark.parametrize(
    ("call", "parameters", "action"),
    [
        ("start_build", {"projectName": PROJECT}, "codebuild:StartBuild"),
        ("batch_get_builds", {"ids": [f"{PROJECT}:1"]}, "codebuild:BatchGetBuilds"),
        ("stop_build", {"id": f"{PROJECT}:1"}, "codebuild:StopBuild"),
        ("batch_get_projects", {"names": [PROJECT]}, "codebuild:BatchGetProjects"),
    ],
)
def test_callers_are_asked_about_the_project(
    yard: Yard, call: str, parameters: dict[str, Any], action: str
) -> None:
    yard.project(spec("true"))
    caller = getattr(yard.account.role_client(ROLE, "codebuild", "s"), call)
    code, message = refused(caller, **parameters)
    assert code == "AccessDeniedException"
    assert f"{action} on resource: arn:aws:codebuild:us-east-1:123456789012:project/{PROJECT}" in message


def test_whoever_makes_a_project_must_be_allowed_to_pass_its_role(yard: Yard) -> None:
    yard.may({"Effect": "Allow", "Action": "codebuild:CreateProject", "Resource": "*"})
    given = {
        "name": PROJECT,
        "serviceRole": yard.role_arn,
        "source": {"type": "NO_SOURCE", "buildspec": spec("true")},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
    }
    call = yard.account.role_client(ROLE, "codebuild", "s").create_project
    assert f"iam:PassRole on resource: {yard.role_arn}" in refused(call, **given)[1]


def test_a_build_s_end_is_an_event(yard: Yard) -> None:
    sqs, events = yard.client("sqs"), yard.client("events")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:heard"
    events.put_rule(Name="builds", EventPattern=json.dumps({"source": ["aws.codebuild"]}))
    policy = document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_targets(Rule="builds", Targets=[{"Id": "1", "Arn": arn}])
    yard.project(spec("false"))
    build = yard.run()
    yard.account.clock.run_for(5)
    heard: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for each in messages:
            heard.append(json.loads(each["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    said = [(each["detail-type"].removeprefix("CodeBuild Build "), each["detail"]) for each in heard]
    states = [detail["build-status"] for kind, detail in said if kind == "State Change"]
    assert sorted(states) == ["FAILED", "IN_PROGRESS"]
    phase = [
        detail for kind, detail in said if kind == "Phase Change" and detail["completed-phase"] == "BUILD"
    ]
    assert [(each["completed-phase-status"], each["build-id"]) for each in phase] == [
        ("FAILED", build["arn"])
    ]
