"""What the handover's definition promises, read from its text: names, words, retries, catches, budget."""

from __future__ import annotations

import re
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from regrant.handover import cures, restore, rollout
from regrant.handover.ask import TIME_LIMIT
from regrant.handover.open import UNDO_WAIT
from regrant.model import handover
from tests.statemachine.definition import TASKS as RUNBOOK
from tests.statemachine.test_contract import AWS_ERRORS, CONTEXT, OUR_ERRORS
from tests.template.cloudformation import ROOT, load
from tests.unit.handover.test_arrows import arrows
from tests.unit.handover.walk import MACHINE, STATES

TEXT = (ROOT / "statemachine" / "handover.asl.yaml").read_text("utf-8")
PAGE = (ROOT / "docs" / "handover-machine.md").read_text("utf-8")
RESOURCES = load("template.yaml")["Resources"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
BUILDS = {name for name, state in TASKS.items() if "StartBuild" in str(state["Parameters"])}
WAITING = BUILDS | {"AskHandover"}
PATIENT = {
    *("OpenHandover", "ReadBuild", "RestoreServices", "RunUndo", "RemoveState"),
    *("CloseHandover", "PageHandover"),
}
EVENTS: dict[str, type[msgspec.Struct]] = {
    "OpenHandover": handover.OpenHandoverEvent,
    "AskHandover": handover.AskHandoverEvent,
    "CloseHandover": handover.CloseHandoverEvent,
    "PageHandover": handover.CloseHandoverEvent,
} | dict.fromkeys(BUILDS, handover.BuildEvent)
# Which struct has the word that the Choice compares, and which of its words go to the Default.
WORDS: dict[str, tuple[str, type[msgspec.Struct], set[str]]] = {
    "DecideOpen": ("$.handover", handover.Opened, {"CLOSE"}),
    "DecideBuild": ("$.reading", handover.Reading, {"PAGE"}),
    "DecideRollout": ("$.rollout", handover.RolloutCheck, {"WAIT"}),
    "DecideCures": ("$.cures", handover.Cures, {"WAIT"}),
    "DecideRestore": ("$.restore", handover.Restore, {"WAIT"}),
}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def caught(name: str) -> str:
    (target,) = {r["Next"] for r in TASKS[name]["Catch"] if r["ErrorEquals"] == ["States.ALL"]}
    return str(target)


def test_the_graph_stays_small() -> None:
    assert (len(STATES), len(arrows())) <= (31, 80)


@pytest.mark.parametrize("name", STATES)
def test_every_state_says_what_it_is_for(name: str) -> None:
    assert re.search(r"[.?]$", STATES[name]["Comment"].strip())


@pytest.mark.parametrize("name", TASKS)
def test_each_task_is_tried_again_as_the_runbooks_are(name: str) -> None:
    (rule,) = TASKS[name]["Retry"]
    assert rule == RUNBOOK["UndoRole" if name in PATIENT else "Diagnose"]["Retry"][0]


def test_every_error_name_is_ours_or_a_documented_one() -> None:
    named = {error for task in TASKS.values() for rule in task["Catch"] for error in rule["ErrorEquals"]}
    assert named <= OUR_ERRORS | AWS_ERRORS


def test_a_failure_goes_where_the_head_of_the_file_says() -> None:
    before = {"CreateState", "AskHandover", "CaptureServices"}
    assert {name: caught(name) for name in TASKS} == (
        dict.fromkeys(BUILDS, "ReadBuild")
        | dict.fromkeys(before, "RemoveState")
        | dict.fromkeys(("OpenHandover", "RemoveState"), "CloseHandover")
        | dict.fromkeys(("CheckHandover", "CureServices"), "RestoreServices")
        | dict.fromkeys(("ReadBuild", "RestoreServices", "CloseHandover"), "PageHandover")
        | {"PageHandover": "HandoverIncomplete"}
    )


@pytest.mark.parametrize("name", TASKS)
def test_every_task_gets_what_its_function_reads_and_no_more(name: str) -> None:
    given, resource = TASKS[name]["Parameters"], TASKS[name]["Resource"]
    if name in WAITING:
        assert resource == "${InvokeAndWaitForToken}"
        resource, given = given["FunctionName"], given["Payload"]
    assert resource == f"${{{'StartBuild' if name in BUILDS else name}FunctionArn}}"
    fields = EVENTS.get(name, handover.HandoverEvent).__struct_fields__
    action = {"action": snake(name).removeprefix("run_")} if name in BUILDS else {}
    assert given == {f"{field}.$": CONTEXT[f"{field}.$"] for field in fields if field != "action"} | action


def test_the_builds_are_the_runners_actions() -> None:
    assert {TASKS[name]["Parameters"]["Payload"]["action"] for name in BUILDS} == {*get_args(handover.Action)}


@pytest.mark.parametrize("name", TASKS)
def test_every_task_writes_one_key_of_the_state(name: str) -> None:
    special = {"OpenHandover": "$", "AskHandover": "$.reading.answer"}
    keys = {f"$.{field}" for field in handover.HandoverState.__struct_fields__}
    path = TASKS[name]["ResultPath"]
    assert path == special[name] if name in special else path in keys


@pytest.mark.parametrize("name", WORDS)
def test_each_word_of_a_step_is_mapped_to_a_state_or_goes_to_the_default(name: str) -> None:
    key, struct, others = WORDS[name]
    words = set(get_args(get_type_hints(struct)["next"]))
    rules = STATES[name]["Choices"]
    compared = [r["StringEquals"] for r in rules if r.get("Variable") == f"{key}.next"]
    assert len(compared) == len(set(compared))
    assert words - set(compared) == others and set(compared) <= words


def test_every_choice_but_the_last_compares_a_steps_word() -> None:
    choices = {name for name, state in STATES.items() if state["Type"] == "Choice"}
    assert choices - set(WORDS) == {"DecideOutcome"}


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if state["Type"] == "Wait"])
def test_each_loop_is_a_task_a_choice_and_a_wait(name: str) -> None:
    task = STATES[name]["Next"]
    choice = STATES[task]["Next"]
    assert (STATES[task]["Type"], STATES[choice]["Type"]) == ("Task", "Choice")
    assert (choice, name) in arrows()


def test_nothing_is_applied_without_a_yes_that_capture_services_has_found() -> None:
    assert {source for source, target in arrows() if target == "RunApply"} == {"CaptureServices"}
    assert {source for source, target in arrows() if target == "CaptureServices"} == {"DecideBuild"}
    yes = next(r for r in STATES["DecideBuild"]["Choices"] if r["Next"] == "CaptureServices")
    assert yes["And"][1] == {"Variable": "$.reading.answer.approved", "BooleanEquals": True}


def test_a_person_is_asked_for_as_long_as_the_question_says() -> None:
    assert TASKS["AskHandover"]["TimeoutSeconds"] == TIME_LIMIT


def test_a_build_gives_up_before_its_state_does() -> None:
    project = RESOURCES["BuildProject"]["Properties"]
    most = (project["TimeoutInMinutes"] + project["QueuedTimeoutInMinutes"]) * 60
    assert {TASKS[name]["TimeoutSeconds"] for name in BUILDS} == {3000} and most < 3000


def test_a_failed_end_has_a_name_of_its_own_and_starts_no_undo() -> None:
    ends = {name: state["Error"] for name, state in STATES.items() if state["Type"] == "Fail"}
    assert all(name == error for name, error in ends.items()) and not set(ends) & OUR_ERRORS
    pattern = RESOURCES["EndedHandoverRule"]["Properties"]["EventPattern"]
    (but,) = [way["error"][0]["anything-but"] for way in pattern["detail"]["$or"] if "anything" in str(way)]
    assert set(but) == set(ends)


# The budget

BUDGET = re.findall(r"^#   \S.*?  +(.+?) += +([\d,]+) s$", TEXT, re.MULTILINE)


def seconds(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize(("sum_of", "total"), BUDGET)
def test_each_line_adds_up(sum_of: str, total: str) -> None:
    numbers = re.sub(r"[A-Za-z<=]+", "", sum_of.replace("rounds of", "*"))
    assert re.fullmatch(r"[\d+*() ]+", numbers)
    assert eval(numbers) == seconds(total)


def test_the_whole_adds_up_and_the_execution_has_more() -> None:
    (total,) = re.findall(r"^#   sum ([\d,]+) s", TEXT, re.MULTILINE)
    assert sum(seconds(part) for _, part in BUDGET) == seconds(total)
    more = 9 * 270 + 7 * 1562
    assert len(TASKS) - len(PATIENT) == 9 and len(PATIENT) == 7
    assert seconds(total) + more < MACHINE["TimeoutSeconds"]


def test_every_task_is_counted_with_its_time_limit() -> None:
    found = {(n, int(limit)) for text, _ in BUDGET for n, limit in re.findall(r"([A-Z]\w+) (\d+)", text)}
    assert found == {(name, task["TimeoutSeconds"]) for name, task in TASKS.items()}


@pytest.mark.parametrize(
    ("pause", "choice", "limit"),
    [
        ("PauseForServices", None, UNDO_WAIT),
        ("PauseForRollout", "DecideRollout", rollout.LIMIT),
        ("PauseForCures", "DecideCures", cures.LIMIT),
        ("PauseForRestore", "DecideRestore", restore.LIMIT),
    ],
)
def test_a_wait_ends_by_the_clock_before_it_ends_by_its_count(
    pause: str, choice: str | None, limit: float
) -> None:
    wait, task = STATES[pause]["Seconds"], STATES[pause]["Next"]
    (rounds,) = re.findall(rf"(\d+) rounds of \(wait {wait} \+ {task} <=", TEXT)
    assert int(rounds) * wait >= limit
    if choice:
        (count,) = [
            r["NumericGreaterThanEquals"]
            for r in STATES[choice]["Choices"]
            if "checks" in r.get("Variable", "")
        ]
        assert int(rounds) == count


# The page


def test_the_page_has_every_word_and_where_it_goes() -> None:
    rows: dict[str, set[str]] = {}
    task = ""
    for named, words in re.findall(r"(?m)^\| ?(\w*) \| ((?:`[A-Z]+`(?:, )?)+) \|", PAGE):
        task = named or task
        rows.setdefault(task, set()).update(re.findall(r"`(\w+)`", words))
    assert rows == {
        source(choice): {*get_args(get_type_hints(struct)["next"])}
        for choice, (_, struct, _) in WORDS.items()
    }


def source(choice: str) -> str:
    """The Task before the Choice."""
    (name,) = [each for each, task in TASKS.items() if task["Next"] == choice and each != "AskHandover"]
    return name


def test_the_page_has_the_budget() -> None:
    shown = dict(re.findall(r"(?m)^\| ([a-z ]+) \| ([\d,]+) \|", PAGE))
    lines: dict[str, Any] = dict(re.findall(r"(?m)^#   (\S.*?)  +\S.*= +([\d,]+) s$", TEXT))
    assert shown == lines | {"sum": re.findall(r"sum ([\d,]+) s", TEXT)[0]}
