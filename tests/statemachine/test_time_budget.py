"""The time budget at the top of the definition adds up, and has the numbers of definition and code."""

from __future__ import annotations

import re

import pytest

from regrant.baseline.capture import ROLE_WAIT_LIMIT
from regrant.diagnosis.containment.waiting import WAIT_LIMIT
from regrant.leases import PATIENCE
from regrant.model.results import PAUSE
from regrant.opening.open import UNDO_WAIT, WAIT
from regrant.undo.service import LIMIT as UNDO_LIMIT
from regrant.verify.rollout import seconds_to_next_look
from regrant.verify.sample import FOR_THE_ROLE
from regrant.verify.watch import BRIEF, LIMIT, ROLLOUT_LIMIT, ROUND, SPREAD, TWO_SAMPLES
from tests.statemachine.definition import MACHINE, PATIENT, STATES, TASKS, TEXT, seconds_between_tries

# The head comment's budget: `#   <part>  <sum of numbers> = <seconds> s`.
BUDGET = re.findall(r"^#   \S.*?  +(.+?) += +([\d,]+) s$", TEXT, re.MULTILINE)
# The most good samples in a row that the catalogue takes.
SAMPLES = 20


def seconds(text: str) -> int:
    return int(text.replace(",", ""))


def bound(choice: str, counted: str = "checks") -> int:
    """At how many checks the Choice ends its loop."""
    checks = [rule for rule in STATES[choice]["Choices"] if rule.get("Variable", "").endswith(f".{counted}")]
    (limit,) = [rule["NumericGreaterThanEquals"] for rule in checks]
    return int(limit)


def rounds_of(pattern: str) -> tuple[int, int]:
    """(rounds, wait) of the loop in which such a Task is."""
    pattern = rf"(\d+) rounds of \(wait (\d+) \+ {pattern}\)"
    ((rounds, wait),) = [found for sum_of, _ in BUDGET for found in re.findall(pattern, sum_of)]
    return int(rounds), int(wait)


@pytest.mark.parametrize(("sum_of", "total"), BUDGET)
def test_each_line_adds_up(sum_of: str, total: str) -> None:
    sums = sum_of.replace("rounds of", "*").replace(" and ", " + ")
    numbers = re.sub(r"[A-Za-z<=]+", "", sums)
    assert re.fullmatch(r"[\d+*() ]+", numbers)
    assert eval(numbers) == seconds(total)


def longer(name: str) -> int:
    """How much longer the Task takes at most if it must be tried again. Who asks a person waits no longer."""
    rule, limit = TASKS[name]["Retry"][0], min(TASKS[name]["TimeoutSeconds"], 60)
    return int(rule["MaxAttempts"] * limit + seconds_between_tries(rule))


def test_the_whole_adds_up_and_the_execution_has_more() -> None:
    (total,) = re.findall(r"^#   sum ([\d,]+) s", TEXT, re.MULTILINE)
    assert sum(seconds(part) for _, part in BUDGET) == seconds(total)
    assert seconds(total) + sum(map(longer, TASKS)) < MACHINE["TimeoutSeconds"]


@pytest.mark.parametrize("tasks", [set(TASKS) - PATIENT, PATIENT], ids=["common", "patient"])
def test_the_time_of_further_tries_is_said(tasks: set[str]) -> None:
    rule = TASKS[next(iter(tasks))]["Retry"][0]
    tries, between = rule["MaxAttempts"], round(seconds_between_tries(rule))
    (each,) = set(map(longer, tasks))
    said = (
        f"{each:,} s more ({tries} tries of 60 s, {between} s between),"
        f" {len(tasks)} of them {len(tasks) * each:,} s"
    )
    assert said in " ".join(TEXT.replace("\n#", " ").split())


def test_an_undo_is_tried_again_for_about_eleven_minutes() -> None:
    rule = TASKS["UndoRole"]["Retry"][0]
    assert 600 <= seconds_between_tries(rule) <= 900
    assert rule["JitterStrategy"] == "NONE"


def test_what_is_tried_again_is_known_to_go_on_for_so_long() -> None:
    assert max(map(longer, TASKS)) <= PATIENCE


def test_every_task_is_counted_with_its_time_limit() -> None:
    found = {
        (name, int(limit)) for sum_of, _ in BUDGET for name, limit in re.findall(r"([A-Z]\w+) (\d+)", sum_of)
    }
    assert found == {(name, task["TimeoutSeconds"]) for name, task in TASKS.items()}


def test_a_run_waits_for_its_service_by_the_clock() -> None:
    rounds, wait = rounds_of("OpenIncident <= 1")
    assert wait == STATES["PauseForService"]["Seconds"] and rounds * wait == WAIT


def test_there_are_as_many_plans_as_the_definition_has() -> None:
    pattern = r"(\d+) rounds of \((?:Diagnose|AskApproval) "
    plans, asks = (rounds for sum_of, _ in BUDGET for rounds in re.findall(pattern, sum_of))
    assert (int(plans), int(asks)) == (bound("DecidePlan"), bound("DecidePlan") - 1)
    # Instead of that an undo may wait for its service.
    assert int(asks) * TASKS["AskApproval"]["TimeoutSeconds"] > UNDO_WAIT


def test_a_run_waits_for_somebodys_rollout_by_the_clock() -> None:
    ((rounds, wait),) = re.findall(r"(\d+) rounds of \(wait (\d+)\) \+ Diagnose 60", TEXT)
    assert int(wait) == STATES["PauseForDeployment"]["Seconds"] and int(rounds) * int(wait) == WAIT_LIMIT
    # So the report has the code's own reason.
    assert bound("DecidePlan", "looks") > int(rounds)


def test_a_run_waits_for_the_role_by_the_clock() -> None:
    rounds, wait = rounds_of("CaptureBaseline <= 1")
    assert wait == STATES["PauseForRole"]["Seconds"] and rounds * (wait + 1) == ROLE_WAIT_LIMIT


def test_an_undo_waits_as_often_as_the_definition_says() -> None:
    assert rounds_of("UndoRole <= 5 .*?") == (bound("DecideUndo"), STATES["PauseForUndo"]["Seconds"])


def test_a_withdrawal_that_waits_for_the_role_has_its_bound() -> None:
    assert rounds_of("VerifyHealth <= 5 .*?") == (bound("DecideWithdrawal"), FOR_THE_ROLE)


# In the order of the line; what AWS does not answer is no reason to replace tasks sooner.
WATCHES = (
    ROLLOUT_LIMIT,  # somebody else's
    max(BRIEF + 2 * TWO_SAMPLES, ROUND * (SAMPLES + 1), LIMIT),
    ROLLOUT_LIMIT,
    LIMIT,
    max(SPREAD + ROUND * SAMPLES, LIMIT),
)


def test_the_watches_are_those_of_the_code() -> None:
    ((*watches, looks),) = re.findall(
        r"watches (\d+) \+ (\d+) \+ (\d+) \+ (\d+) \+ (\d+) and (\d+) rounds of \(wait 30", TEXT
    )
    assert tuple(float(watch) for watch in watches) == WATCHES
    assert int(looks) == len(WATCHES)


def test_no_wait_between_two_looks_is_longer_than_it_says() -> None:
    assert max(PAUSE, FOR_THE_ROLE, seconds_to_next_look("ecs-svc/1", None)) == 30


def test_looks_and_waits_end_by_the_clock_before_they_end_by_their_count() -> None:
    # So the report has the code's own reason.
    assert bound("DecideChange") * STATES["PauseForRole"]["Seconds"] > ROLE_WAIT_LIMIT
    assert bound("DecideUndo") * STATES["PauseForUndo"]["Seconds"] > UNDO_LIMIT
    shortest = 10  # in a rollout of which only new tasks run
    rollouts = 2 * ROLLOUT_LIMIT
    assert rollouts / shortest + (sum(WATCHES) - rollouts) / PAUSE < bound("DecideHealth")


@pytest.mark.parametrize("task", ["AttachPolicies", "CaptureBaseline", "ConfirmBaseline"])
def test_the_retries_for_iams_lag_are_covered(task: str) -> None:
    (allowed,) = [
        found for sum_of, _ in BUDGET for found in re.findall(rf"{task} \d+ and its retries (\d+)", sum_of)
    ]
    assert seconds_between_tries(TASKS[task]["Retry"][1]) <= int(allowed)
