"""What a workload needs from its surroundings, and those surroundings for a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Protocol

import botocore.session
from botocore.config import Config


class Stopped(BaseException):
    """The container has to stop. No `except Exception` in a workload may swallow it."""


class Runtime(Protocol):
    @property
    def name(self) -> str:
        """The task's id."""

    @property
    def environment(self) -> Mapping[str, str]: ...
    def client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        """With the task role's credentials, or with those that STS gave out (its shape Credentials)."""

    def log(self, line: str) -> None: ...
    def sleep(self, seconds: float) -> None: ...
    def rest(self, seconds: float) -> None:
        """Sleep between two turns of work: longer, where time passes with nobody looking."""


def started(runtime: Runtime, name: str) -> int | None:
    """The first line of every workload. An exit code, where the environment orders a failure for tests."""
    runtime.log(f"{name} started")
    if runtime.environment.get("EXIT_AT_START") == "1":
        runtime.log(f"CRITICAL {name} cannot start")
        return 1
    while runtime.environment.get("HANG") == "1":
        runtime.sleep(60)
    return None


class ProcessRuntime:
    """Credentials and endpoint from the environment; a wait takes its seconds divided by PACE."""

    def __init__(self) -> None:
        self.environment = os.environ
        self._pace = float(os.environ.get("PACE", "1"))
        self.name = os.environ.get("TASK_ID", "local")
        self._session = botocore.session.Session()

    def client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        config = Config(s3={"addressing_style": "path"})  # loopback has no bucket hosts
        given = credentials or {}
        return self._session.create_client(
            service,
            config=config,
            aws_access_key_id=given.get("AccessKeyId"),
            aws_secret_access_key=given.get("SecretAccessKey"),
            aws_session_token=given.get("SessionToken"),
        )

    def log(self, line: str) -> None:
        print(line, flush=True)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self._pace)

    def rest(self, seconds: float) -> None:
        # A clock that runs ahead leaves a process behind.
        self.sleep(seconds)


def run_as_process(run: Callable[[Runtime], int]) -> None:
    """The main function of a workload: SIGTERM ends it, and so does the end of whoever started it."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("IGNORE_SIGTERM") == "1" else stop)
    if os.environ.get("SUPERVISED") == "1":
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sys.exit(run(ProcessRuntime()))
    except Stopped:
        sys.exit(143)


def _end_with_parent() -> None:
    # Not through sys.stdin: its lock, held here, would abort an orderly exit.
    while os.read(0, 1024):
        pass
    os._exit(137)
