"""The chaos search finds what is broken: with a safeguard taken out it must end red."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("functions", "sandbox", "statemachine", "enrol", "events", "template.yaml")

Mutation = tuple[str, str, str]
"""A file, the safeguard as it stands there, and what stands there without it."""

INTENT: Mutation = (
    "functions/regrant/journal.py",
    "value = act(journal.intend(incident, change, plan))",
    "value = act(True)",
)
INTENT_OF_A_GRANT: Mutation = (
    "functions/regrant/journal.py",
    "    act(tuple(c for c, hold in changes if not aws.journal.intend_grant(incident.id, c, hold, plan)))\n",
    "    [aws.holds.write(role, hold) for _, hold in changes]\n    act(())\n",
)
LEASE: Mutation = (
    "functions/regrant/aws/table/leases.py",
    'given_back = "ends_at <= taken_at AND ends_at <= :now"',
    'given_back = "ends_at <> :now"',
)
LAST_FUNCTION: Mutation = (
    "functions/regrant/leases.py",
    " and seconds_between(ended, now) >= STRAGGLERS:",
    ":",
)
CATCH: Mutation = (
    "statemachine/runbook.asl.yaml",
    """    Catch:
      - {ErrorEquals: [States.ALL], ResultPath: $.error, Next: PageOperator}
    Next: DecideUndo

  UndoService:
""",
    "    Next: DecideUndo\n\n  UndoService:\n",
)


def search(tmp_path: Path, only: str, *mutations: Mutation) -> tuple[int, dict[str, Any], str]:
    """(exit status, figures, output) of a search in a scratch copy with those texts replaced."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    for name, safeguard, without in mutations:
        text = (tmp_path / name).read_text()
        assert text.count(safeguard) == 1, f"{name} has no such text any more: {safeguard}"
        (tmp_path / name).write_text(text.replace(safeguard, without))
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox.chaos", "--only", only, "--json", "chaos.json"],
        cwd=tmp_path,
        env={"PYTHONPATH": "functions", "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    figures = tmp_path / "chaos.json"
    return ended.returncode, json.loads(figures.read_text()), ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("only", "mutation", "reported"),
    [
        ("cure: crash after, every try at regrant-redeploy-service", INTENT, "task definitions"),
        ("contain: crash after, every try at regrant-attach-policies", INTENT_OF_A_GRANT, "/attached: "),
        ("one service twice: held up", LEASE, "not 1"),
        ("contain: execution stopped at regrant-attach-policies iam", LAST_FUNCTION, "/attached: "),
        ("rollback: denied at regrant-undo-role", CATCH, "which no Catch caught"),
    ],
    ids=["intent", "intent of a grant", "lease", "last function", "catch"],
)
def test_without_a_safeguard_the_search_ends_red(
    tmp_path: Path, only: str, mutation: Mutation, reported: str
) -> None:
    status, figures, output = search(tmp_path, only, mutation)
    assert status == 1, output
    assert figures["other"] > 0 and "OTHER" in output and reported in output


def test_with_all_of_them_the_same_points_end_well(tmp_path: Path) -> None:
    status, figures, output = search(tmp_path, "contain: crash after at regrant-attach-policies")
    assert status == 0, output
    assert figures["points"] >= 5 and figures["fixed"] == figures["points"]
    assert set(figures["by_fault"]) == {"crash after"}
