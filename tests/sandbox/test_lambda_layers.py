"""A layer of a stack reaches a build of the same stack: by its ARN, over a link, with its checksum."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from tests.sandbox.building import needs_aws

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Parameters:
  Enable: {Type: String, Default: "yes"}
Conditions:
  Enabled: !Equals [!Ref Enable, "yes"]
Resources:
  Runner:
    Type: AWS::Serverless::LayerVersion
    Condition: Enabled
    Properties: {LayerName: runner, ContentUri: terraform/, CompatibleRuntimes: [python3.13]}
  Role:
    Type: AWS::IAM::Role
    Condition: Enabled
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Effect: Allow, Principal: {Service: codebuild.amazonaws.com}, Action: "sts:AssumeRole"}
      Policies:
        - PolicyName: it
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: "logs:*", Resource: "*"}
              - {Effect: Allow, Action: "lambda:GetLayerVersion", Resource: !Ref Runner}
  Build:
    Type: AWS::CodeBuild::Project
    Condition: Enabled
    Properties:
      Name: build
      ServiceRole: !GetAtt Role.Arn
      TimeoutInMinutes: "30"
      Artifacts: {Type: NO_ARTIFACTS}
      Environment:
        Type: LINUX_CONTAINER
        ComputeType: BUILD_GENERAL1_SMALL
        Image: aws/codebuild/standard:7.0
        EnvironmentVariables:
          - {Name: RUNNER_LAYER, Value: !Ref Runner}
      Source:
        Type: NO_SOURCE
        BuildSpec: |
          version: 0.2
          env:
            shell: bash
          phases:
            install:
              commands:
                - aws lambda get-layer-version-by-arn --arn "$RUNNER_LAYER" > layer.json
                - python3 -c "$FETCH"
            build:
              commands:
                - python3 -m runner
Outputs:
  Layer: {Condition: Enabled, Value: !Ref Runner}
  Project: {Condition: Enabled, Value: !GetAtt Build.Arn}
"""
FETCH = """
import base64, hashlib, io, json, urllib.request, zipfile
content = json.load(open("layer.json"))["Content"]
code = urllib.request.urlopen(content["Location"]).read()
assert base64.b64encode(hashlib.sha256(code).digest()).decode() == content["CodeSha256"]
zipfile.ZipFile(io.BytesIO(code)).extractall(".")
"""


@pytest.fixture
def account(tmp_path: Path) -> Iterator[LocalAccount]:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    package = tmp_path / "terraform" / "runner"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("print('runs')\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").touch()
    with LocalAccount(http_port=0) as account:
        yield account


def layer(account: LocalAccount, arn: str) -> dict[str, Any]:
    functions: Any = account.client("lambda")
    return dict(functions.get_layer_version_by_arn(Arn=arn))


def test_a_layer_of_a_stack_is_the_folder_that_its_template_names(
    account: LocalAccount, tmp_path: Path
) -> None:
    arn = account.deploy(tmp_path / "template.yaml", {})["Layer"]
    assert arn == "arn:aws:lambda:us-east-1:123456789012:layer:runner:1"
    content = layer(account, arn)["Content"]
    with urllib.request.urlopen(content["Location"]) as answer:
        code = answer.read()
    assert base64.b64encode(hashlib.sha256(code).digest()).decode() == content["CodeSha256"]
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        assert archive.namelist() == ["runner/__main__.py"]


def test_a_link_ends_after_ten_minutes_and_cannot_be_guessed(account: LocalAccount, tmp_path: Path) -> None:
    arn = account.deploy(tmp_path / "template.yaml", {})["Layer"]
    link = layer(account, arn)["Content"]["Location"]
    assert link != layer(account, arn)["Content"]["Location"]
    account.clock.run_for(601)
    for place in (link, link.rpartition("/")[0] + "/" + "A" * 32):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(place)


def test_a_layer_that_is_not_there_and_one_that_a_role_may_not_read(
    account: LocalAccount, tmp_path: Path
) -> None:
    arn = account.deploy(tmp_path / "template.yaml", {})["Layer"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        layer(account, arn.replace(":1", ":2"))
    account.client("iam").create_role(RoleName="nobody", AssumeRolePolicyDocument="{}")
    functions: Any = account.role_client("nobody", "lambda", "s")
    with pytest.raises(ClientError, match=f"lambda:GetLayerVersion on resource: {arn}"):
        functions.get_layer_version_by_arn(Arn=arn)


@needs_aws
def test_a_build_of_the_stack_runs_what_is_in_its_layer(account: LocalAccount, tmp_path: Path) -> None:
    outputs = account.deploy(tmp_path / "template.yaml", {})
    codebuild: Any = account.client("codebuild")
    [project] = codebuild.batch_get_projects(names=["build"])["projects"]
    assert project["arn"] == outputs["Project"] and project["timeoutInMinutes"] == 30
    started = codebuild.start_build(
        projectName="build", environmentVariablesOverride=[{"name": "FETCH", "value": FETCH}]
    )["build"]

    def build() -> dict[str, Any]:
        return dict(codebuild.batch_get_builds(ids=[started["id"]])["builds"][0])

    account.clock.run(until=lambda: build()["buildComplete"])
    logs: Any = account.client("logs")
    place = {"logGroupName": "/aws/codebuild/build", "logStreamName": started["id"].partition(":")[2]}
    lines = [each["message"] for each in logs.get_log_events(**place)["events"]]
    assert build()["buildStatus"] == "SUCCEEDED" and "runs" in lines, json.dumps(lines, indent=1)


def test_without_its_condition_the_stack_has_none_of_it(account: LocalAccount, tmp_path: Path) -> None:
    assert account.deploy(tmp_path / "template.yaml", {"Enable": "no"}) == {}
    codebuild: Any = account.client("codebuild")
    assert codebuild.list_projects()["projects"] == []
