"""Runs a build's commands one after the other, as processes, and ends them all.

In version 0.2 of a buildspec all commands run in the same instance of the shell ("Build specification
versions"), so a folder, a variable or a function of one command is there in the next; yet an `exit` ends its
command, not the build. So each command is a bash that begins where the last one left off. A stop is SIGTERM
to all processes of the command, some seconds later SIGKILL to everything that the build has started: a
build's end takes its container with it. AWS documents only that StopBuild "attempts to stop" a build.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

GRACE = 20.0
"""Real seconds from SIGTERM to SIGKILL: as long as Terraform may take to save its state and unlock it."""
_MARK = "CODEBUILD_LOCAL_CONTAINER"
_LINGER = 10.0
"""Real seconds in which the output of what a command left running is still read."""

_SCRIPT = """\
[ -f "{state}" ] && . "{state}"
export CODEBUILD_BUILD_SUCCEEDING={succeeding}
trap '__codebuild_status=$?
  {{ for __codebuild_name in $(compgen -v)
     do case $__codebuild_name in
          BASH*|DIRSTACK|EPOCH*|EUID|FUNCNAME|GROUPS|LINENO|PIPESTATUS|PPID|SHELLOPTS|UID) ;;
          _|__codebuild_*|RANDOM|SECONDS|SRANDOM) ;;
          *) declare -p "$__codebuild_name" ;;
        esac
     done
     declare -f
     printf "cd %q\\n" "$PWD"
  }} > "{state}" 2>/dev/null
  exit $__codebuild_status' EXIT
{command}
"""


class Shell:
    """folder: where its files are. source: where it begins. environment: all that the first command finds.
    log: takes a line of output."""

    def __init__(
        self, folder: Path, source: Path, environment: Mapping[str, str], log: Callable[[str], None]
    ) -> None:
        self._script, self._state = folder / "script.sh", folder / "state.sh"
        self._source = source
        # Of this build alone, also beside another account of this machine, whose builds have the same ids.
        self._mark = f"{_MARK}={secrets.token_hex(16)}"
        self._environment = {**environment, _MARK: self._mark.rpartition("=")[2]}
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._killer: threading.Timer | None = None
        self._stopping = threading.Event()

    def run(self, command: str, *, succeeding: bool) -> int:
        """Its exit status. When the shell is stopping it does not begin."""
        text = _SCRIPT.format(state=self._state, succeeding=int(succeeding), command=command)
        self._script.write_text(text, "utf-8")
        with self._lock:
            if self._stopping.is_set():
                return -signal.SIGTERM
            process = self._process = subprocess.Popen(
                ["bash", str(self._script)],
                cwd=self._source,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        reader = threading.Thread(target=self._read, args=(process,), name="build output", daemon=True)
        reader.start()
        status = process.wait()
        # Output ends when the last process that has it ends. After a stop that is waited for.
        reader.join(_LINGER)
        if self._stopping.is_set():
            reader.join()
        return status

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._log(line.rstrip("\n"))

    def terminate(self) -> None:
        """SIGTERM to every process of the command that runs; what is still there after GRACE is killed."""
        with self._lock:
            if self._stopping.is_set():
                return
            self._stopping.set()
            if self._process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGTERM)
            self._killer = threading.Timer(GRACE, self.kill)
            self._killer.daemon = True
            self._killer.start()

    def kill(self) -> None:
        """SIGKILL to everything that the build has started."""
        self._stopping.set()
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        for pid in _marked(self._mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """The build has ended."""
        if self._killer is not None:
            self._killer.cancel()
        self.kill()


def _marked(mark: str) -> Iterator[int]:
    """Processes that were started with the variable, in whatever group they are. Linux shows them."""
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in entry.read_bytes().split(b"\0"):
                yield int(entry.parent.name)
