"""A SAM template becomes resources of the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.aws.cloudformation.template import TemplateError
from sandbox.scenarios.play import TEMPLATE as STACK
from sandbox.scenarios.seeds import retainwise

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Names: {Type: CommaDelimitedList, AllowedPattern: "[a-z]+"}
  Prefix: {Type: String, Default: /app/}
  Extra: {Type: String, Default: ""}
Conditions:
  HasExtra: !Not [!Equals [!Ref Extra, ""]]
Globals:
  Function:
    CodeUri: code/
    Runtime: python3.13
    Environment:
      Variables:
        NAMES: !Join [",", !Ref Names]
Resources:
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub ${AWS::StackName}-machine
      DefinitionUri: machine.yaml
      DefinitionSubstitutions:
        ReadArn: !GetAtt Read.Arn
      Policies:
        - LambdaInvokePolicy:
            FunctionName: !Ref Read
  Read:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub ${AWS::StackName}-read
      Handler: reader.handler
      Policies:
        - Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Action: ssm:GetParameter
              Resource: !Sub arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${Prefix}*
  Parameter:
    Type: AWS::SSM::Parameter
    Properties: {Name: !Sub "${Prefix}a", Type: String, Value: !Select [1, !Ref Names]}
  Spare:
    Type: AWS::SNS::Topic
    Condition: HasExtra
Outputs:
  MachineArn: {Value: !Ref Machine}
  Mode: {Value: !If [HasExtra, more, less]}
  SpareArn: {Condition: HasExtra, Value: !Ref Spare}
"""
READER = """
import boto3, os
ssm = boto3.client("ssm")
def handler(event, context):
    return [os.environ["NAMES"], ssm.get_parameter(Name=event["name"])["Parameter"]["Value"]]
"""
MACHINE = """
StartAt: Read
States:
  Read: {Type: Task, Resource: "${ReadArn}", End: true}
"""


@pytest.fixture
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        yield account


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "reader.py").write_text(READER)
    (tmp_path / "machine.yaml").write_text(MACHINE)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path / "template.yaml"


def run(account: LocalAccount, machine: str, name: str) -> dict[str, str]:
    states = account.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine, input=json.dumps({"name": name}))["executionArn"]
    account.clock.run(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING")
    ended: dict[str, str] = states.describe_execution(executionArn=arn)
    return ended


def test_the_stack_works_under_its_own_permissions(account: LocalAccount, template: Path) -> None:
    outputs = account.deploy(template, {"Names": "one, two"}, stack="s")
    assert outputs == {
        "MachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:s-machine",
        "Mode": "less",
    }
    assert json.loads(run(account, outputs["MachineArn"], "/app/a")["output"]) == ["one,two", "two"]
    refused = run(account, outputs["MachineArn"], "/other/a")
    assert (refused["status"], refused["error"]) == ("FAILED", "AccessDeniedException")
    assert "not authorized to perform: ssm:GetParameter" in refused["cause"]


def test_conditions_decide_what_is_created(account: LocalAccount, template: Path) -> None:
    outputs = account.deploy(template, {"Names": "a,b", "Extra": "x"}, stack="s")
    assert outputs["Mode"] == "more"
    topics = account.client("sns").list_topics()["Topics"]
    assert [topic["TopicArn"] for topic in topics] == [outputs["SpareArn"]]


def test_nothing_else_is_created(account: LocalAccount, template: Path) -> None:
    account.deploy(template, {"Names": "a,b"}, stack="s")
    roles = account.client("iam").list_roles()["Roles"]
    assert len(roles) == 2
    assert account.client("sns").list_topics()["Topics"] == []
    with pytest.raises(ClientError):
        account.client("logs").filter_log_events(logGroupName="/aws/lambda/s-read")


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "Parameter Names has no value"),
        ({"Names": "a,B"}, "Parameter Names does not allow 'B'"),
        ({"Names": "a", "Other": "x"}, "Parameters that the template does not have: Other"),
    ],
)
def test_parameters_are_checked(
    account: LocalAccount, template: Path, parameters: dict[str, str], text: str
) -> None:
    with pytest.raises(TemplateError, match=text):
        account.deploy(template, parameters)


def test_an_unknown_type_is_named(account: LocalAccount, tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text("Resources: {Thing: {Type: AWS::Kinesis::Stream}}")
    with pytest.raises(TemplateError, match="Thing: the local account has no AWS::Kinesis::Stream"):
        account.deploy(path, {})


def test_the_stack_reserves_concurrency_for_an_undo_where_asked_to(account: LocalAccount) -> None:
    account.deploy(STACK, retainwise.PARAMETERS | {"UndoConcurrency": "3"})
    functions: Any = account.client("lambda")
    reserved = {
        name: functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        for name in ("regrant-undo-role", "regrant-page-operator", "regrant-diagnose")
    }
    assert reserved == {"regrant-undo-role": 3, "regrant-page-operator": 3, "regrant-diagnose": None}
