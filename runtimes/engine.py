"""A container engine for `sam local`: the user's own, or one that is brought up for it and taken down.

Ours runs in namespaces of its own (network, mounts, processes), made by unshare: its bridge, firewall rules,
mounts and processes end with them, whatever happened.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runtimes import standin
from runtimes.steps import NoEngine

STAND_IN = "regrant-standin:latest"
BRIDGE = "172.17.0.1"
"""Address of docker0, of an engine that begins with nothing."""

_PACKAGES = ("docker.io", "iptables", "mmdebstrap")
# Another apt may be at work.
_APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60")
_PROGRAMS = ("dockerd", "docker", "iptables", "ip", "mmdebstrap", "unshare")
_INSTALL_SECONDS = 100
_READY_SECONDS = 30.0


@dataclass(frozen=True)
class Engine:
    """bind: an address of this machine to serve at. reach: its name in a container. image: None for AWS's."""

    environment: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    bind: str = BRIDGE
    reach: str = BRIDGE


def of_the_user() -> Engine | None:
    """The engine that `docker` talks to, if it answers."""
    if shutil.which("docker") is None or _docker("version", "--format", "{{.Server.Version}}") is None:
        return None
    gateway = _docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    if gateway and _is_ours(gateway):
        return Engine(bind=gateway, reach=gateway)
    # Docker Desktop: its bridge is in a virtual machine, from which this name leads to our loopback.
    return Engine(bind="127.0.0.1", reach="host.docker.internal")


def prepare() -> None:
    """Have the programs that an engine of ours needs. Raises NoEngine."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoEngine("no container engine answers, and only root on Linux can bring one up")
    missing = _missing()
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise NoEngine(f"no container engine answers, and {', '.join(missing)} cannot be had without apt")
    print(f"installing docker.io, iptables and mmdebstrap with apt, for {', '.join(missing)}", flush=True)
    # In runlevel 1 no package starts its service: this engine is ours to start, and to stop.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in ([*_APT, "update"], [*_APT, "install", "-y", "--no-install-recommends", *_PACKAGES]):
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_INSTALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NoEngine(f"{' '.join(command)} took longer than {_INSTALL_SECONDS} s") from error
    if done.returncode != 0 or _missing():
        raise NoEngine(f"apt-get did not bring {', '.join(_missing())}: {done.stderr.strip()[-500:]}")


def apart(command: list[str]) -> int:
    """Run the command in new namespaces, where `ours` can be brought up. Returns its exit status."""
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    probe = subprocess.run([*namespaces, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise NoEngine(f"this machine makes no namespaces: {probe.stderr.strip()}")
    return subprocess.run([*namespaces, *command], check=False).returncode


@contextmanager
def ours(folder: Path, image: Path) -> Iterator[Engine]:
    """An engine that keeps everything in that folder, with the image (a tar of files) as STAND_IN. Only in
    `apart`. Raises NoEngine.
    """
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    address, output = f"unix://{folder}/docker.sock", folder / "dockerd.log"
    parent = f"/{folder.name}"
    command = [
        *(
            "dockerd",
            "--host",
            address,
            "--data-root",
            str(folder / "data"),
            "--exec-root",
            str(folder / "run"),
        ),
        *("--pidfile", str(folder / "pid"), "--cgroup-parent", parent),
    ]
    with output.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    environment = {"DOCKER_HOST": address}
    try:
        _wait_for(process, environment, output)
        change = f'ENTRYPOINT ["{standin.ENTRYPOINT}"]'
        if (
            _docker("import", "--change", change, str(image), STAND_IN, environment=environment, seconds=120)
            is None
        ):
            raise NoEngine("the engine did not take the base image")
        yield Engine(environment, STAND_IN)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        _remove_cgroups(parent)


def _missing() -> list[str]:
    return [program for program in _PROGRAMS if shutil.which(program) is None]


def _wait_for(process: subprocess.Popen[bytes], environment: Mapping[str, str], output: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if _docker("version", "--format", "{{.Server.Version}}", environment=environment) is not None:
            return
        time.sleep(0.2)
    raise NoEngine(f"the engine did not start: {output.read_text()[-500:]}")


def _docker(*arguments: str, environment: Mapping[str, str] | None = None, seconds: float = 15) -> str | None:
    """What the command prints, or None if it fails."""
    try:
        done = subprocess.run(
            ["docker", *arguments],
            env=os.environ | dict(environment or {}),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _is_ours(address: str) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind((address, 0))
        return True
    return False


def _remove_cgroups(parent: str) -> None:
    """They are no files, and outlive every namespace. Only those that are empty can be removed."""
    for hierarchy in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
        top = hierarchy / parent.lstrip("/")
        for each in sorted(top.rglob("*"), reverse=True) if top.is_dir() else []:
            if each.is_dir():
                with contextlib.suppress(OSError):
                    each.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()
