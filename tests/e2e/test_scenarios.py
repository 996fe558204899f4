"""The demo's stories on simulated time: the same account, stack, alarms and handlers, hours in seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import pytest

from sandbox.account import LocalAccount
from sandbox.scenarios.play import play
from sandbox.scenarios.results import Result, Run
from sandbox.scenarios.scenarios import SCENARIOS, Scenario
from sandbox.scenarios.seeds.retainwise import BACKEND, OLD_ROLE, RECEIVE, SECOND_WORKER, SEND, WORKER

REFUSED = [name for name, scenario in SCENARIOS.items() if "REFUSED" in scenario.outcomes.values()]


def played(scenario: Scenario) -> Result:
    with LocalAccount() as account:
        return play(account, scenario)


@cache
def result_of(name: str) -> Result:
    """Scenarios repeat, so one play is enough for all that is asked of it."""
    return played(SCENARIOS[name])


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_ends_as_its_story_says(name: str) -> None:
    assert result_of(name).complaints == []


def test_a_contained_run_carries_its_proof() -> None:
    runs = {run.service: run for run in result_of("contained").runs}
    health = runs[WORKER].report["health"]
    assert health["verdict"] == "HEALTHY"
    assert health["streak"] >= health["needed"] == 3
    assert "Successfully received" in health["proof"]
    assert health["last"]["denials"] == 0
    assert health["last"]["tasks"] == 2


def test_a_rolled_back_run_carries_its_receipt_and_the_account_is_what_it_was() -> None:
    result = result_of("rolled-back")
    (run,) = result.runs
    assert (run.status, run.error) == ("FAILED", "RolledBack")
    assert run.report["receipt"]["equal"]
    assert run.report["receipt"]["before"] == run.report["receipt"]["after"]
    assert result.account_before == result.account_after


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_run_changes_nothing_and_says_what_to_do(name: str) -> None:
    result = result_of(name)
    assert result.account_before == result.account_after
    for run in result.runs:
        assert run.status == "SUCCEEDED"
        assert run.report["changes"] == []
        assert run.report["next"]


def test_a_storm_of_denials_is_one_run_that_reads_a_few_pages() -> None:
    result = result_of("storm")
    assert [run.service for run in result.runs] == [WORKER]
    assert 0 < result.log_reads[f"/ecs/{WORKER}"] <= 20


def chapter(name: str, number: int) -> Run:
    """The run that the chapter is about."""
    (run,) = (run for run in result_of(name).runs if run.chapter == number and not run.alarm)
    return run


def done(run: Run) -> list[tuple[str, str]]:
    """(kind, what) of each change that was done and not undone."""
    changes = [c for c in run.report["changes"] if c["done_at"] and not c["undone_at"]]
    return sorted((c["kind"], c["value"].rpartition("/")[2]) for c in changes)


def test_a_cure_proves_the_declared_role_and_takes_the_grant_off() -> None:
    result = result_of("cured")
    for number, (service, policy) in enumerate(((BACKEND, SEND), (WORKER, RECEIVE)), 1):
        run = chapter("cured", number)
        assert (run.service, run.status) == (service, "SUCCEEDED")
        assert ("register", f"{service}:2") in done(run) and ("withdraw", policy) in done(run)
        assert run.report["health"]["verdict"] == "HEALTHY"
    assert [each.granted for each in result.chapters] == [{OLD_ROLE: [RECEIVE]}, {}]


def test_a_cure_to_a_role_that_is_not_fit_names_what_is_wrong_and_changes_nothing() -> None:
    run = chapter("cure-new-role-broken", 1)
    texts = [f["text"] for f in run.report["findings"] if f["code"] == "NEW_ROLE_UNFIT"]
    assert any("does not let ecs-tasks.amazonaws.com assume it" in text for text in texts)
    assert any(f"lacks {RECEIVE}" in text for text in texts)
    assert run.report["changes"] == [] and run.report["next"]
    (was,) = result_of("cure-new-role-broken").chapters
    assert was.account_before == was.account_after


def test_a_cure_that_does_not_hold_is_undone_to_the_grant() -> None:
    run = chapter("cure-unhealthy", 1)
    assert (run.status, run.error) == ("FAILED", "RolledBack")
    receipt = run.report["receipt"]
    assert receipt["equal"] and receipt["before"] == receipt["after"]
    (registered,) = (c for c in run.report["changes"] if c["kind"] == "register")
    assert registered["undone_at"]
    assert all(c["undone_at"] for c in run.report["changes"] if c["kind"] == "redeploy")
    assert "dynamodb:UpdateItem" in json.dumps(run.report["findings"])
    (was,) = result_of("cure-unhealthy").chapters
    assert was.account_before == was.account_after
    assert was.granted == {OLD_ROLE: [RECEIVE]}


def test_a_grant_that_is_still_needed_gets_one_more_day_and_a_person_is_notified() -> None:
    result = result_of("grant-expired")
    run = chapter("grant-expired", 1)
    assert (run.status, run.error, run.report["mode"]) == ("FAILED", "RolledBack", "expire")
    assert run.report["receipt"]["equal"]
    subject = f"ROLLED_BACK retainwise-cluster/{WORKER}"
    (message,) = (message for message in result.messages if message.subject == subject)
    overdue = next(f["text"] for f in run.report["findings"] if f["code"] == "CURE_OVERDUE")
    assert overdue in " ".join(message.text.split())
    assert [each.granted for each in result.chapters] == [{OLD_ROLE: [RECEIVE]}, {}]
    assert 2 * 86_400 < result.simulated_seconds < 2 * 86_400 + 3600


def test_a_grant_whose_service_was_cured_by_hand_goes_at_its_end() -> None:
    run = chapter("grant-expired", 2)
    assert (run.status, run.report["mode"]) == ("SUCCEEDED", "expire")
    assert done(run) == [("withdraw", RECEIVE)]


def test_the_alarm_of_an_expiry_that_was_undone_grants_nothing_again() -> None:
    (run,) = (run for run in result_of("grant-expired").runs if run.alarm and run.chapter)
    assert run.outcome == "NOTHING_TO_FIX" and run.report["changes"] == []


def test_a_shared_grant_stays_for_the_service_that_still_lives_on_it() -> None:
    first, second = chapter("grant-shared", 1), chapter("grant-shared", 2)
    why = next(f["text"] for f in first.report["findings"] if f["code"] == "GRANT_STAYS")
    assert SECOND_WORKER in why
    assert ("withdraw", RECEIVE) not in done(first)
    assert ("withdraw", RECEIVE) in done(second)
    assert [each.granted for each in result_of("grant-shared").chapters] == [{OLD_ROLE: [RECEIVE]}, {}]


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


def test_what_does_not_hold_of_a_chapter_is_complained_of() -> None:
    scenario = SCENARIOS["cure-new-role-broken"]
    (refused,) = scenario.then
    cured = replace(
        refused,
        outcomes={WORKER: "CURED"},
        findings={WORKER: ("RIGHT_TASK_ROLE",)},
        granted=(),
        restored=True,
    )
    complaints = "\n".join(played(replace(scenario, then=(cured,))).complaints)
    for complaint in (
        f"[('{WORKER}', 'REFUSED')], not [('{WORKER}', 'CURED')]",
        "not ['RIGHT_TASK_ROLE']",
        f"The roles are not as expected: /{OLD_ROLE}/attached",
        "1 ends are scheduled, where () is granted",
        f"{WORKER} runs with arn:aws:iam::123456789012:role/{OLD_ROLE}, not",
    ):
        assert complaint in complaints
    assert "account is not what it was" not in complaints


def test_the_same_story_is_told_the_same_way_twice() -> None:
    assert result_of("rolled-back").as_json() == played(SCENARIOS["rolled-back"]).as_json()


def test_the_list_of_scenarios_names_each_with_its_story() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "sandbox.scenarios"], capture_output=True, text=True, check=True
    ).stdout
    for scenario in SCENARIOS.values():
        assert scenario.name in listed
        assert scenario.story in listed
