"""What the definition promises, read from its text: names, words, retries, catches and bounds."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from regrant import errors
from regrant.leases import LIFE
from regrant.model.journal import Outcome
from regrant.model.results import PAUSE, BaselineMark, Health, Undo, Withdrawal
from regrant.model.run import (
    AskEvent,
    CloseEvent,
    Diagnosis,
    Failure,
    Incident,
    OpenEvent,
    Report,
    RunState,
    StepEvent,
)
from regrant.report.approval import TIME_LIMIT
from tests.statemachine.definition import (
    MACHINE,
    PATIENT,
    STATES,
    TASKS,
    TEXT,
    catches_everything,
    cycles,
    reachable,
    rules,
    sources,
    targets,
)
from tests.template.cloudformation import OPTIONAL, ROOT, load

TEMPLATE = load("template.yaml")
OUR_ERRORS = {
    name
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.RegrantError) and kind is not errors.RegrantError
}
# Step Functions developer guide, Error names; Handling transient Lambda service exceptions.
AWS_ERRORS = {
    "States.ALL",
    "States.Timeout",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",  # a time-out or a crash that Lambda gives no name to
    "Sandbox.Timedout",
    "Runtime.ExitError",  # the process died; not on the page, but what a crash is called
}
# Handlers that are no step of a run.
BESIDE = {"answer_approval", "audit_grants", "list_grants"}
# The only state that waits for a person, with a task token.
ASKING = "AskApproval"
EVENTS = {"OpenIncident": OpenEvent, ASKING: AskEvent, "CloseIncident": CloseEvent}
CONTEXT = {
    "state.$": "$",
    "now.$": "$$.State.EnteredTime",
    "input.$": "$$.Execution.Input",
    "execution.$": "$$.Execution.Name",
    "started.$": "$$.Execution.StartTime",
    "token.$": "$$.Task.Token",
}
ENDS = {"CloseIncident", "PageOperator"}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


# Size


def test_the_graph_stays_small() -> None:
    arrows = {(name, target) for name in STATES for target in targets(name)}
    assert len(STATES) <= 30 and len(arrows) <= 62
    assert len(TEXT.splitlines()) <= 420


def test_every_state_is_reached() -> None:
    assert reachable(MACHINE["StartAt"]) == set(STATES)


@pytest.mark.parametrize("name", STATES)
def test_every_state_says_what_it_is_for(name: str) -> None:
    assert re.search(r"[.?]$", STATES[name]["Comment"].strip())


# Errors and retries


@pytest.mark.parametrize("key", ["Retry", "Catch"])
def test_every_error_name_is_ours_or_a_documented_one(key: str) -> None:
    named = {error for _, rule in rules(key) for error in rule["ErrorEquals"]}
    assert named <= OUR_ERRORS | AWS_ERRORS


def test_every_failure_that_says_it_is_retried_is_retried() -> None:
    tree = dict(re.findall(r"── (\w+) +(not retried|retried)", errors.__doc__ or ""))
    assert set(tree) == OUR_ERRORS
    retried = {error for _, rule in rules("Retry") for error in rule["ErrorEquals"]} & OUR_ERRORS
    assert retried == {name for name, note in tree.items() if note == "retried"}


@pytest.mark.parametrize("name", sorted(set(TASKS) - PATIENT))
def test_the_common_retry_is_the_same_everywhere_and_comes_first(name: str) -> None:
    assert TASKS[name]["Retry"][0] == TASKS["Diagnose"]["Retry"][0]


@pytest.mark.parametrize("name", sorted(PATIENT))
def test_the_undo_is_as_patient_everywhere_and_tries_again_what_the_others_do(name: str) -> None:
    first = TASKS[name]["Retry"][0]
    assert first == TASKS["UndoRole"]["Retry"][0]
    assert first["ErrorEquals"] == TASKS["Diagnose"]["Retry"][0]["ErrorEquals"]


def test_the_common_retry_names_what_may_pass() -> None:
    common = set(TASKS["OpenIncident"]["Retry"][0]["ErrorEquals"])
    assert common == (AWS_ERRORS - {"States.ALL", "States.Timeout"}) | {"AwsUnavailable"}


def test_every_retry_is_bounded() -> None:
    most = {name: 15 if name in PATIENT else 8 for name in TASKS}
    assert [n for n, rule in rules("Retry") if not 1 <= rule.get("MaxAttempts", 99) <= most[n]] == []


# Steps, functions, events


@pytest.mark.parametrize("name", TASKS)
def test_every_task_gets_what_its_function_reads_and_no_more(name: str) -> None:
    task = TASKS[name]
    given = task["Parameters"]
    if name == ASKING:
        assert task["Resource"] == "${InvokeAndWaitForToken}"
        assert given["FunctionName"] == f"${{{name}FunctionArn}}"
        given = given["Payload"]
    else:
        assert task["Resource"] == f"${{{name}FunctionArn}}"
    fields = EVENTS.get(name, StepEvent).__struct_fields__
    assert given == {f"{field}.$": CONTEXT[f"{field}.$"] for field in fields}


@pytest.mark.parametrize("name", TASKS)
def test_every_task_writes_one_key_of_the_runs_state(name: str) -> None:
    # The opened incident replaces the input; an answer stands in its plan; the report is the last key.
    keys = {*(f"$.{field}" for field in RunState.__struct_fields__), "$.report"}
    expected = {MACHINE["StartAt"]: {"$"}, ASKING: {"$.diagnosis.answer"}}.get(name, keys)
    assert TASKS[name]["ResultPath"] in expected


@pytest.mark.parametrize("name", TASKS)
def test_the_function_gives_up_before_its_state_does(name: str) -> None:
    # Sandbox.Timedout is retried; States.Timeout would not be.
    default = TEMPLATE["Globals"]["Function"]["Timeout"]
    function = TEMPLATE["Resources"][f"{name}Function"]["Properties"].get("Timeout", default)
    assert function < TASKS[name]["TimeoutSeconds"]


def test_every_task_has_its_handler_and_the_reverse() -> None:
    folder = ROOT / "functions" / "handlers"
    handlers = {path.stem for path in folder.rglob("[!_]*.py") if path.parent.name != "handover"}
    assert handlers - BESIDE == set(map(snake, TASKS))


def test_every_task_has_its_function_and_the_reverse() -> None:
    functions = {
        name: resource["Properties"]["Handler"]
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function" and resource.get("Condition") != OPTIONAL
    }
    steps = {f"{name}Function": f"handlers.{snake(name)}.handler" for name in TASKS}
    beside = {name for name, handler in functions.items() if handler.split(".")[-2] in BESIDE}
    assert {name: each for name, each in functions.items() if name not in beside} == steps


def test_every_task_has_an_event_to_be_tried_with() -> None:
    assert {snake(name) for name in TASKS} <= {path.stem for path in (ROOT / "events").glob("*.json")}


def test_the_events_are_json_objects() -> None:
    for path in sorted((ROOT / "events").glob("*.json")):
        assert isinstance(json.loads(path.read_text()), dict), Path(path).name


# Words

# Which struct has the word that the Choice compares, and which of its words go to the Default.
WORDS: dict[str, tuple[str, type[msgspec.Struct], set[str]]] = {
    "DecideMode": ("$.incident", Incident, {"CLOSE"}),
    "DecidePlan": ("$.diagnosis", Diagnosis, {"PLAN", "NOTHING_TO_FIX", "REFUSE"}),
    "DecideChange": ("$.baseline", BaselineMark, {"CLOSE"}),
    "DecideHealth": ("$.health", Health, {"WAIT"}),
    "DecideWithdrawal": ("$.withdrawal", Withdrawal, {"WAIT"}),
    "DecideUndo": ("$.undo", Undo, {"WAIT"}),
}


def conditions(rule: dict[str, Any]) -> list[dict[str, Any]]:
    """The comparisons of a rule, which may be several."""
    whole = {key: value for key, value in rule.items() if key != "Next"}
    return list(whole.get("And", whole.get("Or", [whole])))


@pytest.mark.parametrize("name", WORDS)
def test_each_word_of_a_step_is_mapped_to_a_state_or_goes_to_the_default(name: str) -> None:
    key, struct, others = WORDS[name]
    words = set(get_args(get_type_hints(struct)["next"]))
    compared = [
        condition["StringEquals"]
        for rule in STATES[name]["Choices"]
        for condition in conditions(rule)
        if condition["Variable"] == f"{key}.next"
    ]
    assert len(compared) == len(set(compared))
    assert words - set(compared) == others and set(compared) <= words


def test_every_choice_but_the_last_compares_the_word_of_the_step_before_it() -> None:
    choices = {name for name, state in STATES.items() if state["Type"] == "Choice"}
    assert choices - set(WORDS) == {"DecideOutcome"}
    assert "ROLLED_BACK" in get_args(Outcome)


def test_what_is_compared_is_never_left_out_of_a_result() -> None:
    # A variable that is not there ends the execution where no Catch sees it.
    waiting = msgspec.to_builtins(BaselineMark("WAIT", "", checks=1))
    assert (waiting["next"], waiting["checks"]) == ("WAIT", 1)
    assert (
        msgspec.to_builtins(Health("PENDING", "", checks=0)).items() >= {"next": "WAIT", "checks": 0}.items()
    )


def test_a_run_begins_with_the_wait_before_its_first_look() -> None:
    assert STATES["PauseForHealth"]["SecondsPath"] == "$.health.wait"
    assert Health("PENDING", "", checks=0).wait == PAUSE == 20


# Loops


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if state["Type"] == "Wait"])
def test_each_loop_is_a_task_a_choice_and_a_wait(name: str) -> None:
    task = STATES[name]["Next"]
    choice = STATES[task]["Next"]
    assert (STATES[task]["Type"], STATES[choice]["Type"]) == ("Task", "Choice")
    assert name in targets(choice)


def written_on(cycle: tuple[str, ...], variable: str) -> bool:
    return any(variable.startswith(TASKS[name]["ResultPath"]) for name in cycle if name in TASKS)


def leaves(cycle: tuple[str, ...], rule: dict[str, Any], stays: list[dict[str, Any]]) -> bool:
    """The rule ends the cycle for good: a count that a Task on it raises, or a result that one writes.

    stays: what holds in any case where the cycle goes round once more.
    """
    if rule["Next"] in cycle or "Or" in rule:
        return False
    left = [condition for condition in conditions(rule) if condition not in stays]
    if len(left) != 1 or not written_on(cycle, left[0]["Variable"]):
        return False
    # While a deployment is waited for Diagnose counts its looks, and nothing else.
    count = ".looks" if "PauseForDeployment" in cycle else ".checks"
    counted = str(left[0]["Variable"]).endswith(count) and "NumericGreaterThanEquals" in left[0]
    return counted or left[0].get("IsPresent") is True


# OpenIncident itself counts the seconds since the execution's start.
BY_THE_CLOCK = ("OpenIncident", "DecideMode", "PauseForService")


@pytest.mark.parametrize("cycle", sorted(cycles()), ids="-".join)
def test_every_way_round_has_a_way_out(cycle: tuple[str, ...]) -> None:
    if cycle == BY_THE_CLOCK:
        return
    ways_out = []
    for name, following in pairwise((*cycle, cycle[0])):
        choices = STATES[name].get("Choices", [])
        (stays,) = [conditions(rule) for rule in choices if rule["Next"] == following][:1] or [[]]
        ways_out += [rule for rule in choices if leaves(cycle, rule, stays)]
    assert ways_out


def test_without_a_wait_only_the_plan_the_question_and_the_undos_halves_go_round() -> None:
    rounds = [cycle for cycle in cycles() if "CloseIncident" not in cycle]
    assert {cycle for cycle in rounds if not any(STATES[name]["Type"] == "Wait" for name in cycle)} == {
        ("Diagnose", "DecidePlan", "CaptureBaseline"),
        ("DecidePlan", "AskApproval"),
        ("UndoRole", "DecideUndo"),
        ("UndoService", "DecideUndo"),
    }


def test_a_plan_is_made_three_times_at_most() -> None:
    first = STATES["DecidePlan"]["Choices"][0]
    assert first == {"Variable": "$.diagnosis.checks", "NumericGreaterThanEquals": 4, "Next": "CloseIncident"}


# From the first change on

FIRST_CHANGES = {"AttachPolicies", "RedeployService", "WithdrawGrants"}
CHANGING = set().union(*map(reachable, FIRST_CHANGES)) & set(TASKS)
UNDOING = reachable("UndoRole") & set(TASKS) - ENDS


def test_an_undo_has_these_steps() -> None:
    assert {"UndoRole", "UndoService", "ConfirmBaseline"} == UNDOING
    assert UNDOING | ENDS | {MACHINE["StartAt"]} == PATIENT


def test_nothing_before_the_baseline_can_change_anything() -> None:
    assert reachable("OpenIncident", without="CaptureBaseline") & FIRST_CHANGES == set()
    # What comes round again after CaptureBaseline had no more to change.
    assert targets("CaptureBaseline") == {"DecideChange", "Diagnose", "CloseIncident"}


def test_nothing_is_changed_before_the_baseline_is_kept() -> None:
    assert targets("DecideChange") == FIRST_CHANGES | {"PauseForRole", "CloseIncident"}
    assert sources("DecideChange") == {"CaptureBaseline"}
    assert sources("AttachPolicies") == {"DecideChange"}
    assert sources("RedeployService") == sources("WithdrawGrants") == {"DecideChange", "DecideHealth"}


@pytest.mark.parametrize("name", sorted(CHANGING - UNDOING - ENDS))
def test_from_the_first_change_on_every_failure_is_undone(name: str) -> None:
    assert catches_everything(name) == "UndoRole"


@pytest.mark.parametrize("name", sorted(UNDOING))
def test_an_undo_that_fails_pages_a_person(name: str) -> None:
    assert catches_everything(name) == "PageOperator"


def test_every_undo_begins_with_what_was_withdrawn_and_is_confirmed_at_its_end() -> None:
    undo = UNDOING | {"DecideUndo", "PauseForUndo"}
    begins = {target for name in set(STATES) - undo for target in targets(name) & undo}
    assert begins == {"UndoRole"}
    assert sources("UndoService") == sources("ConfirmBaseline") == {"DecideUndo"}
    assert targets("DecideUndo") == {*undo - {"DecideUndo"}, "PageOperator"}


def test_a_run_that_cannot_be_recorded_is_undone_and_after_the_undo_paged() -> None:
    assert catches_everything("CloseIncident") == "DecideOutcome"
    # A failure has no outcome.
    assert "outcome" in Report.__struct_fields__ and "outcome" not in Failure.__struct_fields__
    unrecorded = {"Variable": "$.report.outcome", "IsPresent": False}
    paged, undone, nothing, *_ = STATES["DecideOutcome"]["Choices"]
    assert paged == {
        "And": [unrecorded, {"Variable": "$.receipt", "IsPresent": True}],
        "Next": "PageOperator",
    }
    assert undone == {
        "And": [unrecorded, {"Variable": "$.baseline.sha256", "IsPresent": True}],
        "Next": "UndoRole",
    }
    assert nothing == unrecorded | {"Next": "NothingChanged"}


def test_a_page_that_fails_still_ends_as_an_incomplete_rollback() -> None:
    assert targets("PageOperator") == {"RollbackIncomplete"} == {catches_everything("PageOperator")}


def test_a_caught_failure_keeps_the_run_so_far() -> None:
    # Without a ResultPath the error would replace the state, and the undo could not find its incident.
    # OpenIncident has no run so far: CloseIncident takes the error for one.
    lost = [name for name, rule in rules("Catch") if not str(rule.get("ResultPath", "$")).startswith("$.")]
    assert lost == ["OpenIncident"]
    assert set(Failure.__struct_fields__) == {"Error", "Cause"}


def test_a_run_that_cannot_be_opened_is_closed_and_an_undo_that_cannot_begin_pages_a_person() -> None:
    assert catches_everything("OpenIncident") == "CloseIncident"
    page = {"Variable": "$.incident.next", "StringEquals": "PAGE", "Next": "PageOperator"}
    assert page in STATES["DecideMode"]["Choices"]


# Approval


def test_a_person_is_asked_for_as_long_as_the_question_says() -> None:
    assert TASKS[ASKING]["TimeoutSeconds"] == TIME_LIMIT


def test_only_a_plan_that_needs_no_yes_or_a_plain_yes_is_carried_out() -> None:
    _, _, change, yes, answered, ask, _ = STATES["DecidePlan"]["Choices"]
    assert change == {"Variable": "$.diagnosis.next", "StringEquals": "CHANGE", "Next": "CaptureBaseline"}
    assert yes == {
        "And": [
            {"Variable": "$.diagnosis.answer.approved", "IsPresent": True},
            {"Variable": "$.diagnosis.answer.approved", "BooleanEquals": True},
        ],
        "Next": "CaptureBaseline",
    }
    assert answered == {"Variable": "$.diagnosis.answer", "IsPresent": True, "Next": "CloseIncident"}
    assert (ask["Next"], STATES["DecidePlan"]["Default"]) == (ASKING, "CloseIncident")


def test_no_answer_is_no_error_and_neither_is_a_no_by_send_task_failure() -> None:
    """Its error is anything, or null; only what the function and Lambda fail by is a failure of the run."""
    failed, answered = STATES[ASKING]["Catch"]
    assert set(failed["ErrorEquals"]) == (AWS_ERRORS - {"States.ALL", "States.Timeout"}) | {
        "AwsUnavailable",
        "AwsRefused",
    }
    assert (answered["ErrorEquals"], answered["Next"]) == (["States.ALL"], "CloseIncident")
    assert answered["ResultPath"] == TASKS[ASKING]["ResultPath"]


# Ends


def failed_ends() -> Iterator[tuple[str, str]]:
    return ((name, state["Error"]) for name, state in STATES.items() if state["Type"] == "Fail")


def test_a_failed_end_has_a_name_of_its_own() -> None:
    assert all(name == error for name, error in failed_ends())
    assert not {name for name, _ in failed_ends()} & OUR_ERRORS


def test_no_end_of_the_definition_starts_an_undo() -> None:
    pattern = TEMPLATE["Resources"]["EndedRunRule"]["Properties"]["EventPattern"]
    (but,) = [
        way["error"][0]["anything-but"] for way in pattern["detail"]["$or"] if "anything-but" in str(way)
    ]
    assert set(but) == {name for name, _ in failed_ends()}


def test_no_lease_ends_while_its_run_may_go_on() -> None:
    assert MACHINE["TimeoutSeconds"] < LIFE
