"""Figure (i): CPU time to import a handler and make its clients, against a handler that only has boto3.

Each measurement is a process of its own, with the files and their bytecode in the page cache. The baseline
runs between the handlers, and each handler is divided by the baselines right before and after it, so that a
machine that slows down for a while slows both. The baseline divided by itself in the same way is the noise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_CODE = ROOT / "functions"
HANDLERS = {
    path.stem: ".".join(path.relative_to(_CODE).with_suffix("").parts)
    for path in sorted((_CODE / "handlers").rglob("*.py"), key=lambda path: path.stem)
    if path.stem != "__init__"
}
"""The module of each, by its function's name."""
BASELINE = "import boto3\nboto3.client('dynamodb')"
POWERTOOLS = f"{BASELINE}\nfrom aws_lambda_powertools import Logger\nLogger()"
RESTED = f"import gc\ngc.disable()\n{BASELINE}"
AIM = 1.15
# Prints seconds of CPU and of the wall, and each client with the CPU that making it took. How botocore is
# imported is part of what is measured, so clients are timed from the moment on at which it is there.
PROGRAM = """
import importlib.util, json, sys, time

clients = []

class WhenImported:
    def find_spec(self, name, path, target=None):
        if name != "botocore.session":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (run(module), time_clients(module.Session))
        return spec

def time_clients(session):
    make = session.create_client
    def timed(self, service, **given):
        since = time.process_time()
        try:
            return make(self, service, **given)
        finally:
            clients.append((service, time.process_time() - since))
    session.create_client = timed

sys.meta_path.insert(0, WhenImported())
began, wall = time.process_time(), time.perf_counter()
{code}
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, clients]))
"""


@dataclass(frozen=True)
class Start:
    """One process. cpu, wall, making: seconds; making is the part of cpu in which clients were made."""

    cpu: float
    wall: float
    making: float
    clients: tuple[str, ...]


def start(code: str, environment: Mapping[str, str]) -> Start:
    """Run it in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=code)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    cpu, wall, clients = json.loads(ended.stdout)
    return Start(cpu, wall, sum(cost for _, cost in clients), tuple(service for service, _ in clients))


def environment() -> dict[str, str]:
    """What a function finds: its variables, some credentials and a Region, nothing of this machine's."""
    arn = "arn:aws:{}:us-east-1:123456789012:{}"
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "functions"),
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SESSION_TOKEN": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "JOURNAL_TABLE": "journal",
        "STATE_MACHINE_ARN": arn.format("states", "stateMachine:runbook"),
        "TOPIC_ARN": arn.format("sns", "topic"),
        "ALLOWED_PREFIX": "/regrant/allowed/regrant/",
        "SCHEDULE_GROUP": "group",
        "EXPIRY_WINDOW": "always",
        "REQUIRE_APPROVAL": "none",
        "SCHEDULE_ROLE_ARN": "arn:aws:iam::123456789012:role/scheduler",
        "ALARM_NAME_PREFIX": "regrant/",
        "CATALOGUE_PREFIX": "/regrant/services/",
        "STATE_BUCKET": "state",
        "STATE_LOCK_TABLE": "locks",
        "BUILD_PROJECT": "project",
        "WORK_BUCKET": "work",
        "POWERTOOLS_SERVICE_NAME": "regrant",
        "POWERTOOLS_METRICS_NAMESPACE": "Regrant",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def measure(rounds: int, handlers: Iterable[str] = HANDLERS) -> dict[str, list[tuple[Start, Start, Start]]]:
    """For each handler and the variants of the baseline: what started before it, itself, and after it.

    The first round warms the caches and does not count.
    """
    given = environment()
    codes = {name: f"import {HANDLERS[name]}" for name in handlers}
    codes |= {"powertools": POWERTOOLS, "rested": RESTED, "baseline": BASELINE}
    found: dict[str, list[tuple[Start, Start, Start]]] = {name: [] for name in codes}
    for turn in range(rounds + 1):
        before = start(BASELINE, given)
        for name, code in codes.items():
            this = start(code, given)
            after = start(BASELINE, given)
            if turn:
                found[name].append((before, this, after))
            before = after
    return found


def summarize(found: Mapping[str, Sequence[tuple[Start, Start, Start]]]) -> dict[str, Any]:
    """Ratios: all of a start, and without the making of clients on both sides."""
    rows = {name: _row(triples) for name, triples in found.items()}
    noise = rows.pop("baseline")
    return {
        "noise": {key: noise[key] for key in ("cpu", "cpuLow", "cpuHigh", "wallLow", "wallHigh")},
        "powertools": rows.pop("powertools")["cpu"],
        "rested": rows.pop("rested")["cpu"],
        "rounds": len(found["baseline"]),
        "handlers": {name: row | {"aim": AIM, "met": row["cpu"] <= AIM} for name, row in rows.items()},
    }


def _row(triples: Sequence[tuple[Start, Start, Start]]) -> dict[str, Any]:
    cpu = [2 * this.cpu / (before.cpu + after.cpu) for before, this, after in triples]
    wall = [2 * this.wall / (before.wall + after.wall) for before, this, after in triples]
    own = [
        2 * (this.cpu - this.making) / (before.cpu - before.making + after.cpu - after.making)
        for before, this, after in triples
    ]
    return {
        "cpu": round(median(cpu), 2),
        "cpuLow": round(_low(cpu), 2),
        "cpuHigh": round(_high(cpu), 2),
        "wall": round(median(wall), 2),
        "wallLow": round(_low(wall), 2),
        "wallHigh": round(_high(wall), 2),
        "withoutClients": round(median(own), 2),
        "clients": list(triples[0][1].clients),
    }


def _low(values: Sequence[float]) -> float:
    """The tenth percentile."""
    return quantiles(values, n=10, method="inclusive")[0] if len(values) > 1 else values[0]


def _high(values: Sequence[float]) -> float:
    return quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
