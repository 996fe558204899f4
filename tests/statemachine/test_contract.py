"""What the definition promises, read from its text: names, retries, catches, bounds and the time budget."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from regrant import errors
from regrant.leases import LIFE
from regrant.report.approval import TIME_LIMIT
from tests.template.cloudformation import ROOT, load

DEFINITION = ROOT / "statemachine" / "runbook.asl.yaml"
TEXT = DEFINITION.read_text()
MACHINE: dict[str, Any] = yaml.safe_load(TEXT)
STATES: dict[str, dict[str, Any]] = MACHINE["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
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
BESIDE = {"audit_grants"}
# The only state that waits for a person, with a task token.
ASKING = "AskApproval"
PARAMETERS = {"state.$": "$", "now.$": "$$.State.EnteredTime", "execution.$": "$$.Execution.Name"}


def rules(key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in STATES.items():
        for rule in state.get(key, []):
            yield name, rule


def targets(name: str) -> set[str]:
    state = STATES[name]
    named = {state.get("Next"), state.get("Default")}
    return {*named, *(rule["Next"] for key in ("Choices", "Catch") for rule in state.get(key, []))} - {None}


def reachable(start: str, without: str | None = None) -> set[str]:
    found, left = {without} if without else set[str](), {start}
    while left:
        name = left.pop()
        found.add(name)
        left |= targets(name) - found
    return found


def cycles() -> set[tuple[str, ...]]:
    """Every way round, once: starting at its first state in the order of the file."""
    order = {name: number for number, name in enumerate(STATES)}
    found = set()

    def walk(path: tuple[str, ...]) -> None:
        for target in targets(path[-1]):
            if target == path[0]:
                found.add(path)
            elif order[target] > order[path[0]] and target not in path:
                walk((*path, target))

    for name in STATES:
        walk((name,))
    return found


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def catches_everything(name: str) -> str | None:
    """Where a failure of the state goes."""
    return next(
        (c["Next"] for c in STATES[name].get("Catch", []) if c["ErrorEquals"] == ["States.ALL"]), None
    )


@pytest.mark.parametrize("key", ["Retry", "Catch"])
def test_every_error_name_is_ours_or_a_documented_one(key: str) -> None:
    named = {error for _, rule in rules(key) for error in rule["ErrorEquals"]}
    assert named <= OUR_ERRORS | AWS_ERRORS


def test_every_failure_that_says_it_is_retried_is_retried() -> None:
    tree = dict(re.findall(r"── (\w+) +(not retried|retried)", errors.__doc__ or ""))
    assert set(tree) == OUR_ERRORS
    retried = {error for _, rule in rules("Retry") for error in rule["ErrorEquals"]} & OUR_ERRORS
    assert retried == {name for name, note in tree.items() if note == "retried"}


@pytest.mark.parametrize("name", TASKS)
def test_the_standard_retry_is_the_same_everywhere_and_comes_first(name: str) -> None:
    assert TASKS[name]["Retry"][0] == TASKS["OpenIncident"]["Retry"][0]


def test_the_standard_retry_names_what_may_pass() -> None:
    standard = set(TASKS["OpenIncident"]["Retry"][0]["ErrorEquals"])
    assert standard == (AWS_ERRORS - {"States.ALL", "States.Timeout"}) | {"AwsUnavailable"}


def test_every_retry_is_bounded() -> None:
    assert [name for name, rule in rules("Retry") if not 1 <= rule.get("MaxAttempts", 99) <= 8] == []


@pytest.mark.parametrize("name", STATES)
def test_every_state_says_what_it_is_for(name: str) -> None:
    assert re.search(r"[.?]$", STATES[name]["Comment"].strip())


@pytest.mark.parametrize("name", TASKS)
def test_every_task_gets_the_same_and_writes_one_key(name: str) -> None:
    task = TASKS[name]
    if name == "PageUnopened":  # there is no run so far, and its input may be anything
        assert task["Parameters"] == {
            "error.$": "$",
            "input.$": "$$.Execution.Input",
            "execution.$": "$$.Execution.Name",
        }
    elif name == ASKING:
        assert task["Resource"] == "${InvokeAndWaitForToken}"
        payload = PARAMETERS | {"token.$": "$$.Task.Token"}
        assert task["Parameters"] == {"FunctionName": f"${{{name}FunctionArn}}", "Payload": payload}
    else:
        assert task["Resource"] == f"${{{name}FunctionArn}}"
        assert task["Parameters"] == PARAMETERS
    # The opened incident replaces the input; everything after it adds one key.
    pattern = {MACHINE["StartAt"]: r"\$", "PageUnopened": "None"}.get(name, r"\$\.[a-z]+")
    assert re.fullmatch(pattern, str(task["ResultPath"]))


@pytest.mark.parametrize("name", TASKS)
def test_the_function_gives_up_before_its_state_does(name: str) -> None:
    # Sandbox.Timedout is retried; States.Timeout would not be.
    default = TEMPLATE["Globals"]["Function"]["Timeout"]
    function = TEMPLATE["Resources"][f"{name}Function"]["Properties"].get("Timeout", default)
    assert function < TASKS[name]["TimeoutSeconds"]


def test_every_task_has_its_handler_and_the_reverse() -> None:
    handlers = {path.stem for path in (ROOT / "functions" / "handlers").glob("[!_]*.py")}
    assert handlers - BESIDE == set(map(snake, TASKS))


def test_every_task_has_its_function_and_the_reverse() -> None:
    functions = {
        name: resource["Properties"]["Handler"]
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    steps = {f"{name}Function": f"handlers.{snake(name)}.handler" for name in TASKS}
    beside = {name for name, handler in functions.items() if handler.split(".")[1] in BESIDE}
    assert {name: each for name, each in functions.items() if name not in beside} == steps


def test_every_task_has_an_event_to_be_tried_with() -> None:
    assert {snake(name) for name in TASKS} <= {path.stem for path in (ROOT / "events").glob("*.json")}


FIRST_CHANGES = {"AttachPolicies", "RegisterRevision", "WithdrawGrants"}
CHANGING = set().union(*map(reachable, FIRST_CHANGES)) & set(TASKS)
UNDOING = reachable("ReattachPolicies") & set(TASKS) - {"CloseIncident", "PageOperator"}


def test_an_undo_has_these_steps() -> None:
    assert {
        "ReattachPolicies",
        "RestoreService",
        "CheckRestore",
        "DetachPolicies",
        "DeregisterRevision",
        "ConfirmBaseline",
    } == UNDOING


@pytest.mark.parametrize("name", sorted(CHANGING - UNDOING - {"CloseIncident", "PageOperator"}))
def test_from_the_first_change_on_every_failure_is_rolled_back(name: str) -> None:
    assert catches_everything(name) == "ReattachPolicies"


@pytest.mark.parametrize("name", sorted(UNDOING))
def test_a_rollback_that_fails_pages_a_person(name: str) -> None:
    assert catches_everything(name) == "PageOperator"


def test_a_run_that_cannot_be_recorded_is_undone_and_after_the_undo_paged() -> None:
    assert catches_everything("CloseIncident") == "DecideUnclosed"
    assert targets("DecideUnclosed") == {"PageOperator", "ReattachPolicies", "NothingChanged"}
    assert STATES["DecideUnclosed"]["Choices"][0] == {
        "Variable": "$.receipt",
        "IsPresent": True,
        "Next": "PageOperator",
    }


def test_a_page_that_fails_still_ends_as_an_incomplete_rollback() -> None:
    assert targets("PageOperator") == {"RollbackIncomplete"} == {catches_everything("PageOperator")}


def test_a_caught_failure_keeps_the_run_so_far() -> None:
    # Without a ResultPath the error would replace the state, and the rollback could not find its incident.
    # OpenIncident has no run so far: its state is the input, which may be anything.
    lost = [n for n, rule in rules("Catch") if not str(rule.get("ResultPath", "$")).startswith("$.")]
    assert lost == ["OpenIncident", "PageUnopened"]
    assert STATES["PageUnopened"]["Catch"][0]["ResultPath"] is None


def test_an_undo_that_cannot_begin_pages_a_person() -> None:
    assert catches_everything("OpenIncident") == "PageUnopened"
    assert catches_everything("LeaseService") == "DecideUnleased"
    assert STATES["DecideUnleased"]["Choices"] == [
        {"Variable": "$.incident.mode", "StringEquals": "rollback", "Next": "PageOperator"}
    ]
    assert STATES["DecideBusy"]["Choices"] == [
        {"Variable": "$.incident.ended", "IsString": True, "Next": "PageOperator"}
    ]


def test_nothing_before_the_baseline_can_change_anything() -> None:
    before = reachable("OpenIncident", without="CaptureBaseline")
    assert before & FIRST_CHANGES == set()
    # What comes round again after CaptureBaseline had no more to change.
    assert targets("CaptureBaseline") == {"DecideChange", "DecideLease", "CloseIncident"}


def test_a_person_is_asked_for_as_long_as_the_question_says() -> None:
    assert TASKS[ASKING]["TimeoutSeconds"] == TIME_LIMIT


def test_only_a_plain_yes_carries_the_plan_out() -> None:
    (yes,) = STATES["DecideApproval"]["Choices"]
    assert yes["And"] == [
        {"Variable": "$.answer.approved", "IsPresent": True},
        {"Variable": "$.answer.approved", "BooleanEquals": True},
    ]
    assert STATES["DecideApproval"]["Default"] == "CloseIncident"


def test_no_answer_is_no_error() -> None:
    (silence, _) = STATES[ASKING]["Catch"]
    assert (silence["ErrorEquals"], silence["Next"]) == (["States.Timeout"], "CloseIncident")
    assert silence["ResultPath"] == "$.answer"


def test_no_lease_ends_while_its_run_may_go_on() -> None:
    assert MACHINE["TimeoutSeconds"] < LIFE


def test_nothing_is_changed_before_the_baseline_is_kept() -> None:
    assert targets("DecideChange") == FIRST_CHANGES
    assert [name for name in STATES if "DecideChange" in targets(name)] == ["CaptureBaseline"]
    assert [name for name in STATES if "AttachPolicies" in targets(name)] == ["DecideChange"]
    assert [name for name in STATES if "RegisterRevision" in targets(name)] == ["DecideChange"]


def test_the_service_comes_back_before_its_policies_go() -> None:
    assert {name for name in STATES if "DetachPolicies" in targets(name)} == {"DecideRestore"}
    assert STATES["DetachPolicies"]["Next"] == "DeregisterRevision"
    assert STATES["DeregisterRevision"]["Next"] == "ConfirmBaseline"
    assert "DetachPolicies" not in targets("RestoreService")


def test_what_was_withdrawn_is_back_before_anything_restarts() -> None:
    assert {name for name in STATES if "RestoreService" in targets(name)} == {"DecideReattach"}
    assert targets("DecideReattach") == {"RestoreService", "PauseForReattach", "PageOperator"}


def test_a_service_that_never_settles_does_not_keep_the_policies_but_another_runs_role_is_left_alone() -> (
    None
):
    assert targets("DecideRestore") == {"DetachPolicies", "PauseForRestore", "PageOperator"}
    (busy,) = [rule for rule in STATES["DecideRestore"]["Choices"] if rule["Next"] == "PageOperator"]
    assert busy["And"][0] == {"Variable": "$.restore.waits_for", "IsString": True}


def written_on(cycle: tuple[str, ...], variable: str) -> bool:
    return any(variable.startswith(TASKS[name]["ResultPath"]) for name in cycle if name in TASKS)


def leaves(cycle: tuple[str, ...], rule: dict[str, Any]) -> bool:
    """The rule ends the cycle for good: a count that a Task on it raises, or a result that one writes."""
    if "And" in rule:
        return False
    counted = str(rule["Variable"]).endswith(".checks") and "NumericGreaterThanEquals" in rule
    written = rule.get("IsPresent") is True
    return rule["Next"] not in cycle and (counted or written) and written_on(cycle, rule["Variable"])


@pytest.mark.parametrize("cycle", sorted(cycles()), ids="-".join)
def test_every_way_round_has_a_way_out(cycle: tuple[str, ...]) -> None:
    choices = [rule for name in cycle for rule in STATES[name].get("Choices", [])]
    assert any(leaves(cycle, rule) for rule in choices)


def test_before_a_run_is_closed_only_its_waits_its_plan_and_its_second_proof_go_round() -> None:
    rounds = [set(cycle) for cycle in cycles() if "CloseIncident" not in cycle]
    waits = [cycle for cycle in rounds if any(STATES[name]["Type"] == "Wait" for name in cycle)]
    planning = [cycle for cycle in rounds if "DecideLease" in cycle and cycle not in waits]
    assert all("CaptureBaseline" in cycle for cycle in planning)
    assert [cycle for cycle in rounds if cycle not in waits and cycle not in planning] == []
    # A cure withdraws once, after its first proof: `$.withdrawal` is there then.
    (once,) = [rule for rule in STATES["DecideHealth"]["Choices"] if rule["Next"] == "WithdrawGrants"]
    assert once["And"][0] == {"Variable": "$.withdrawal", "IsPresent": False}


def test_a_failed_end_has_a_name_of_its_own() -> None:
    fails = {name: state["Error"] for name, state in STATES.items() if state["Type"] == "Fail"}
    assert all(name == error for name, error in fails.items())
    assert not set(fails) & OUR_ERRORS


def test_every_state_is_reached() -> None:
    assert reachable(MACHINE["StartAt"]) == set(STATES)


# The head comment's budget: `#   <part>  <sum of numbers> = <seconds> s`.
BUDGET = re.findall(r"^#   \S.*?  +(.+?) += +([\d,]+) s$", TEXT, re.MULTILINE)


def seconds(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize(("sum_of", "total"), BUDGET)
def test_each_line_of_the_time_budget_adds_up(sum_of: str, total: str) -> None:
    sums = sum_of.replace("rounds of", "*").replace(" and ", " + ")
    numbers = re.sub(r"[A-Za-z<=]+", "", sums)
    assert re.fullmatch(r"[\d+*() ]+", numbers)
    assert eval(numbers) == seconds(total)


def test_the_time_budget_adds_up_and_the_execution_has_more() -> None:
    (total,) = re.findall(r"^#   sum ([\d,]+) s", TEXT, re.MULTILINE)
    assert sum(seconds(part) for _, part in BUDGET) == seconds(total)
    ((tries, more),) = re.findall(r"(\d+) of them ([\d,]+) s", TEXT)
    assert int(tries) == len(TASKS) and seconds(more) == len(TASKS) * 270
    assert seconds(total) + seconds(more) < MACHINE["TimeoutSeconds"]


def test_the_time_budget_counts_every_task() -> None:
    counted = {name for sum_of, _ in BUDGET for name in re.findall(r"[A-Z]\w+", sum_of)}
    assert counted == set(TASKS)


def test_the_time_budget_has_the_definitions_time_limits() -> None:
    for sum_of, _ in BUDGET:
        for name, limit in re.findall(r"([A-Z]\w+) (\d+)", sum_of):
            assert (name, int(limit)) == (name, TASKS[name]["TimeoutSeconds"])


@pytest.mark.parametrize(
    ("task", "pause", "decide"),
    [
        ("CheckRollout", "PauseForRollout", "DecideRollout"),
        ("VerifyHealth", "PauseForHealth", "DecideHealth"),
        ("CheckRestore", "PauseForRestore", "DecideRestore"),
        ("LeaseService", "PauseForService", "DecideLease"),
        ("LeaseRole", "PauseForRole", "DecideRole"),
        ("WithdrawGrants", "PauseForWithdrawal", "DecideWithdrawal"),
        ("ReattachPolicies", "PauseForReattach", "DecideReattach"),
    ],
)
def test_the_time_budget_has_the_definitions_loops(task: str, pause: str, decide: str) -> None:
    pattern = rf"(\d+) rounds of \(wait (\d+) \+ {task} <= \d+\)"
    ((rounds, wait),) = [found for sum_of, _ in BUDGET for found in re.findall(pattern, sum_of)]
    choices = [r for r in STATES[decide]["Choices"] if "checks" in r.get("Variable", "")]
    (bound,) = [rule["NumericGreaterThanEquals"] for rule in choices]
    assert (int(rounds), int(wait)) == (bound, STATES[pause]["Seconds"])


@pytest.mark.parametrize("task", ["ConfirmAccess", "ConfirmBaseline"])
def test_the_time_budget_covers_the_retries_for_iams_lag(task: str) -> None:
    retrier = TASKS[task]["Retry"][1]
    delays = [
        min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** n, retrier["MaxDelaySeconds"])
        for n in range(retrier["MaxAttempts"])
    ]
    pattern = rf"{task} \d+ and its retries (\d+)"
    (allowed,) = [found for sum_of, _ in BUDGET for found in re.findall(pattern, sum_of)]
    assert sum(delays) <= int(allowed)


def test_the_events_are_json_objects() -> None:
    for path in sorted((ROOT / "events").glob("*.json")):
        assert isinstance(json.loads(path.read_text()), dict), Path(path).name
