"""The runner's imports point one way, from floor to floor, and none of its folders is a heap."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "terraform" / "regrant_terraform"
FILES = sorted(ROOT.rglob("*.py"))
FLOORS = (
    ("__main__",),
    ("run", "screen", "result"),
    ("actions",),  # one file an action
    ("propose",),
    ("gates", "running", "hcl"),  # what a plan may do; Terraform as a process
    ("plans", "files"),
    ("config",),
    ("errors",),
    ("codes",),
)
"""Each may import what comes after it; of those on one floor, none another."""


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(number for number, names in enumerate(FLOORS) if name in names)


def imported(path: Path) -> set[str]:
    """The parts of the runner that the file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("regrant_terraform"):
            _, *below = node.module.split(".")
            found |= {below[0]} if below else {alias.name for alias in node.names}
    return found - {part(path)}


def test_every_part_has_its_floor() -> None:
    assert {part(path) for path in FILES} - {"__init__"} == {name for names in FLOORS for name in names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_part_imports_from_the_floors_below_it_only(path: Path) -> None:
    assert [name for name in imported(path) if floor(name) <= floor(part(path))] == []


def test_no_folder_is_a_heap() -> None:
    assert max(Counter(path.parent for path in FILES).values()) <= 15
