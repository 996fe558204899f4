"""Lambda's runtime interface emulator, and in it Lambda's runtime client, as two processes of this machine.

The emulator is the binary that `sam local invoke` puts into its containers; it comes in aws-sam-cli's wheel.
Nothing isolates the function here: it has this machine's files, and no limit of memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes.steps import ROOT, NotReady

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_PYTHON = ROOT / ".venv-runtime" / "bin" / "python"
_READY_SECONDS = 10.0


@dataclass(frozen=True)
class Reply:
    """The payload, parsed where it is JSON, and how many seconds it took."""

    payload: Any
    seconds: float


class Emulator:
    """A function in its runtime. Made by `running`."""

    def __init__(self, port: int, begun: float, timeout: int) -> None:
        self._port, self._begun, self._timeout = port, begun, timeout

    def invoke(self, event: Any) -> Reply:
        """The first reply's seconds count from the start of the process, because Lambda's would."""
        begun, self._begun = self._begun or time.monotonic(), 0.0
        url = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, data=json.dumps(event).encode())
        try:
            with urllib.request.urlopen(request, timeout=self._timeout + 30) as answer:
                text = answer.read().decode()
        except (
            urllib.error.HTTPError
        ) as error:  # a function that did not start, or ended, is a 502 with a payload
            with error:
                text = error.read().decode()
        return Reply(_parsed(text), time.monotonic() - begun)


@contextmanager
def running(
    handler: str,
    package: Path,
    environment: Mapping[str, str],
    *,
    timeout: int,
    memory: int = 256,
    name: str = "function",
    beside: Path | None = None,
) -> Iterator[Emulator]:
    """The handler of that package, ready to be invoked. `beside`: one more folder to import from.

    timeout is in seconds, memory in MB (the function sees it, and is not limited). Raises NotReady.
    """
    binary = _binary()
    invoked_at, runtime_at = _free_port(), _free_port()
    folders = [str(package), *([str(beside)] if beside else [])]
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "LAMBDA_TASK_ROOT": str(package),
        "PYTHONPATH": os.pathsep.join(folders),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        **environment,
    }
    command = [
        *(str(binary), "--log-level", "error"),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{invoked_at}"),
        *("--runtime-api-address", f"127.0.0.1:{runtime_at}"),
        *(str(_PYTHON), "-m", "awslambdaric", handler),
    ]
    with tempfile.TemporaryFile() as output:
        begun = time.monotonic()
        # In a session of its own, because the emulator starts the runtime in another process.
        process = subprocess.Popen(
            command,
            cwd=package,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_for(invoked_at, process)
            yield Emulator(invoked_at, begun, timeout)
        finally:
            _end(process)


def _binary() -> Path:
    machine = _MACHINES.get(platform.machine().lower())
    if platform.system() != "Linux" or machine is None:
        raise NotReady(f"the emulator is for Linux, not for {platform.system()} {platform.machine()}")
    pattern = f".venv-sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"
    found = next(ROOT.glob(pattern), None)
    if found is None or not _PYTHON.exists():
        raise NotReady(
            "the emulator or the runtime client is not there: make .venv-sam/.made .venv-runtime/.made"
        )
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.005)
    raise RuntimeError(f"the emulator did not open its port (exit status {process.poll()})")


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
            break
    # The runtime is in the same session; it goes with the emulator, or here.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # a time-out is a bare sentence
