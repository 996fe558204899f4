"""The pages in the README are those that `make demo` prints, but for times, counts and ids."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.account import LocalAccount
from sandbox.scenarios.play import play
from sandbox.scenarios.scenarios import SCENARIOS
from sandbox.scenarios.screen import ending

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SHOWN = dict(re.findall(r"<!-- demo:([\w-]+) -->\n```\n(.*?)```\n<!-- /demo -->", README, re.DOTALL))


@pytest.mark.parametrize("name", SHOWN)
def test_it_shows_what_the_demo_prints(name: str) -> None:
    with LocalAccount() as account:
        result = play(account, SCENARIOS[name])
    printed = "\n".join(ending(SCENARIOS[name], result, 1.0))
    page, _, verdict = SHOWN[name].partition("\nScenario ")
    assert comparable(page) in comparable(printed)
    assert comparable(verdict) in comparable(printed)


def test_it_shows_a_fix_and_an_undo() -> None:
    assert set(SHOWN) == {"contained", "rolled-back"}


def test_its_scenarios_exist() -> None:
    named = set(re.findall(r"make demo SCENARIO=([\w-]+)", README))
    assert named <= set(SCENARIOS)


def comparable(text: str) -> str:
    """On one line, with a # for every number and every id in hexadecimal digits."""
    return " ".join(re.sub(r"(?:[0-9a-f]*\d[0-9a-f]*[-_]?)+", "#", text).split())
