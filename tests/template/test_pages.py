"""The pages say what the code says, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from regrant.diagnosis.cause import Cause

# The causes that a run mends, or that it leaves alone because nothing is denied any more.
_MENDED = {"MISSING_ATTACHMENT", "ALREADY_GRANTED"}
ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_refusal_is_explained() -> None:
    code = "\n".join(path.read_text("utf-8") for path in ROOT.glob("functions/regrant/**/*.py"))
    codes = set(re.findall(r'Refusal\(\s*"([A-Z_]+)"', code)) | {*get_args(Cause)} - _MENDED
    explained = re.findall(r"(?m)^\| `([A-Z_]+)` \| (?:REFUSED|NOTHING_TO_FIX) \|", _operations())
    assert len(codes) > 15
    assert sorted(explained) == sorted(codes)


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


def _operations() -> str:
    return (ROOT / "docs" / "operations.md").read_text("utf-8")


def _templates() -> str:
    return "\n".join((ROOT / name).read_text("utf-8") for name in ("template.yaml", "enrol/service.yaml"))


def _headings(page: Path) -> set[str]:
    """Anchors as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
