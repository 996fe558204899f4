"""How figures are counted and computed; that their page has all of them, and no machine's own time."""

from __future__ import annotations

import re

import pytest

from scripts.bench import page, prices, recovery, startup
from scripts.bench.paths import (
    ApiCall,
    Invocation,
    Run,
    depth,
    looks,
    straight_and_rounds,
    summarize,
    until_grant,
)
from scripts.bench.recovery import Story
from scripts.bench.startup import Start
from tests.template.cloudformation import load

KINDS = {
    "Diagnose": "Task",
    "Decide": "Choice",
    "Pause": "Wait",
    "Check": "Task",
    "Again": "Choice",
    "UndoRole": "Task",
    "UndoService": "Task",
    "DecideUndo": "Choice",
    "PauseForUndo": "Wait",
    "Done": "Succeed",
}
UNDO = ["UndoRole", "DecideUndo", "UndoService", "DecideUndo"]


def call(begin: float, end: float, operation: str = "GetRole") -> ApiCall:
    return ApiCall("iam", operation, begin, end, 0)


def run_of(states: list[str], invocations: list[Invocation]) -> Run:
    return Run("contain", "CONTAINED", states, KINDS, 0, invocations)


def test_a_round_is_a_wait_a_look_and_a_decision() -> None:
    states = ["Diagnose", "Decide", "Pause", "Check", "Again", "Pause", "Check", "Again", "Done"]
    straight, rounds = straight_and_rounds(states, KINDS)
    assert straight == ["Diagnose", "Decide", "Done"]
    assert rounds == {"Pause": 2}


def test_a_round_of_an_undo_looks_at_role_and_service() -> None:
    states = [*UNDO, "PauseForUndo", *UNDO, "PauseForUndo", *UNDO, "UndoRole", "DecideUndo", "Done"]
    straight, rounds = straight_and_rounds(states, KINDS)
    assert straight == [*UNDO, "UndoRole", "DecideUndo", "Done"]
    assert rounds == {"PauseForUndo": 2}


def test_calls_in_a_round_are_not_those_of_the_run_without_polling() -> None:
    states = ["Diagnose", "Decide", "Pause", "Check", "Again", "Check", "Again", "Done"]
    look = Invocation("check", (call(0, 1),), 1, 0)
    run = run_of(states, [Invocation("diagnose", (call(0, 1), call(1, 2)), 1, 0), look, look])
    assert looks(run) == [False, True, False]
    row = summarize([run])["runs"]["contain"]
    assert (row["calls"], row["callsPolling"], row["callsOf"]) == (3, 1, {"diagnose": 2, "check": 1})


def test_a_task_that_was_tried_again_cannot_be_counted() -> None:
    twice = [Invocation("diagnose", (), 1, 0)] * 2
    with pytest.raises(ValueError, match="2 invocations of 1 Tasks"):
        looks(run_of(["Diagnose", "Done"], twice))


def test_a_transaction_is_written_at_twice_the_price_of_each_item() -> None:
    puts = (
        ApiCall("dynamodb", "PutItem", 0, 1, 1025),
        ApiCall("dynamodb", "TransactWriteItems", 1, 2, 1500, 3),
    )
    run = run_of(["Diagnose", "Done"], [Invocation("diagnose", puts, 1, 0)])
    assert summarize([run])["runs"]["contain"]["writeUnits"] == 2 + 2 * 4


@pytest.mark.parametrize(
    ("calls", "deep"),
    [
        ([], 0),
        ([call(0, 1), call(1, 2), call(2, 3)], 3),
        ([call(0, 1), call(0, 1), call(0, 1.1)], 1),
        ([call(0, 3), call(0, 1), call(1.1, 2), call(3, 4)], 3),
    ],
    ids=["none", "in turn", "side by side", "a long one beside two short ones"],
)
def test_calls_that_overlap_count_once(calls: list[ApiCall], deep: int) -> None:
    assert depth(calls) == deep


def test_what_comes_after_the_grant_is_not_on_the_way_to_it() -> None:
    attach = (call(0, 1, "ListAttachedRolePolicies"), call(1, 2, "AttachRolePolicy"), call(2, 3))
    invocations = [Invocation("diagnose", (call(0, 1),), 1, 0), Invocation("attach", attach, 1, 0)]
    way = until_grant([*invocations, Invocation("confirm", (call(0, 1),), 1, 0)])
    assert [(each.function, len(each.calls)) for each in way] == [("diagnose", 1), ("attach", 2)]


def test_a_thousand_runs_cost_a_thousand_times_what_one_costs() -> None:
    run = {
        "entered": 50,
        "invocations": 20,
        "writeUnits": 18,
        "readUnits": 4,
        "publishes": 1,
        "logBytes": 500_000,
    }
    assert prices.of_a_thousand(run) == {
        "transitions": 1.25,
        "functions": 0.087,  # 20 * (0.0000002 + 0.5 * 0.5 * 0.0000166667) * 1000
        "journal": 0.012,
        "notices": 0.021,
        "logs": 0.25,
        "all": 1.62,
    }


def test_a_handler_is_measured_by_the_baselines_around_it() -> None:
    slow, slower = Start(0.2, 0.3, 0.1, ("dynamodb",)), Start(0.4, 0.6, 0.2, ("dynamodb",))
    handler = Start(0.36, 0.45, 0.2, ("ecs", "iam"))
    found = {
        "verify_health": [(slow, handler, slower)],
        "powertools": [(slow, slow, slow)],
        "rested": [(slow, slow, slow)],
        "baseline": [(slow, slow, slow), (slow, slower, slow), (slower, slow, slower)],
    }
    figures = startup.summarize(found)
    verify = figures["handlers"]["verify_health"]
    assert (verify["cpu"], verify["met"], verify["clients"]) == (1.2, False, ["ecs", "iam"])
    assert verify["withoutClients"] == 1.07
    assert figures["noise"]["cpu"] == 1.0
    assert figures["noise"]["cpuLow"] < 1 < figures["noise"]["cpuHigh"]


def test_a_run_that_was_not_contained_is_named_and_counts_for_no_percentile() -> None:
    stories = [
        Story(seed, way, service, "CONTAINED", 100.0 + seed, way == "always", 5.0)
        for seed in range(21)
        for way in recovery.WAYS
        for service in recovery.SERVICES
    ]
    stories.append(Story(21, "always", "worker", "ROLLED_BACK", 900.0, True, 55.0, "Not proved."))
    row = recovery.summarize(stories)["always"]["worker"]
    assert (row["p50"], row["p95"], row["most"], row["stories"]) == (110, 119, 120, 22)
    assert [each["seed"] for each in row["notContained"]] == [21]
    assert (row["redeployed"], row["leastLagRedeployed"]) == (22, 5.0)


def test_the_functions_are_priced_with_the_memory_that_the_template_gives_them() -> None:
    assert load("template.yaml")["Globals"]["Function"]["MemorySize"] == prices.GB * 1024


def test_the_page_has_every_figure() -> None:
    text = page.FILE.read_text("utf-8")
    runs = ("contain, redeploy always", "contain, redeploy if-needed", "refuse", "rollback", "cure")
    functions = ("open-incident", "diagnose", "capture-baseline", "attach-policies", "redeploy-service")
    rows = [*startup.HANDLERS, *runs, *functions, "close-incident"]
    assert [name for name in rows if f"\n| {name} |" not in text] == []
    ways = [f"\n| {way} | {service} |" for way in recovery.WAYS for service in recovery.SERVICES]
    assert [row for row in ways if row not in text] == []
    assert "200 seeded stories" in text
    assert re.findall(r"[{}]", text) == []


def test_the_page_has_no_time_of_the_machine_that_made_it() -> None:
    # All seconds in it are simulated, assumed or AWS's, and stand in the last two chapters.
    text = page.FILE.read_text("utf-8")
    measured = text[text.index("## Start of a handler") : text.index("## States, calls")]
    assert re.findall(r"\d ?(?:ms|s|seconds)\b", measured) == []
