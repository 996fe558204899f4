"""The demo's stories on simulated time: the same account, stack, alarms and handlers, hours in seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sandbox.account import LocalAccount
from sandbox.play import Result, play
from sandbox.scenarios import SCENARIOS


def played(name: str) -> Result:
    with LocalAccount() as account:
        return play(account, SCENARIOS[name])


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_ends_as_its_story_says(name: str) -> None:
    assert played(name).complaints == []


def test_a_contained_run_carries_its_proof() -> None:
    runs = {run.service: run for run in played("contained").runs}
    health = runs["retainwise-worker"].report["health"]
    assert health["verdict"] == "HEALTHY"
    assert health["streak"] >= health["needed"] == 3
    assert "Successfully received" in health["proof"]
    assert health["last"]["denials"] == 0
    assert health["last"]["tasks"] == 2


def test_a_rolled_back_run_carries_its_receipt_and_the_account_is_what_it_was() -> None:
    result = played("rolled-back")
    (run,) = result.runs
    assert (run.status, run.error) == ("FAILED", "RolledBack")
    assert run.report["receipt"]["equal"]
    assert run.report["receipt"]["before"] == run.report["receipt"]["after"]
    assert result.account_before == result.account_after


def test_the_same_story_is_told_the_same_way_twice() -> None:
    assert played("rolled-back").as_json() == played("rolled-back").as_json()


def test_the_list_of_scenarios_names_each_with_its_story() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "sandbox.scenarios"], capture_output=True, text=True, check=True
    ).stdout
    for scenario in SCENARIOS.values():
        assert scenario.name in listed
        assert scenario.story in listed
