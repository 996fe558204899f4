"""The builds of one account: what is refused, what is kept of a start, and how a build lives.

Stands for: the API actions StartBuild, BatchGetBuilds and StopBuild (API reference), concurrent builds (User
Guide, "Quotas for AWS CodeBuild"), environment variables in build environments, and the service role.

A build is queued and provisioned in simulated time; its commands run in real time, and simulated time goes on
at a pace while they do. Its log is written in the service role: a role that may not is a failed build.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from moto.codebuild.models import codebuild_backends

from sandbox.aws.codebuild import log, projects, record
from sandbox.aws.codebuild.agent import Agent
from sandbox.aws.codebuild.events import Emit, Reporter
from sandbox.aws.codebuild.record import Record
from sandbox.engine.clock import ClockClosed, Signal
from sandbox.engine.core import Core
from sandbox.engine.errors import AwsError
from sandbox.iam.requests import ACCOUNT, REGION, arn

QUEUED, PROVISIONING = 1.0, 10.0
"""Simulated seconds; about as long as a small Linux build takes at AWS."""
PACE = 10.0
"""Simulated seconds a real one, while a build runs in an account whose time would jump."""
AT_ONCE = 60
"""Builds at the same time in one account (Quotas: 60 for small Linux machines; a new account has fewer)."""
_START = {
    *("projectName", "sourceVersion", "environmentVariablesOverride", "buildspecOverride"),
    *("timeoutInMinutesOverride", "sourceTypeOverride", "sourceLocationOverride", "idempotencyToken"),
}
_TOKEN_SECONDS = 300


class Builds:
    """image: the environment that the build image brings, its PATH above all.

    stop_shows_at_once: a build that is stopped is shown STOPPED there and then, while its processes still
    end, as in the AWS CLI's example of stop-build; otherwise when they have ended.
    """

    def __init__(self, core: Core, emit: Emit, image: Mapping[str, str]) -> None:
        self._core = core
        self._report = Reporter(core.clock, emit)
        self._ids = random.Random(f"codebuild {core.seed}")
        self._records: dict[str, Record] = {}
        self._agents: dict[str, Agent] = {}
        self._done: dict[str, Signal] = {}
        self._tokens: dict[str, tuple[float, Mapping[str, Any], str]] = {}
        self.image = dict(image)
        self.stop_shows_at_once = True

    def start(self, p: Mapping[str, Any], initiator: str) -> dict[str, Any]:
        name, backend = p["projectName"], codebuild_backends[ACCOUNT][REGION]
        if unknown := sorted(p.keys() - _START):
            raise projects.invalid(f"The local account's builds have no {', '.join(unknown)}")
        if name not in backend.codebuild_projects:
            message = f"Project cannot be found: {projects.project_arn(name)}"
            raise AwsError("ResourceNotFoundException", 400, message)
        if (again := self._same_token(p)) is not None:
            return again
        project: dict[str, Any] = backend.codebuild_projects[name].project_metadata
        projects.may_assume(project["serviceRole"], name)
        minutes = p.get("timeoutInMinutesOverride", project["timeoutInMinutes"])
        projects.in_bounds(minutes)
        self._within_limits(project)
        if self._core.endpoint_url is None:
            raise projects.invalid("A build is a process: open the local account with http_port=0")
        identity = f"{name}:{uuid.UUID(int=self._ids.getrandbits(128), version=4)}"
        shown = self._shown(identity, project, p, minutes, initiator)
        build = Record(shown, self._core.clock.now(), self._core.clock.now, self._report.changed)
        build.begin("SUBMITTED")
        self._records[identity] = build
        self._done[identity] = Signal()
        backend.build_history[name].append(identity)
        if token := p.get("idempotencyToken"):
            self._tokens[token] = (self._core.clock.elapsed(), dict(p), identity)
        self._report.state(build)
        build.end()
        build.begin("QUEUED")
        self._core.clock.spawn(partial(self._live, build), name=f"build {identity}")
        return build.answer()

    def _shown(
        self, identity: str, project: Mapping[str, Any], p: Mapping[str, Any], minutes: int, initiator: str
    ) -> dict[str, Any]:
        name = project["name"]
        source = dict(project["source"])
        for override, member in (("Type", "type"), ("Location", "location")):
            if (given := p.get(f"source{override}Override")) is not None:
                source[member] = given
        if (spec := p.get("buildspecOverride")) is not None:
            source["buildspec"] = spec
        version = p.get("sourceVersion") or project.get("sourceVersion")
        variables = {each["name"]: each for each in project["environment"]["environmentVariables"]}
        variables |= {each["name"]: each for each in p.get("environmentVariablesOverride", [])}
        for each in variables.values():
            if each.get("type", "PLAINTEXT") != "PLAINTEXT":
                raise projects.invalid(f"The local account's builds have no variables of type {each['type']}")
        listed = [{"type": "PLAINTEXT", **each} for each in variables.values()]
        group, stream = log.place(project, identity)
        logs = {"groupName": group, "streamName": stream, "cloudWatchLogs": {"status": "ENABLED"}}
        number = len(codebuild_backends[ACCOUNT][REGION].build_history[name]) + 1
        return {
            "id": identity,
            "arn": arn("codebuild", f"build/{identity}"),
            "buildNumber": number,
            "projectName": name,
            "source": source,
            **({"sourceVersion": version} if version else {}),
            "artifacts": {"location": ""},
            "cache": project["cache"],
            "environment": {**project["environment"], "environmentVariables": listed},
            "serviceRole": project["serviceRole"],
            "logs": logs if group else {"cloudWatchLogs": {"status": "DISABLED"}},
            "timeoutInMinutes": minutes,
            "queuedTimeoutInMinutes": project["queuedTimeoutInMinutes"],
            "initiator": initiator,
            "encryptionKey": project["encryptionKey"],
        }

    def _same_token(self, p: Mapping[str, Any]) -> dict[str, Any] | None:
        """A token is valid for 5 minutes; with other parameters it is an error (StartBuild)."""
        began, given, identity = self._tokens.get(p.get("idempotencyToken", ""), (0.0, {}, ""))
        if not identity or self._core.clock.elapsed() - began > _TOKEN_SECONDS:
            return None
        if given != dict(p):
            raise projects.invalid("The idempotency token was used with other parameters")
        return self._records[identity].answer()

    def _within_limits(self, project: Mapping[str, Any]) -> None:
        active = [build for build in self._records.values() if not build.over()]
        mine = [build for build in active if build.shown["projectName"] == project["name"]]
        most = project.get("concurrentBuildLimit")
        if len(active) >= AT_ONCE:
            text = f"Cannot have more than {AT_ONCE} builds in queue for the account"
        elif most is not None and len(mine) >= most:
            text = f"Cannot have more than {most} active builds for the project"
        else:
            return
        raise AwsError("AccountLimitExceededException", 400, text)

    def get(self, ids: list[str]) -> dict[str, Any]:
        if wrong := [each for each in ids if ":" not in each]:
            raise projects.invalid(f"Invalid build ID provided: {', '.join(wrong)}")
        known = [each for each in ids if each.rpartition("build/")[2] in self._records]
        found = [self._records[each.rpartition("build/")[2]].answer() for each in known]
        return {"builds": found, "buildsNotFound": [each for each in ids if each not in known]}

    def stop(self, identity: str) -> dict[str, Any]:
        """A build that has ended stays as it is."""
        if ":" not in identity:
            raise projects.invalid("Invalid build ID provided")
        name = identity.rpartition("build/")[2]
        if name not in self._records:
            raise AwsError("ResourceNotFoundException", 400, f"Build {name} does not exist")
        self._end(name, record.STOPPED)
        return self._records[name].answer()

    def crash(self, identity: str) -> None:
        """The machine under the build is gone, without a signal that anybody hears. For tests."""
        agent = self._agents.get(identity)
        assert agent is not None, f"{identity} does not run"
        agent.kill()

    def kill_all(self) -> None:
        """The account ends: nothing that a build started survives it."""
        for agent in self._agents.values():
            agent.kill()
        for thread in threading.enumerate():
            if thread.name in self._agents:
                thread.join()

    def _end(self, identity: str, status: str) -> None:
        build, agent = self._records[identity], self._agents.get(identity)
        if build.over():
            return
        if agent is not None:
            agent.end_as(status)
        if agent is None or self.stop_shows_at_once:
            build.end(status)
            build.finish(status)

    # How it lives

    def _live(self, build: Record) -> None:
        """In simulated time, until its commands have ended."""
        clock, identity, done = self._core.clock, build.shown["id"], self._done[build.shown["id"]]
        clock.sleep(QUEUED)
        if build.over():
            return
        build.end()
        build.begin("PROVISIONING")
        clock.sleep(PROVISIONING)
        if build.over():
            return
        session = f"AWSCodeBuild-{identity.rpartition(':')[2]}"
        role = build.shown["serviceRole"].rpartition("/")[2]

        def client(service: str) -> Any:
            return self._core.role_client(role, service, session)

        try:
            write = log.begin(client("logs"), build.shown["logs"], clock.now)
        except ClientError as error:
            text = (
                f"Service role {build.shown['serviceRole']} does not allow AWS CodeBuild to create Amazon"
                f" CloudWatch Logs log streams for build {build.arn}. Error message: "
                f"{error.response['Error']['Message']}"
            )
            build.end(record.FAILED, "ACCESS_DENIED", text)
            build.finish(record.FAILED)
            return
        build.end()
        variables = (self.image, _given(build), self._own(build, role, session))
        agent = self._agents[identity] = Agent(build, variables, client, write)

        def work() -> None:
            agent.run()
            clock.call_later(0, done.set)

        work_ended = clock.outside_work(PACE)
        try:
            threading.Thread(target=work, name=identity, daemon=True).start()
            if not clock.wait(done, build.shown["timeoutInMinutes"] * 60):
                agent.end_as(record.TIMED_OUT)
                clock.wait(done)
        except ClockClosed:
            agent.kill()
            raise
        finally:
            work_ended()

    def _own(self, build: Record, role: str, session: str) -> dict[str, str]:
        """User Guide, "Environment variables in build environments"."""
        source, shown = build.shown["source"], build.shown
        location = {"S3": f"s3://{source.get('location', '').removeprefix('arn:aws:s3:::')}"}
        return {
            **self._core.role_credentials(role, session),
            "AWS_ENDPOINT_URL": str(self._core.endpoint_url),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "CODEBUILD_BUILD_ARN": build.arn,
            "CODEBUILD_BUILD_ID": shown["id"],
            "CODEBUILD_BUILD_IMAGE": shown["environment"]["image"],
            "CODEBUILD_BUILD_NUMBER": str(shown["buildNumber"]),
            "CODEBUILD_INITIATOR": shown["initiator"],
            "CODEBUILD_KMS_KEY_ID": shown["encryptionKey"],
            "CODEBUILD_LOG_PATH": shown["id"].rpartition(":")[2],
            "CODEBUILD_SOURCE_REPO_URL": location.get(source["type"], source.get("location", "")),
            "CODEBUILD_SOURCE_VERSION": shown.get("sourceVersion", ""),
            "CODEBUILD_START_TIME": str(int(build.started_at.timestamp() * 1000)),
        }


def _given(build: Record) -> dict[str, str]:
    """The variables of project and start."""
    return {each["name"]: each["value"] for each in build.shown["environment"]["environmentVariables"]}
