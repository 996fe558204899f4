"""Dependencies point one way: handlers → regrant → ports ← regrant/aws. And a handler is one domain call."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
FILES = sorted(path.relative_to(FUNCTIONS) for path in FUNCTIONS.rglob("*.py"))
HANDLERS = [path for path in FILES if path.parts[0] == "handlers" and path.stem != "__init__"]
DOMAIN = [path for path in FILES if path.parts[0] == "regrant" and path.parts[1] != "aws"]
ADAPTERS = [path for path in FILES if path.parts[:2] == ("regrant", "aws")]


def tree(path: Path) -> ast.Module:
    return ast.parse((FUNCTIONS / path).read_text())


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def importing(paths: list[Path], *packages: str) -> list[str]:
    return [
        f"{path} imports {module}"
        for path in paths
        for module in imports(path)
        if any(module == package or module.startswith(f"{package}.") for package in packages)
    ]


def called(path: Path) -> set[str]:
    """The last name of each call: `now` for datetime.now()."""
    calls = (node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call))
    names = (f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls)
    return set(names)


def test_there_is_something_to_look_at() -> None:
    assert (len(HANDLERS), "boto3" in set(imports(Path("regrant/aws/clients.py")))) == (25, True)


def test_only_the_adapters_import_boto3() -> None:
    assert importing(HANDLERS + DOMAIN, "boto3", "botocore") == []


def test_the_domain_knows_no_adapter_and_no_handler() -> None:
    assert importing(DOMAIN, "regrant.aws", "handlers") == []


def test_the_adapters_know_no_handler() -> None:
    assert importing(ADAPTERS, "handlers") == []


def test_no_handler_imports_another() -> None:
    assert importing(HANDLERS, "handlers") == []


def test_nothing_that_deploys_knows_the_local_account() -> None:
    assert importing(FILES, "sandbox", "moto", "tests") == []


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_reads_the_clock_or_sleeps(path: Path) -> None:
    # Time arrives in the event and waiting belongs to Wait states, so that a run can be replayed.
    assert not called(path) & {"now", "utcnow", "today", "time", "monotonic", "sleep"}
    assert importing([path], "time") == []


@pytest.mark.parametrize("path", HANDLERS, ids=str)
def test_a_handler_is_short(path: Path) -> None:
    (handler,) = [node for node in tree(path).body if isinstance(node, ast.FunctionDef)]
    assert handler.name == "handler"
    assert handler.end_lineno is not None and handler.end_lineno - handler.lineno < 25
