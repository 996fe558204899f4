"""CodeBuild's operations in moto, which drops what a start overrides and ends a build that is looked at."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moto.codebuild.responses import CodeBuildResponse
from moto.core.responses import ActionResult

from sandbox.aws.codebuild import projects
from sandbox.aws.codebuild.builds import Builds
from sandbox.aws.codebuild.events import Emit
from sandbox.engine.core import Core
from sandbox.engine.gateway import Gateway

_CLI = Path(__file__).resolve().parents[3] / ".venv-aws" / "bin"
_FROM_THE_USER = ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "LANG", "TMPDIR")


def image(environment: Mapping[str, str]) -> dict[str, str]:
    """What builds find in their environment: this machine's programs, the AWS CLI among them, and where
    Terraform's providers come from."""
    kept = {name: environment[name] for name in _FROM_THE_USER if name in environment}
    return kept | {"PATH": f"{_CLI}{os.pathsep}{environment.get('PATH', os.defpath)}"}


def _given(response: CodeBuildResponse) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(response.body)
    return given


def install(core: Core, gateway: Gateway, emit: Emit) -> Builds:
    builds = Builds(core, emit, image(os.environ))
    response = CodeBuildResponse

    def create_project(self: CodeBuildResponse) -> ActionResult:
        return ActionResult({"project": projects.create(_given(self))})

    def start_build(self: CodeBuildResponse) -> ActionResult:
        who = gateway.principal(self.get_access_key()).arn
        initiator = who.partition("assumed-role/")[2] or who.rpartition("/")[2]
        return ActionResult({"build": builds.start(_given(self), initiator)})

    def batch_get_builds(self: CodeBuildResponse) -> ActionResult:
        return ActionResult(builds.get(_given(self)["ids"]))

    def stop_build(self: CodeBuildResponse) -> ActionResult:
        return ActionResult({"build": builds.stop(_given(self)["id"])})

    for function in (create_project, start_build, batch_get_builds, stop_build):
        core.patch(response, function.__name__, function)
    core.on_close(builds.kill_all)
    return builds
