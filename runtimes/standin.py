"""A base image to stand in for Lambda's where no image registry can be reached: Debian with Python 3.13.

It has Debian's python3 and C library, and in /var/runtime what `.venv-runtime` has: Lambda's runtime client
and boto3. It is not Amazon Linux. mmdebstrap fetches the packages with the machine's own apt.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from runtimes.steps import ROOT, NoEngine

SUITE = "trixie"
"""The Debian whose python3 is 3.13."""

PACKAGES = (
    *("python3", "ca-certificates", "libstdc++6", "dash", "coreutils", "libc-bin", "base-files", "netbase"),
    *("tzdata", "media-types"),
)
ENTRYPOINT = "/var/runtime/bootstrap"
_SECONDS = 90

_BOOTSTRAP = """#!/bin/sh
# As Lambda's own: the function's folder is where it starts, and what it imports from first.
export PYTHONPATH="$LAMBDA_TASK_ROOT:/opt/python:/var/runtime"
cd "$LAMBDA_TASK_ROOT"
exec /usr/bin/python3 -m awslambdaric "$_HANDLER"
"""
_HOOK = """#!/bin/sh
# mmdebstrap --extract-hook: $1 is the new root. The packages' own scripts have not been run.
set -eu
mkdir -p "$1/var/runtime" "$1/var/task" "$1/opt"
cp -a {packages}/. "$1/var/runtime/"
cp {bootstrap} "$1{entrypoint}"
chmod 755 "$1{entrypoint}"
ln -sf dash "$1/usr/bin/sh"
echo 'root:x:0:0:root:/root:/bin/sh' > "$1/etc/passwd"
cat "$1"/usr/share/ca-certificates/mozilla/*.crt > "$1/etc/ssl/certs/ca-certificates.crt"
"""


def make(folder: Path) -> Path:
    """The image's files, as a tar archive in that folder. Raises NoEngine if packages cannot be had."""
    [packages] = (ROOT / ".venv-runtime" / "lib").glob("python3.13/site-packages")
    bootstrap, hook, archive = folder / "bootstrap", folder / "hook", folder / "standin.tar"
    bootstrap.write_text(_BOOTSTRAP)
    words = {"packages": packages, "bootstrap": bootstrap, "entrypoint": ENTRYPOINT}
    hook.write_text(_HOOK.format(**{key: shlex.quote(str(value)) for key, value in words.items()}))
    hook.chmod(0o700)
    command = [
        *("mmdebstrap", "--quiet", "--variant=extract", "--mode=root", f"--include={','.join(PACKAGES)}"),
        *(f'--extract-hook={shlex.quote(str(hook))} "$1"', SUITE, str(archive)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoEngine(f"the base image could not be made: {error}") from error
    if done.returncode != 0:
        raise NoEngine(f"the base image could not be made: {done.stderr.strip()[-500:]}")
    return archive
