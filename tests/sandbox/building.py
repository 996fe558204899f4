"""A build project with a service role and a source of its own, for the stories about CodeBuild."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.account import LocalAccount
from sandbox.aws.codebuild.install import image

needs_aws = pytest.mark.skipif(
    shutil.which("aws", path=image(os.environ)["PATH"]) is None,
    reason="there is no AWS CLI: make .venv-aws/.made installs one",
)
ROLE, PROJECT, BUCKET = "builder", "handover", "sources"
TRUST = {"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole"}
LOGS = {
    "Effect": "Allow",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "*",
}
SOURCE = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": "*"}


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def zipped(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def spec(*commands: str, **phases: Any) -> str:
    """A buildspec: commands of the build phase, or phases by name."""
    build = {"build": {"commands": list(commands)}} if commands else {}
    return json.dumps({"version": 0.2, "phases": build | phases}, indent=1)


class Yard:
    """`account` with a bucket for sources and the role of a project."""

    def __init__(self, account: LocalAccount) -> None:
        self.account = account
        self.client("s3").create_bucket(Bucket=BUCKET)
        versioned = {"Status": "Enabled"}
        self.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versioned)
        iam = self.client("iam")
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=document(TRUST))
        self.role_arn = f"arn:aws:iam::{account.account_id}:role/{ROLE}"
        self.may(LOGS, SOURCE)

    def client(self, service: str) -> Any:
        return self.account.client(service)

    def may(self, *statements: Mapping[str, Any]) -> None:
        iam = self.client("iam")
        iam.put_role_policy(RoleName=ROLE, PolicyName="it", PolicyDocument=document(*statements))

    def upload(self, files: Mapping[str, str]) -> str:
        """A version of the source; its id."""
        s3 = self.client("s3")
        return str(s3.put_object(Bucket=BUCKET, Key="source.zip", Body=zipped(files))["VersionId"])

    def project(self, buildspec: str | None = None, **more: Any) -> None:
        source: dict[str, Any] = {"type": "NO_SOURCE"} | ({"buildspec": buildspec} if buildspec else {})
        image = {"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"}
        given = {"source": source, "artifacts": {"type": "NO_ARTIFACTS"}, "environment": image} | more
        self.client("codebuild").create_project(name=PROJECT, serviceRole=self.role_arn, **given)

    def start(self, buildspec: str | None = None, **more: Any) -> str:
        override = {"buildspecOverride": buildspec} if buildspec else {}
        started = self.client("codebuild").start_build(projectName=PROJECT, **override, **more)
        return str(started["build"]["id"])

    def build(self, identity: str) -> dict[str, Any]:
        [found] = self.client("codebuild").batch_get_builds(ids=[identity])["builds"]
        return dict(found)

    def until(self, holds: Any, limit: float = 36_000) -> bool:
        return self.account.clock.run(until=holds, limit=limit)

    def ended(self, identity: str) -> dict[str, Any]:
        """The build, when it has ended."""
        assert self.until(lambda: self.build(identity)["buildComplete"])
        return self.build(identity)

    def run(self, buildspec: str | None = None, **more: Any) -> dict[str, Any]:
        return self.ended(self.start(buildspec, **more))

    def log(self, build: Mapping[str, Any]) -> list[str]:
        """The lines that its commands wrote."""
        place = {"logGroupName": build["logs"]["groupName"], "logStreamName": build["logs"]["streamName"]}
        events = self.client("logs").get_log_events(**place, startFromHead=True)["events"]
        return [each["message"] for each in events if not each["message"].startswith("[Container]")]


def phases(build: Mapping[str, Any]) -> dict[str, str]:
    """Status of each phase that has ended."""
    return {each["phaseType"]: each["phaseStatus"] for each in build["phases"] if "phaseStatus" in each}


def reason(build: Mapping[str, Any], phase: str) -> str:
    [found] = [each for each in build["phases"] if each["phaseType"] == phase]
    return f"{found['contexts'][0]['statusCode']}: {found['contexts'][0]['message']}"
