"""What an account limits: how many requests it may send, and what one search of a log shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from sandbox.account import LocalAccount
from sandbox.scenarios.play import play
from sandbox.scenarios.results import Result
from sandbox.scenarios.scenarios import SCENARIOS
from sandbox.scenarios.screen import ending
from sandbox.scenarios.seeds import retainwise
from tests.statemachine.world import World, incident

GROUP = f"/ecs/{retainwise.WORKER}"


def throttled(name: str) -> Result:
    """The scenario, where others use up the account's request rates."""
    with LocalAccount() as account:
        return play(account, replace(SCENARIOS[name], others=SCENARIOS["throttled"].others))


def test_a_run_that_is_throttled_all_the_way_is_contained_and_says_how_often() -> None:
    result = throttled("throttled")
    assert [run.outcome for run in result.runs] == ["CONTAINED"]
    shown = "\n".join(ending(SCENARIOS["throttled"], result, 1.0))
    for function in ("diagnose", "attach-policies", "verify-health"):
        assert f"{result.throttled[function]} of {function}" in shown


def test_an_undo_that_is_throttled_all_the_way_restores_the_account() -> None:
    result = throttled("rolled-back")
    assert result.complaints == []
    assert result.account_before == result.account_after
    (run,) = result.runs
    assert run.report["receipt"]["equal"]
    assert {"attach-policies", "verify-health", "undo-role", "confirm-baseline"} <= result.throttled.keys()


def old_streams(world: World, count: int) -> None:
    """Of tasks that ran before those of today."""
    logs = world.account.client("logs")
    for number in range(count):
        stream = f"ecs/worker/{number:032x}"
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)


def reads(world: World) -> Counter[str]:
    """How many searches of the log, and lists of tasks, each function asked for."""
    return Counter(
        f"{(call.function or '').removeprefix('regrant-')} {call.operation}"
        for call in world.account.calls
        if call.function and call.operation in ("FilterLogEvents", "ListTasks")
    )


def test_hundreds_of_old_streams_are_not_gone_through() -> None:
    with incident() as world:
        old_streams(world, 300)
        ended = world.run()
        assert ended.outcome == "CONTAINED"
        found = reads(world)
        # One page by prefix, which is empty; both kinds of tasks; one page of those.
        assert (found["diagnose FilterLogEvents"], found["diagnose ListTasks"]) == (2, 2)
        assert "MISSING_ATTACHMENT" in ended.codes


def test_a_log_without_old_streams_costs_diagnose_one_search() -> None:
    with incident() as world:
        assert world.run().outcome == "CONTAINED"
        found = reads(world)
        assert (found["diagnose FilterLogEvents"], found["diagnose ListTasks"]) == (1, 0)
