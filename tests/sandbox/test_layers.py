"""Imports point one way: between floors of the sandbox, between AWS services, and between any two modules.

The files are read, not imported. An import within a function or under TYPE_CHECKING counts like any other.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = (
    *(("people",), ("chaos", "demo", "enrol", "serve"), ("scenarios",)),
    *(("account",), ("aws",), ("engine",), ("iam", "terraform_cli")),
)
"""Each may import what comes after it. Of those on one floor, none may import another."""
BESIDE = {"workloads": ("aws",)}
"""Imports nothing of the sandbox outside itself, and may be imported from there only."""
ONE_SERVICE = {("lambda_functions", "lambda_environment"): "both files are AWS Lambda"}
"""(importer, imported): files of sandbox/aws that may, and why."""
FULL_FOLDER = 15
FULLER = {"functions/handlers": "one file for each Lambda function"}
"""Folders that may hold more, and why."""

Edges = Mapping[str, set[str]]


def files() -> list[Path]:
    roots = ("functions", "sandbox", "scripts", "runtimes", "cli")
    return sorted(file for root in roots for file in (ROOT / root).rglob("*.py"))


def module_of(file: Path) -> str:
    """functions/ is the import root of what it holds."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[parts[0] == "functions" : len(parts) - (parts[-1] == "__init__")])


@cache
def imports() -> Edges:
    """What each module imports of the others."""
    modules = {module_of(file): file for file in files()}
    return {
        module: {name for name in imported(module, file) if name in modules}
        for module, file in modules.items()
    }


def imported(module: str, file: Path) -> Iterator[str]:
    """All names that may be modules: of `from a import b`, both a and a.b."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{module} has a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def between(package: str) -> set[tuple[str, str]]:
    """(importer, imported): the package's own folders and files, where one imports another."""
    start, depth = f"{package}.", package.count(".") + 1
    pairs = {
        (importer.split(".")[depth], name.split(".")[depth])
        for importer, names in imports().items()
        for name in names
        if importer.startswith(start) and name.startswith(start)
    }
    return {(importer, name) for importer, name in pairs if importer != name}


def floor_of(part: str) -> int:
    return next(n for n, floor in enumerate(FLOORS) if part in floor)


def test_every_part_of_the_sandbox_has_a_floor() -> None:
    parts = {module.split(".")[1] for module in imports() if module.startswith("sandbox.")}
    assert parts == {part for floor in FLOORS for part in floor} | BESIDE.keys()


def test_a_floor_imports_only_what_is_below_it() -> None:
    pairs = {pair for pair in between("sandbox") if not BESIDE.keys() & {*pair}}
    assert [pair for pair in pairs if floor_of(pair[0]) >= floor_of(pair[1])] == []


def test_what_stands_beside_the_floors_imports_none_of_them() -> None:
    pairs = between("sandbox")
    assert [pair for pair in pairs if pair[0] in BESIDE] == []
    assert [pair for pair in pairs if pair[1] in BESIDE and pair[0] not in BESIDE[pair[1]]] == []


def test_no_aws_service_imports_another() -> None:
    assert between("sandbox.aws") == ONE_SERVICE.keys()


def test_nothing_is_imported_in_a_circle() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_no_folder_is_too_full() -> None:
    full: dict[str, int] = Counter(
        str(file.parent.relative_to(ROOT)) for file in files() if file.name != "__init__.py"
    )
    assert {folder for folder, count in full.items() if count > FULL_FOLDER} <= FULLER.keys()


def test_every_package_of_the_sandbox_and_the_scripts_says_what_it_is() -> None:
    """In one sentence at least, in its __init__.py."""
    folders = {file.parent for file in files() if file.relative_to(ROOT).parts[0] in ("sandbox", "scripts")}
    silent = [
        folder
        for folder in folders - {ROOT / "scripts"}
        if not ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    ]
    assert silent == []
