"""One build, from its source to its end.

Phases: after a failed install or pre_build nothing runs any more; post_build and UPLOAD_ARTIFACTS run also if
build failed (User Guide, "Build phase transitions"), and CODEBUILD_BUILD_SUCCEEDING says which it is.
`finally` runs after a failed command of its phase. Messages of a phase are those that builds show at AWS. The
source is a zip file in S3, read in the service role, whose version is the build's source version.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.aws.codebuild import record
from sandbox.aws.codebuild.buildspec import Buildspec, BuildspecError, parse
from sandbox.aws.codebuild.record import Record
from sandbox.aws.codebuild.shell import Shell


class _Failed(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Agent:
    """variables: what the image has, what project and start say, and CodeBuild's own, which count most. The
    buildspec's count least after the image's. client: a service's, in the service role."""

    def __init__(
        self,
        build: Record,
        variables: tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]],
        client: Callable[[str], Any],
        log: Callable[[str], None],
    ) -> None:
        self.build = build
        self._variables = variables
        self._client = client
        self._log = log
        self._folder = Path(tempfile.mkdtemp(prefix="codebuild-"))
        self._shell: Shell | None = None
        self._ending: str | None = None

    def end_as(self, status: str) -> None:
        """Stop what runs; the build ends with this status."""
        self._ending = self._ending or status
        if self._shell is not None:
            self._shell.terminate()

    def kill(self) -> None:
        """As a container that is gone."""
        self._ending = self._ending or record.FAULT
        if self._shell is not None:
            self._shell.kill()

    def run(self) -> None:
        """All of it, in a thread of its own."""
        try:
            status = self._phases()
        except Exception as error:  # CodeBuild's own fault, as far as the build can see
            status = record.FAULT
            self._log(f"{type(error).__name__}: {error}")
            if "phaseStatus" not in self.build.phases[-1]:
                self.build.end(record.FAULT, "INTERNAL_SERVICE_ERROR", str(error))
        finally:
            if self._shell is not None:
                self._shell.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        self.build.begin("FINALIZING")
        self.build.end()
        self.build.finish(self._ending or status)

    def _phases(self) -> str:
        spec = self._download()
        if spec is None:
            return record.FAILED
        succeeding = True
        for name in ("install", "pre_build", "build", "post_build"):
            self.build.begin(name.upper())
            succeeding = self._phase(spec, name, succeeding=succeeding) and succeeding
            if self._ending or (not succeeding and name in ("install", "pre_build")):
                return record.FAILED
        self.build.begin("UPLOAD_ARTIFACTS")
        self.build.end()
        return record.SUCCEEDED if succeeding else record.FAILED

    def _phase(self, spec: Buildspec, name: str, *, succeeding: bool) -> bool:
        phase = spec.phases.get(name)
        failed: _Failed | None = None
        self._log(f"[Container] Entering phase {name.upper()}")
        for block in (phase.commands, phase.lastly) if phase else ():
            for command in block:
                try:
                    self._command(command, succeeding=succeeding and not failed)
                except _Failed as failure:
                    failed = failed or failure
                    break
        if self._ending:
            self.build.end(self._ending, "COMMAND_EXECUTION_ERROR" if failed else "")
        elif failed:
            self.build.end(record.FAILED, failed.code, failed.message)
        else:
            self.build.end()
        self._log(f"[Container] Phase complete: {name.upper()} State: {self.build.phases[-1]['phaseStatus']}")
        return failed is None

    def _command(self, command: str, *, succeeding: bool) -> None:
        assert self._shell is not None
        self._log(f"[Container] Running command {command}")
        status = self._shell.run(command, succeeding=succeeding)
        if status:
            reason = f"exit status {status}" if status > 0 else f"signal {-status}"
            raise _Failed(
                "COMMAND_EXECUTION_ERROR", f"Error while executing command: {command}. Reason: {reason}"
            )

    # The source

    def _download(self) -> Buildspec | None:
        self.build.begin("DOWNLOAD_SOURCE")
        source = self._folder / "src"
        source.mkdir()
        home = self._folder / "home"
        home.mkdir()
        try:
            self._fetch(source)
            spec = self._buildspec(source)
        except _Failed as failure:
            self.build.end(record.FAILED, failure.code, failure.message)
            self._log(f"[Container] Phase context status code: {failure.code} Message: {failure.message}")
            return None
        image, given, own = self._variables
        ours = {"CODEBUILD_SRC_DIR": str(source), "HOME": str(home)}
        environment = {**image, **spec.variables, **given, **own, **ours}
        self._shell = Shell(self._folder, source, environment, self._log)
        if self._ending:
            self._shell.terminate()
        self.build.end()
        return spec

    def _fetch(self, folder: Path) -> None:
        source = self.build.shown["source"]
        if source["type"] == "NO_SOURCE":
            return
        if source["type"] != "S3":
            raise _Failed("CLIENT_ERROR", f"the local account has no source of type {source['type']}")
        bucket, _, key = source["location"].removeprefix("arn:aws:s3:::").partition("/")
        version = self.build.shown.get("sourceVersion")
        try:
            packed = (
                self._client("s3")
                .get_object(Bucket=bucket, Key=key, **({"VersionId": version} if version else {}))["Body"]
                .read()
            )
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                archive.extractall(folder)
        except ClientError as error:
            answer = error.response
            raise _Failed(
                "CLIENT_ERROR",
                f"{answer['Error']['Code']}: {answer['Error']['Message']}"
                f" status code: {answer['ResponseMetadata']['HTTPStatusCode']}"
                f" for primary source and source version {version}",
            ) from error
        except zipfile.BadZipFile as error:
            raise _Failed("CLIENT_ERROR", f"{source['location']} is no zip file") from error

    def _buildspec(self, folder: Path) -> Buildspec:
        text = self.build.shown["source"].get("buildspec") or "buildspec.yml"
        try:
            if "\n" in text:
                return parse(text)
            return parse((folder / text).read_text("utf-8"))
        except OSError as error:
            raise _Failed("YAML_FILE_ERROR", "YAML file does not exist") from error
        except BuildspecError as error:
            raise _Failed("YAML_FILE_ERROR", str(error)) from error
