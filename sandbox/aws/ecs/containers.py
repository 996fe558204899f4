"""What runs inside a task: a workload on simulated time, or a process of its own.

Stands for: a container started from a task definition (Amazon ECS task definition parameters: command,
environment) with the task role's credentials (Task IAM role). Only the modules under `sandbox.workloads` are
ever run: a task definition that arrives over HTTP cannot make this machine run a command. Any other command
stands still until it is stopped.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from sandbox.engine.clock import Signal
from sandbox.engine.core import Core
from sandbox.workloads.runtime import Stopped

KILLED, TERMINATED = 137, 143


@dataclass(frozen=True)
class Order:
    """What to run. `log` takes a line of output; `ended` is called once, with the exit code."""

    command: list[str]
    environment: Mapping[str, str]
    role_name: str | None
    session_name: str
    log: Callable[[str], None]
    ended: Callable[[int], None]


class Container(Protocol):
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


def start(core: Core, order: Order) -> Container:
    module = workload_module(order.command)
    if module is None or order.role_name is None:
        return _Idle(order)
    if core.processes:
        return Process(core, order, module)
    return _Participant(core, order, module)


def workload_module(command: list[str]) -> str | None:
    """The module that `python -m MODULE` names, if it is one of ours."""
    match command:
        case ["python", "-m", module] if module.startswith("sandbox.workloads.") and find_spec(module):
            return module
    return None


class _Idle:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._over = False

    def terminate(self) -> None:
        self._end(TERMINATED)

    def kill(self) -> None:
        self._end(KILLED)

    def _end(self, code: int) -> None:
        if not self._over:
            self._over = True
            self._order.ended(code)


class _Participant:
    """The module's `run(runtime)` in a thread that takes part in simulated time."""

    def __init__(self, core: Core, order: Order, module: str) -> None:
        assert order.role_name is not None
        self._core = core
        self._order = order
        self._role = order.role_name
        self._stop = Signal()
        self._killed = False
        self._over = False
        self.name = order.session_name
        self.environment = order.environment
        self._run: Callable[[Any], int] = import_module(module).run
        core.clock.spawn(self._body, name=f"task {order.session_name}")

    # What the workload sees (sandbox.workloads.runtime.Runtime)

    def client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        if credentials:
            return self._core.session_client(credentials, service)
        return self._core.role_client(self._role, service, self._order.session_name)

    def log(self, line: str) -> None:
        if not self._killed:
            self._order.log(line)

    def sleep(self, seconds: float) -> None:
        deaf = self.environment.get("IGNORE_SIGTERM") == "1" and not self._killed
        signal = Signal() if deaf else self._stop
        if self._core.clock.wait(signal, seconds) or self._killed:
            raise Stopped

    def rest(self, seconds: float) -> None:
        self.sleep(seconds * self._core.idle_factor)

    # What the task sees

    def terminate(self) -> None:
        self._stop.set()

    def kill(self) -> None:
        if not self._over:
            self._killed = True
            self._stop.set()
            self._end(KILLED)

    def _body(self) -> None:
        code = 1
        try:
            code = self._run(self)
        except Stopped:
            code = TERMINATED
        except Exception as failure:  # a crash of the workload is the task's exit, not ours
            self.log(f"{type(failure).__name__}: {failure}")
        self._end(code)

    def _end(self, code: int) -> None:
        if not self._over:
            self._over = True
            self._order.ended(code)


class Process:
    """`python -m MODULE` with nothing in its environment but what a container would find there."""

    def __init__(self, core: Core, order: Order, module: str) -> None:
        assert order.role_name is not None and core.endpoint_url is not None
        self._order = order
        self._clock = core.clock
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=Path(__file__).resolve().parents[3],
            env={
                "PATH": os.environ.get("PATH", ""),
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "AWS_ENDPOINT_URL": core.endpoint_url,
                "AWS_REGION": core.region,
                "AWS_DEFAULT_REGION": core.region,
                "AWS_EC2_METADATA_DISABLED": "true",
                "PACE": str(core.pace or 1),
                "TASK_ID": order.session_name,
                "SUPERVISED": "1",
                **core.role_credentials(order.role_name, order.session_name),
                **order.environment,
            },
            # The workload ends when its standard input closes, so it cannot outlive even a killed parent.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._watcher = threading.Thread(target=self._watch, name=f"task {order.session_name}", daemon=True)
        self._watcher.start()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()
        self._watcher.join()

    def _watch(self) -> None:
        """Hand each line and the end over to the clock, which is where everything else happens."""
        with self._process:  # closes the pipes
            for line in self._process.stdout or ():
                self._clock.call_later(0, partial(self._order.log, line.rstrip("\n")))
        code = self._process.returncode
        self._clock.call_later(0, partial(self._order.ended, code if code >= 0 else 128 - code))
