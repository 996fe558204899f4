"""The pages' commands, played as they are written: by bash and the AWS CLI, against `make serve`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def commands(page: str) -> str:
    """All blocks of it."""
    return "\n".join(re.findall(r"```\w*\n(.*?)```", page, re.DOTALL))


def exported(page: str) -> set[str]:
    lines = re.findall(r"(?m)^ *export (.*)", commands(page))
    return {name for line in lines for name in re.findall(r"(?:^| )([A-Z_]+)=", line)}


def test_no_command_of_the_page_sets_a_variable_of_make() -> None:
    """make takes its variables from the environment as well: RUN would be the run of every make report."""
    set_by_make = set(re.findall(r"(?m)^(\w+) \?=", (ROOT / "Makefile").read_text("utf-8")))
    assert "RUNBOOK" in exported(PAGE) and "RUN" in set_by_make
    assert not exported(PAGE) & (set_by_make - {"STACK"})


def test_the_commands_of_operations_use_what_the_page_sets() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    used = set(re.findall(r"\$([A-Z_]+)", commands(page)))
    assert {"STACK", "ANSWER_URL"} <= used and used - keys <= exported(page)


def test_make_serve_in_the_background_ends_when_it_is_killed() -> None:
    """`kill $!` ends make; what it has started must end with it."""
    command = ["make", "--no-print-directory", "serve", "PORT=0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as made:
        lines = iter(made.stdout or ())
        try:
            assert any(line.startswith("ready ") for line in lines)
            made.terminate()
            timer = threading.Timer(30, os.killpg, (made.pid, signal.SIGKILL))
            timer.start()
            assert [*lines][-1] == "stopped\n"
            timer.cancel()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(made.pid, signal.SIGKILL)


@needs_aws
def test_the_question_is_read_as_the_mail_has_it(tmp_path: Path) -> None:
    """The runs of two services wait, so there are two mails."""
    setup, *_ = blocks("A walk-through")
    subscribe, read = blocks("A second person")
    with served("--seed", "retainwise") as (address, _):
        local = {"endpoint_url": address, "region_name": "us-east-1"}
        local |= {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        play([setup, subscribe], address, tmp_path)
        ssm: Any = boto3.client("ssm", **local)
        states: Any = boto3.client("stepfunctions", **local)
        for service in ("backend", "worker"):
            key = f"retainwise-cluster/retainwise-{service}"
            entry = json.loads(ssm.get_parameter(Name=f"/regrant/services/{key}")["Parameter"]["Value"])
            entry["approval"] = "required"
            text = json.dumps(entry)
            ssm.put_parameter(Name=f"/regrant/services/{key}", Value=text, Type="String", Overwrite=True)
            machine = "arn:aws:states:us-east-1:123456789012:stateMachine:regrant-runbook"
            given = json.dumps({"service": key})
            states.start_execution(stateMachineArn=machine, name=f"{service}-1", input=given)
        time.sleep(12)  # two minutes of the account
        export = "export QUEUE=$(aws sqs get-queue-url --endpoint-url $AWS_ENDPOINT_URL --queue-name mails "
        printed = play([setup, f"{export} --query QueueUrl --output text)", read], address, tmp_path)
    for service in ("backend", "worker"):
        assert re.search(rf"^make answer RUN={service}-1 PLAN=[0-9a-f]{{64}} ANSWER=approve", printed, re.M)
