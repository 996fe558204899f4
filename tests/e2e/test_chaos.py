"""The chaos search finds what is broken: with a safeguard taken out it must end red."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("functions", "sandbox", "statemachine", "enrol", "events", "template.yaml")

JOURNAL = (
    "functions/regrant/change/attach.py",
    "        if not journal.intend_grant("
    "incident.id, change, _hold(incident, change.value, entry, now, ends)):\n"
    "            _raise_if_withdrawn(incident, change, journal, holds)\n",
    "        holds.write(plan.role, _hold(incident, change.value, entry, now, ends))\n",
)
LEASE = (
    "functions/regrant/aws/leases.py",
    '"attribute_not_exists(entry) OR held_by IN (:me, :other) OR ends_at <= :now"',
    '"attribute_not_exists(entry) OR held_by IN (:me, :other) OR ends_at <> :now"',
)
CATCH = (
    "statemachine/runbook.asl.yaml",
    """    Catch:
      - ErrorEquals: [States.ALL]
        ResultPath: $.error
        Next: PageOperator
    Next: DeregisterRevision
""",
    "    Next: DeregisterRevision\n",
)


def search(tmp_path: Path, only: str, *mutations: tuple[str, str, str]) -> tuple[int, dict[str, Any], str]:
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
        ("contain: crash after, every try at regrant-attach-policies", JOURNAL, "/attached: "),
        ("one service twice: held up", LEASE, "not 1"),
        ("rollback: denied at regrant-detach-policies", CATCH, "which no Catch caught"),
    ],
    ids=["journal", "lease", "catch"],
)
def test_without_a_safeguard_the_search_ends_red(
    tmp_path: Path, only: str, mutation: tuple[str, str, str], reported: str
) -> None:
    status, figures, output = search(tmp_path, only, mutation)
    assert status == 1, output
    assert figures["other"] > 0 and "OTHER" in output and reported in output


def test_with_all_of_them_the_same_points_end_well(tmp_path: Path) -> None:
    status, figures, output = search(tmp_path, "contain: crash after at regrant-attach-policies")
    assert status == 0, output
    assert figures["points"] >= 5 and figures["fixed"] == figures["points"]
    assert set(figures["by_fault"]) == {"crash after"}
