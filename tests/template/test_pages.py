"""The pages say what the code says, and their links lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from regrant.diagnosis.cause import Cause
from regrant.errors import RegrantError

# The causes that a run fixes, or that it leaves alone because nothing is denied any more.
_FIXED = {"MISSING_ATTACHMENT", "ALREADY_GRANTED"}
ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
WRITTEN = [page for page in PAGES if page.name != "figures.md"]  # that one is generated
DECISIONS = sorted(ROOT.glob("docs/adr/0*.md"))
# The right column of CONTRIBUTING's table of words.
NOT_WRITTEN = re.compile(
    r"(?i)\b(told|tells?|mend(s|ed|ing)?|by itself|anew|at once|lives? on|at its end|another than|what lost"
    r"|meanwhile)\b"
)


def test_every_refusal_is_explained() -> None:
    code = "\n".join(path.read_text("utf-8") for path in ROOT.glob("functions/regrant/**/*.py"))
    codes = set(re.findall(r'Refusal\(\s*"([A-Z_]+)"', code)) | {*get_args(Cause)} - _FIXED
    page = (ROOT / "docs" / "codes.md").read_text("utf-8")
    explained = re.findall(r"(?m)^\| `([A-Z_]+)` \| (?:REFUSED|NOTHING_TO_FIX|ROLLBACK_INCOMPLETE) \|", page)
    assert len(codes) > 15
    assert sorted(explained) == sorted(codes)


def test_every_code_that_a_report_may_have_is_explained() -> None:
    """Those of findings and refusals, and the names of the errors that a step may raise."""
    codes = {code for path in ROOT.glob("functions/regrant/**/*.py") for code in _codes(path)}
    codes |= {*get_args(Cause)} | {error.__name__ for error in _errors(RegrantError)}
    page = (ROOT / "docs" / "codes.md").read_text("utf-8")
    explained = {
        code for row in re.findall(r"(?m)^\| (`[^|]+) \|", page) for code in re.findall(r"`([^`]+)`", row)
    }
    assert len(codes) > 60
    assert sorted(codes - explained) == []


def _codes(path: Path) -> Iterator[str]:
    """Every constant that is, or may be, the code of a finding or a refusal."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if not isinstance(node, ast.Call) or name not in ("Finding", "Refusal"):
            continue
        named = [word.value for word in node.keywords if word.arg == "code"]
        code = (*node.args, *named)[0]
        constants = [part.value for part in ast.walk(code) if isinstance(part, ast.Constant)]
        if (
            isinstance(code, ast.Name) and code.id.isupper()
        ):  # a code that several modules share is its own name
            constants.append(code.id)
        # What is no constant comes from a finding or a refusal that is made elsewhere, or is an error's name.
        assert constants or ast.unparse(code) in PASSED_ON, f"{path.name}: {ast.unparse(code)}"
        yield from map(str, constants)


PASSED_ON = ("judgement.cause", "refusal.code", "state.failure.name", "state.error.name")


def _errors(error: type[Exception]) -> Iterator[type[Exception]]:
    for narrower in error.__subclasses__():
        yield narrower
        yield from _errors(narrower)


def test_every_parameter_of_the_two_templates_is_explained() -> None:
    names = re.findall(r"(?m)^  (\w+):\n    Type: (?:String|CommaDelimitedList)$", _templates())
    assert len(names) > 10
    assert [name for name in names if f"`{name}`" not in _operations()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text("utf-8"))
    for path, heading in targets:
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if heading:
            assert heading in _headings(target), f"{path}#{heading}"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_words_are_plain(page: Path) -> None:
    text = page.read_text("utf-8")
    if page.name == "CONTRIBUTING.md":
        text = text.replace(text.split("\n## Words\n")[1].split("\n## ")[0], "")
    assert [found.group() for found in NOT_WRITTEN.finditer(text)] == []


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.stem)
def test_a_decision_has_its_parts(decision: Path) -> None:
    parts = re.findall(r"(?m)^## (.+)$", decision.read_text("utf-8"))
    assert parts == ["Status", "Context", "Decision", "Alternatives considered", "Consequences"]


def test_every_decision_is_listed_under_its_title() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text("utf-8")
    listed = re.findall(r"(?m)^(\d+\. )\[(.+)\]\((.+)\)$", index)
    titles = {path.name: path.read_text("utf-8").splitlines()[0] for path in DECISIONS}
    assert {name: f"# {number}{title}" for number, title, name in listed} == titles


def _operations() -> str:
    return (ROOT / "docs" / "operations.md").read_text("utf-8")


def _templates() -> str:
    return "\n".join((ROOT / name).read_text("utf-8") for name in ("template.yaml", "enrol/service.yaml"))


def _headings(page: Path) -> set[str]:
    """Anchors as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
