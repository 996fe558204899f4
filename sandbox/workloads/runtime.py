"""What a workload needs from its surroundings, and those surroundings for a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Protocol

import boto3
from botocore.config import Config


class Stopped(BaseException):
    """The container was told to stop. No `except Exception` in a workload may swallow it."""


class Runtime(Protocol):
    @property
    def environment(self) -> Mapping[str, str]: ...
    def client(self, service: str) -> Any: ...
    def log(self, line: str) -> None: ...
    def now(self) -> datetime: ...
    def sleep(self, seconds: float) -> None: ...


class ProcessRuntime:
    """Real credentials and endpoint from the environment; waits are divided by PACE."""

    def __init__(self) -> None:
        self.environment = os.environ
        self._pace = float(os.environ.get("PACE", "1"))
        self._session = boto3.Session()

    def client(self, service: str) -> Any:
        options = {"s3": {"addressing_style": "path"}} if service == "s3" else {}
        return self._session.client(service, config=Config(retries={"total_max_attempts": 1}, **options))

    def log(self, line: str) -> None:
        print(line, flush=True)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self._pace)


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
    sys.stdin.buffer.read()
    os._exit(137)
