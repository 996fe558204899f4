"""The builds of the CodeBuild project that runs Terraform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.clock import iso
from regrant.errors import AwsRefused
from regrant.model.handover import Action, BuildState

# Of the newest builds, those that are looked at for one that nobody has recorded.
_NEWEST = 25


class CodeBuildBuilds:
    """Implements regrant.handover.ports.Builds. Each method raises AwsUnavailable, AwsRefused."""

    def __init__(self, codebuild: Any, project: str, work: str) -> None:
        self._codebuild = codebuild
        self._project = project
        self._work = work

    def start(self, run: str, action: Action, source: str, once: str, job: Mapping[str, str]) -> str:
        """StartBuild. Its idempotencyToken holds for five minutes (API reference)."""
        variables = {
            "HANDOVER_RUN": run,
            "HANDOVER_ACTION": action,
            "HANDOVER_ONCE": once,
            "HANDOVER_WORK": f"s3://{self._work}/{run}",
            **job,
        }
        with aws_errors():
            answer = self._codebuild.start_build(
                projectName=self._project,
                sourceVersion=source,
                idempotencyToken=once,
                environmentVariablesOverride=[
                    {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
                ],
            )
        return str(answer["build"]["id"])

    def find(self, run: str, action: Action, once: str) -> BuildState | None:
        """ListBuildsForProject, the newest first, and BatchGetBuilds: the one with those variables."""
        with aws_errors():
            listed = self._codebuild.list_builds_for_project(
                projectName=self._project, sortOrder="DESCENDING"
            )
        wanted = {("HANDOVER_RUN", run), ("HANDOVER_ACTION", action), ("HANDOVER_ONCE", once)}
        for build in self._get(listed.get("ids", [])[:_NEWEST]):
            variables = build.get("environment", {}).get("environmentVariables", ())
            if wanted <= {(each.get("name"), each.get("value")) for each in variables}:
                return _state(build)
        return None

    def look(self, build: str) -> BuildState | None:
        """BatchGetBuilds; None if CodeBuild does not know it (any more: it keeps builds for a year)."""
        found = self._get([build])
        return _state(found[0]) if found else None

    def _get(self, ids: list[str]) -> list[dict[str, Any]]:
        if not ids:
            return []
        with aws_errors():
            builds: list[dict[str, Any]] = self._codebuild.batch_get_builds(ids=ids)["builds"]
        return builds

    def stop(self, build: str) -> None:
        """StopBuild. Whether one that has ended may be stopped is not documented."""
        try:
            with aws_errors():
                self._codebuild.stop_build(id=build)
        except AwsRefused:
            found = self.look(build)
            if found is not None and found.goes_on:
                raise


def _state(build: dict[str, Any]) -> BuildState:
    return BuildState(
        build["id"], build["buildStatus"], _moment(build.get("startTime")), _moment(build.get("endTime"))
    )


def _moment(at: datetime | None) -> str:
    if at is None:
        return ""
    return iso(at)
