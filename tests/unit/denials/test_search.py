"""A service's log is searched in several places at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
# In a process of its own: where each search waits for the others, it never ends.
MANY_LOGS = """
import threading
from regrant.denials.search import find_lines, tasks_of
from regrant.model.aws import LogLines, LogRoute
from regrant.model.catalogue import Service

asked, together = [], threading.Barrier(16)

class Services:
    def task_ids(self, service, deployment):
        asked.append("running")
        return ("task-1",)

    def stopped_task_ids(self, service):
        asked.append("stopped")
        return ()

class Logs:
    def search(self, route, term, since, until, tasks, among):
        together.wait()  # old streams are in the way of all of them
        assert tasks() == ("task-1",)
        return LogLines(())

routes = tuple(LogRoute("/ecs/worker", f"ecs/{number}") for number in range(16))
tasks = tasks_of(Services(), Service("cluster", "worker"))
find_lines(Logs(), routes, tasks, "denied", "", "")
print(sorted(asked))
"""


def test_sixteen_logs_with_old_streams_ask_once_for_the_tasks_and_wait_for_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY_LOGS],
        cwd=ROOT / "functions",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == "['running', 'stopped']\n", done.stderr
