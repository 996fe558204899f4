"""docs/runbook.md shows the state machine: its graph, its words, its bounds and its time budget."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from regrant.baseline.capture import ROLE_WAIT_LIMIT
from regrant.diagnosis.containment.waiting import WAIT_LIMIT
from regrant.model.results import PAUSE, BaselineMark, Health, Undo, Withdrawal
from regrant.model.run import Diagnosis, Incident
from regrant.opening.open import UNDO_WAIT, WAIT
from regrant.undo.service import LIMIT as RESTORE_LIMIT
from regrant.verify.sample import FOR_THE_ROLE
from regrant.verify.watch import LIMIT, ROLLOUT_LIMIT
from scripts.generate import graph

Definition = dict[str, Any]

PAGE = graph.PAGE.read_text("utf-8")
DEFINITION: Definition = yaml.safe_load(graph.DEFINITION.read_text("utf-8"))
STATES: Definition = DEFINITION["States"]
RESULTS = {
    "OpenIncident": Incident,
    "Diagnose": Diagnosis,
    "CaptureBaseline": BaselineMark,
    "VerifyHealth": Health,
    "WithdrawGrants": Withdrawal,
    "UndoRole, UndoService": Undo,
}


def test_it_shows_the_graph_of_the_state_machine() -> None:
    assert graph.replace_block(PAGE, graph.block(DEFINITION)) == PAGE, f"run {graph.WRITE}"


def test_every_state_is_drawn_once() -> None:
    drawn = re.findall(r"^ +(\w+)[\[({]", graph.mermaid(DEFINITION), flags=re.MULTILINE)
    assert sorted(drawn) == sorted(["start", *STATES])


def test_the_happy_path_is_one_thick_line_to_the_good_end() -> None:
    thick = re.findall(r"(\w+) ==>(?:\|[^|]*\|)? (\w+)", graph.mermaid(DEFINITION))
    ends = [state for arrow in thick for state in arrow]
    odd = {state for state in ends if ends.count(state) % 2}
    assert odd == {"OpenIncident", "Done"}
    assert {"AttachPolicies", "VerifyHealth", "CloseIncident"} <= set(ends)


def test_a_failed_end_has_a_shape_of_its_own() -> None:
    states = {"Go": {"Type": "Pass", "Next": "Bad"}, "Bad": {"Type": "Fail"}, "Good": {"Type": "Succeed"}}
    text = graph.mermaid({"StartAt": "Go", "States": states})
    assert 'Bad{{"Bad<br/>FAILED"}}' in text
    assert 'Good(["Good<br/>SUCCEEDED"])' in text


def test_an_error_handler_shared_by_several_steps_gets_one_arrow() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Undo"}]
    states = {
        "One": {"Type": "Task", "Catch": catch, "Next": "Two"},
        "Two": {"Type": "Task", "Catch": catch, "Next": "End"},
        "Undo": {"Type": "Fail"},
        "End": {"Type": "Succeed"},
    }
    text = graph.mermaid({"StartAt": "One", "States": states})
    assert re.findall(r"(\w+) -\. any error \.-> (\w+)", text) == [("frame1", "Undo")]


def test_a_choice_that_asks_for_two_things_names_both_but_not_a_guard() -> None:
    yes = {"Variable": "$.a.yes", "BooleanEquals": True}
    guarded = {"And": [{"Variable": "$.a.yes", "IsPresent": True}, yes], "Next": "Good"}
    both = {"And": [{"Variable": "$.b", "IsPresent": False}, yes], "Next": "Bad"}
    states = {
        "Ask": {"Type": "Choice", "Choices": [guarded, both]},
        "Good": {"Type": "Succeed"},
        "Bad": {"Type": "Fail"},
    }
    text = graph.mermaid({"StartAt": "Ask", "States": states})
    assert re.findall(r'Ask [-=]+>\|"([^"]*)"\| (\w+)', text) == [("yes", "Good"), ("no b and yes", "Bad")]


def test_a_page_without_the_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="one <!-- graph -->"):
        graph.replace_block("no graph here", "new")


def test_only_the_block_is_replaced() -> None:
    text = f"before\n{graph.BEGIN}\nold\n{graph.END}\nafter\n"
    assert graph.replace_block(text, "NEW") == "before\nNEW\nafter\n"


def test_it_counts_the_states_and_the_tasks() -> None:
    tasks = [name for name, state in STATES.items() if state["Type"] == "Task"]
    assert f"It has {len(STATES)} states, of which {len(tasks)} are Tasks." in PAGE.replace("\n", " ")


@pytest.mark.parametrize("task", RESULTS)
def test_it_has_the_words_of_every_task(task: str) -> None:
    words = [word for owner, word, _ in words_on_the_page() if owner == task]
    assert sorted(words) == sorted(get_args(get_type_hints(RESULTS[task])["next"]))


def test_its_words_go_where_the_choices_send_them() -> None:
    for task, word, target in words_on_the_page():
        choice = STATES[choice_after(task)]
        sent = [rule["Next"] for rule in choice["Choices"] if rule.get("StringEquals") == word]
        assert target == (sent[0] if sent else choice["Default"]), f"{task}: {word}"


def test_its_loops_have_the_definitions_bounds() -> None:
    loops = {loop.split("`")[1]: (wait, looks) for loop, wait, looks, *_ in rows("Loops")}
    assert loops == {
        "OpenIncident": (pause("PauseForService"), "none"),
        "Diagnose": (pause("PauseForDeployment"), bound("DecidePlan", "looks")),
        "CaptureBaseline": (pause("PauseForRole"), bound("DecideChange")),
        "VerifyHealth": (
            f"`PauseForHealth`, {PAUSE} s; in a rollout 30, 15 or 10 s",
            bound("DecideHealth"),
        ),
        "WithdrawGrants": (f"`PauseForHealth`, {FOR_THE_ROLE} s", bound("DecideWithdrawal")),
        "UndoRole": (pause("PauseForUndo"), bound("DecideUndo")),
    }


def test_its_loops_have_the_steps_time_limits() -> None:
    limits = {loop.split("`")[1]: numbers(limit) for loop, _, _, limit, _ in rows("Loops")}
    assert limits == {
        "OpenIncident": [WAIT, UNDO_WAIT],
        "Diagnose": [WAIT_LIMIT],
        "CaptureBaseline": [ROLE_WAIT_LIMIT],
        "VerifyHealth": [ROLLOUT_LIMIT, LIMIT],
        "WithdrawGrants": [],
        "UndoRole": [RESTORE_LIMIT],
    }


def test_its_time_budget_is_the_definitions() -> None:
    text = graph.DEFINITION.read_text("utf-8")
    budget = {
        part: numbers(sum_)[0] for part, sum_ in re.findall(r"^#   (\S.*?)  +.+ = +([\d,]+) s$", text, re.M)
    }
    parts = {part: numbers(seconds)[0] for part, seconds, _ in rows("Time budget")}
    assert parts.pop("**sum**") == sum(budget.values())
    assert parts == budget


def test_what_tries_take_more_fits_into_the_executions_time() -> None:
    (limits,) = re.findall(
        r"takes ([\d,]+) s more, .* ([\d,]+) s more: ([\d,]+) s if all", " ".join(PAGE.split())
    )
    tries = [longest(state["Retry"][0]) for state in STATES.values() if state["Type"] == "Task"]
    assert numbers(" ".join(limits)) == [min(tries), max(tries), sum(tries)]
    (total,) = [numbers(seconds)[0] for part, seconds, _ in rows("Time budget") if part == "**sum**"]
    assert total + sum(tries) < DEFINITION["TimeoutSeconds"]


def words_on_the_page() -> Iterator[tuple[str, str, str]]:
    """Task (of several the first with a Choice), word, and the state that it leads to."""
    task = ""
    for owner, cell, target in rows("The words"):
        task = owner or task
        for word in re.findall(r"`(\w+)`", cell):
            yield task, word, target.partition(":")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of the table in that part of the page, without its head."""
    part = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    table = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[2:]]


def choice_after(task: str) -> str:
    following = str(STATES[task.partition(",")[0]]["Next"])
    return following if STATES[following]["Type"] == "Choice" else str(STATES[following]["Next"])


def pause(state: str) -> str:
    return f"`{state}`, {STATES[state]['Seconds']} s"


def bound(choice: str, counted: str = "checks") -> str:
    (looks,) = {
        rule["NumericGreaterThanEquals"]
        for rule in STATES[choice]["Choices"]
        if "Numeric" in str(rule) and rule["Variable"].endswith(f".{counted}")
    }
    return str(looks)


def longest(retrier: dict[str, Any]) -> float:
    """Seconds that a Task takes more if each further try takes its whole time."""
    first, rate = retrier["IntervalSeconds"], retrier["BackoffRate"]
    waits = (min(first * rate**n, retrier["MaxDelaySeconds"]) for n in range(retrier["MaxAttempts"]))
    return float(sum(waits) + 60 * retrier["MaxAttempts"])


def numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]
