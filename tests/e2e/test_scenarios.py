"""The demo's stories on simulated time: the same account, stack, alarms and handlers, hours in seconds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import cache

import pytest

from sandbox.account import LocalAccount
from sandbox.play import Result, play
from sandbox.scenarios import SCENARIOS, Scenario
from sandbox.seeds.retainwise import RECEIVE, WORKER

REFUSED = [name for name, told in SCENARIOS.items() if "REFUSED" in told.outcomes.values()]


def played(scenario: Scenario) -> Result:
    with LocalAccount() as account:
        return play(account, scenario)


@cache
def told(name: str) -> Result:
    """Stories repeat, so one telling is enough for all that is asked of it."""
    return played(SCENARIOS[name])


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_ends_as_its_story_says(name: str) -> None:
    assert told(name).complaints == []


def test_a_contained_run_carries_its_proof() -> None:
    runs = {run.service: run for run in told("contained").runs}
    health = runs[WORKER].report["health"]
    assert health["verdict"] == "HEALTHY"
    assert health["streak"] >= health["needed"] == 3
    assert "Successfully received" in health["proof"]
    assert health["last"]["denials"] == 0
    assert health["last"]["tasks"] == 2


def test_a_rolled_back_run_carries_its_receipt_and_the_account_is_what_it_was() -> None:
    result = told("rolled-back")
    (run,) = result.runs
    assert (run.status, run.error) == ("FAILED", "RolledBack")
    assert run.report["receipt"]["equal"]
    assert run.report["receipt"]["before"] == run.report["receipt"]["after"]
    assert result.account_before == result.account_after


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_run_changes_nothing_and_says_what_to_do(name: str) -> None:
    result = told(name)
    assert result.account_before == result.account_after
    for run in result.runs:
        assert run.status == "SUCCEEDED"
        assert run.report["changes"] == []
        assert run.report["next"]


def test_a_storm_of_denials_is_one_run_that_reads_a_few_pages() -> None:
    result = told("storm")
    assert [run.service for run in result.runs] == [WORKER]
    assert 0 < result.log_reads[f"/ecs/{WORKER}"] <= 20


def test_what_does_not_hold_is_complained_of() -> None:
    told_otherwise = replace(
        SCENARIOS["refused-boundary"],
        outcomes={WORKER: "CONTAINED"},
        findings={WORKER: "EXPLICIT_DENY"},
        attached={WORKER: (RECEIVE,)},
        most_log_reads=0,
    )
    complaints = "\n".join(played(told_otherwise).complaints)
    for complaint in (
        "not [('retainwise-worker', 'CONTAINED')]",
        "not EXPLICIT_DENY",
        f"retainwise-worker: attached (), not ('{RECEIVE}',)",
        f"roles gained {{}}, not retainwise-ecs-task-role ['{RECEIVE}']",
        "pages of /ecs/retainwise-worker, not 0 at most",
    ):
        assert complaint in complaints


def test_the_same_story_is_told_the_same_way_twice() -> None:
    assert told("rolled-back").as_json() == played(SCENARIOS["rolled-back"]).as_json()


def test_the_list_of_scenarios_names_each_with_its_story() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "sandbox.scenarios"], capture_output=True, text=True, check=True
    ).stdout
    for scenario in SCENARIOS.values():
        assert scenario.name in listed
        assert scenario.story in listed
