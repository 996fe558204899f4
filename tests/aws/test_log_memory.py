"""However much a service logs, and however short its lines are, Diagnose fits into its function's memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.fakes import OLD_ROLE

ROOT = Path(__file__).parents[2]
# In a process of its own, whose most memory is Diagnose's: ten containers, as many as a task definition may
# have, each with a log that does not end.
FLOOD = """
import json, sys
from msgspec.structs import replace
from regrant.aws.logs import CloudWatchLogs
from scripts.bench.one_invocation import most_memory
from tests.unit.fakes import INCIDENT_OF_WORKER, ROUTE, TASK_DEFINITION, World
from tests.unit.run import Run

form = sys.argv[1].replace("PADDING", "x" * 250_000)

class Endless:
    written = 0

    def get_paginator(self, operation):
        return self

    def paginate(self, **query):
        while True:
            events, size = [], 0
            while len(events) < query.get("limit", 10_000):
                Endless.written += 1
                message = form.replace("NUMBER", str(Endless.written))
                size += len(message) + 26
                if size > 1_048_576:
                    break
                stream = f"{query['logStreamNamePrefix']}{Endless.written:032x}"
                events.append({"timestamp": 1762897934000, "message": message, "logStreamName": stream})
            yield json.loads(json.dumps({"events": events, "nextToken": "more"}))

world = World()
world.logs = CloudWatchLogs(Endless())
routes = tuple(replace(ROUTE, stream_prefix=f"ecs/{number}") for number in range(10))
world.services.definition = replace(TASK_DEFINITION, logs=routes)
Run(world, INCIDENT_OF_WORKER).diagnose(0)
print(Endless.written, (most_memory() or 0) // 1024)
"""
SESSION = OLD_ROLE.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
LINES = {
    "the shortest": "not authorized to perform NUMBER",
    "denials of ever other objects": f"User: {SESSION}/x is not authorized to perform: s3:GetObject"
    " on resource: arn:aws:s3:::bucket/NUMBER",
    "the longest": "not authorized to perform NUMBER PADDING",
}


@pytest.mark.parametrize("form", LINES.values(), ids=LINES)
def test_a_flood_in_every_log_takes_less_than_half_of_the_memory(form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FLOOD, form],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written, peak = map(int, done.stdout.split())
    assert written > 40  # so that the flood has arrived
    if not peak:
        pytest.skip("This system does not say how much memory a process has held.")
    assert 20 < peak < memory_of_a_function() / 2


def memory_of_a_function() -> int:
    """MB, of every function."""
    found = re.findall(r"MemorySize: (\d+)", (ROOT / "template.yaml").read_text())
    return min(map(int, found))
