"""ministack, an emulator of AWS that is not ours, on loopback: what `sam deploy` deploys to here."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session

from runtimes.steps import ROOT, NotReady
from sandbox.scenarios.seeds.retainwise import ACCOUNT, REGION

WAIT_SCALE = 0.1
"""Real seconds for each second of a Wait state."""
_READY_SECONDS = 60.0


class Ministack:
    """The account 123456789012 there, as far as a seed and the AWS tools need it. Made by `running`."""

    account_id, region = ACCOUNT, REGION

    def __init__(self, port: int, output: Path) -> None:
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self.output = output
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._session = botocore.session.Session()
        self.client = cache(self._client)

    def _client(self, service: str) -> Any:
        return self._session.create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )

    def deploy(self, path: Path, parameters: dict[str, str], stack: str) -> dict[str, str]:
        """A plain CloudFormation template, by CreateStack. Returns the outputs."""
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=stack,
            TemplateBody=path.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        return {output["OutputKey"]: output["OutputValue"] for output in self.stack(stack).get("Outputs", [])}

    def stack(self, name: str) -> dict[str, Any]:
        """As DescribeStacks shows it."""
        shown: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return shown

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Services are settled here as soon as they are made."""
        yield


@contextmanager
def running() -> Iterator[Ministack]:
    """Everything that it writes is in a folder that goes with it. Raises NotReady."""
    python = ROOT / ".venv-ministack" / "bin" / "python"
    if not python.exists():
        raise NotReady("ministack is not there: make .venv-ministack/.made")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="regrant-ministack-") as folder:
        output = Path(folder) / "output"
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": folder,
            "TMPDIR": folder,
            "STATE_DIR": folder,
            "S3_DATA_DIR": folder,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "SFN_WAIT_SCALE": str(WAIT_SCALE),
            # Neither is needed, and both would open ports.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        with output.open("wb") as file:
            process = subprocess.Popen(
                # -P: the folder of that file has a module of the name, too.
                [str(python), "-P", str(ROOT / "runtimes" / "ministack_history.py")],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            _wait_for(port, process, output)
            yield Ministack(port, output)
        finally:
            _end(process)


def _wait_for(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):  # a refused connection, or a 503 of urllib's
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=5).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"ministack did not start:\n{output.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and the functions that it keeps warm, which are in its session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
