"""The pages' commands, played as they are written: by bash and the AWS CLI, against `make serve`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "local-account.md").read_text("utf-8")
AWS = next(
    (
        str(path)
        for path in (ROOT / ".venv-aws" / "bin" / "aws", shutil.which("aws"))
        if path and Path(path).exists()
    ),
    None,
)
ADDRESS = "http://127.0.0.1:4599"
READING = 3.0
"""Seconds for which a person reads before the next block: half a minute of the account."""

needs_aws = pytest.mark.skipif(AWS is None, reason="there is no AWS CLI: make .venv-aws/.made installs one")


def blocks(heading: str) -> list[str]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@contextmanager
def served(*arguments: str) -> Iterator[tuple[str, list[str]]]:
    """The address of a served account, and what was said before it was ready."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox.serve", "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "functions"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said = []
        try:
            for line in process.stdout or ():
                said.append(line.rstrip("\n"))
                if line.startswith("ready "):
                    yield line.split()[1], said
                    return
            pytest.fail(f"it was never ready: {said}")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def play(scripts: list[str], address: str, folder: Path) -> str:
    """What the commands print. One that fails ends it, as a person would stop there."""
    assert AWS is not None
    pause = f"\nsleep {READING}\n"
    script = "set -euo pipefail\n" + pause.join(scripts).replace(ADDRESS, address)
    known = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    known |= {"PATH": f"{Path(AWS).parent}:{os.environ['PATH']}", "AWS_CONFIG_FILE": str(folder / "none")}
    known |= {"AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"), "AWS_PAGER": ""}
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=known, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_named(address: str, name: str) -> Any:
    """The execution, with its report."""
    states = boto3.client(
        "stepfunctions",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    machine = "arn:aws:states:us-east-1:123456789012:execution:regrant-runbook"
    run = states.describe_execution(executionArn=f"{machine}:{name}")
    named = states.list_executions(stateMachineArn=run["stateMachineArn"])["executions"]
    return run | {
        "report": json.loads(run.get("output") or run["cause"]),
        "all": sorted(each["name"] for each in named),
    }


@needs_aws
def test_the_walk_through_ends_as_the_page_says(tmp_path: Path) -> None:
    setup, *steps = blocks("A walk-through")
    assert len(steps) == 3
    with served() as (address, _):
        time.sleep(READING * 3)  # in which an alarm would have started a run
        play([setup, *steps], address, tmp_path)
        ends = {name: run_named(address, name) for name in ("backend-1", "worker-1", "undo-1")}
    assert [(e["status"], e["report"]["outcome"]) for e in ends.values()] == [
        ("SUCCEEDED", "CONTAINED"),
        ("SUCCEEDED", "CONTAINED"),
        ("FAILED", "ROLLED_BACK"),
    ]
    undo = ends["undo-1"]
    assert undo["error"] == "RolledBack" and "output" not in undo and undo["report"]["receipt"]["equal"]
    assert undo["all"] == ["backend-1", "undo-1", "worker-1"], "an alarm started a run"


@needs_aws
def test_a_service_of_ones_own_is_enrolled_and_repaired(tmp_path: Path) -> None:
    setup, *_ = blocks("A walk-through")
    with served("--seed", "empty") as (address, _):
        printed = play([setup, *blocks("Your own service")], address, tmp_path)
        run = run_named(address, "hello-1")
    assert "is not authorized to perform: sqs:sendmessage" in printed
    assert (run["status"], run["report"]["outcome"]) == ("SUCCEEDED", "CONTAINED")
    assert run["report"]["health"]["proof"] == "Successfully sent"
