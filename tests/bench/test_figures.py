"""How figures are counted and computed; that their page has all of them, and no machine's own time."""

from __future__ import annotations

import re

import pytest

from scripts.bench import page, prices, recovery, startup
from scripts.bench.paths import ApiCall, Invocation, depth, straight_and_rounds, until_grant
from scripts.bench.recovery import Story
from scripts.bench.startup import Start

KINDS = {
    "Diagnose": "Task",
    "Decide": "Choice",
    "Pause": "Wait",
    "Check": "Task",
    "Again": "Choice",
    "Done": "Succeed",
}


def call(begin: float, end: float, operation: str = "GetRole") -> ApiCall:
    return ApiCall("iam", operation, begin, end, 0)


def test_a_round_is_a_wait_a_look_and_a_decision() -> None:
    states = ["Diagnose", "Decide", "Pause", "Check", "Again", "Pause", "Check", "Again", "Done"]
    straight, rounds = straight_and_rounds(states, KINDS)
    assert straight == ["Diagnose", "Decide", "Done"]
    assert rounds == {"Pause": 2}


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
        "functions": 0.046,  # 20 * (0.0000002 + 0.25 * 0.5 * 0.0000166667) * 1000
        "journal": 0.012,
        "notices": 0.021,
        "logs": 0.25,
        "all": 1.58,
    }


def test_a_handler_is_measured_by_the_baselines_around_it() -> None:
    slow, slower = Start(0.2, 0.3, 0.1, ("dynamodb",)), Start(0.4, 0.6, 0.2, ("dynamodb",))
    handler = Start(0.36, 0.45, 0.2, ("ecs", "iam"))
    found = {
        "check_rollout": [(slow, handler, slower)],
        startup.PARSER: [(slow, handler, slow)],
        "powertools": [(slow, slow, slow)],
        "rested": [(slow, slow, slow)],
        "baseline": [(slow, slow, slow), (slow, slower, slow), (slower, slow, slower)],
    }
    figures = startup.summarize(found)
    rollout = figures["handlers"]["check_rollout"]
    assert (rollout["cpu"], rollout["met"], rollout["clients"]) == (1.2, False, ["ecs", "iam"])
    assert rollout["withoutClients"] == 1.07
    assert figures["handlers"][startup.PARSER]["aim"] == 1.45
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


def test_the_page_has_every_figure() -> None:
    text = page.FILE.read_text("utf-8")
    runs = ("contain, redeploy always", "contain, redeploy if-needed", "refuse", "rollback", "cure")
    rows = [*startup.HANDLERS, *runs, "attach-policies"]
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
