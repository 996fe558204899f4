"""The terraform process: how it is started, stopped and waited for."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from regrant_terraform.errors import Refused
from regrant_terraform.running import failures
from regrant_terraform.running.environment import for_terraform

PATIENCE = 240.0
"""Seconds that Terraform gets between SIGINT and SIGKILL, to save its state and to release its lock."""


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


@dataclass
class Terraform:
    """Runs one command after the other in the HCL's directory."""

    directory: Path
    environment: Mapping[str, str]
    say: Callable[[str], None] = lambda line: None
    patience: float = PATIENCE
    commands: list[dict[str, object]] = field(default_factory=list)
    stopped: bool = False
    _process: subprocess.Popen[str] | None = None
    _interrupts: Iterator[int] = field(default_factory=itertools.count)

    def run(self, *arguments: str, good: tuple[int, ...] = (0,), inside: Path | None = None) -> Done:
        """Raises Refused for every status that is not in `good`, and when the run was asked to stop. `inside`
        is another directory than the HCL's."""
        if self.stopped:
            raise Refused("INTERRUPTED", f"stopped before terraform {arguments[0]}")
        began = time.monotonic()
        out, err, status = self._communicate(arguments, inside or self.directory)
        seconds = round(time.monotonic() - began, 1)
        self.commands.append({"command": arguments[0], "rc": status, "seconds": seconds})
        self.say(f"terraform {arguments[0]}: {seconds} s, status {status}")
        if status not in good or self.stopped:
            raise failures.named(arguments, status, out, err, stopped=self.stopped, directory=self.directory)
        return Done(status, out, err)

    def _communicate(self, arguments: tuple[str, ...], directory: Path) -> tuple[str, str, int]:
        self._interrupts = itertools.count()
        environment, _ = for_terraform(self.environment)
        try:
            # A process group of its own: a Ctrl-C at the terminal reaches Terraform through stop() alone.
            self._process = process = subprocess.Popen(
                ["terraform", *arguments],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                process_group=0,
            )
        except (FileNotFoundError, PermissionError):
            raise Refused("TERRAFORM_MISSING", "terraform is not on the PATH") from None
        except OSError as error:
            raise Refused("TERRAFORM_FAILED", f"terraform could not be started: {error}") from None
        try:
            if self.stopped:
                self._interrupt()
            out, err = self._wait(process)
            return out, err, process.returncode
        finally:
            self._process = None
            # Whatever it has left behind (a provider, a provisioner's command) ends with it.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _wait(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        deadline = None
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=0.5)
            if self.stopped and deadline is None:
                deadline = time.monotonic() + self.patience
            if deadline is not None and time.monotonic() > deadline:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                deadline = None

    def stop(self) -> None:
        """Lets the running command save its state and unlock. Nothing else is started after it."""
        self.stopped = True
        self._interrupt()

    def _interrupt(self) -> None:
        # A second SIGINT makes Terraform exit without saving anything, so each command gets one only.
        process = self._process
        if process is not None and next(self._interrupts) == 0:
            self.say("terraform is asked to stop, and waited for")
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)


@contextmanager
def stoppable(terraform: Terraform) -> Iterator[None]:
    """SIGTERM (a stopped build) and SIGINT (Ctrl-C) reach Terraform as one SIGINT."""

    def ask(number: int, frame: FrameType | None) -> None:
        terraform.stop()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
