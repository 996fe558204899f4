"""Starting a build, tried again in every way, and reading what it came to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from regrant.errors import AwsUnavailable
from regrant.handover.build import config_of, start_build
from regrant.handover.read import expected, read_build
from regrant.handover.result import judge_result, read_result
from regrant.model.handover import (
    Action,
    BuildEvent,
    Captured,
    Cures,
    HandoverEvent,
    HandoverState,
    Kept,
    Reading,
    Restore,
    ServiceMark,
)
from regrant.model.journal import Change
from tests.unit.fakes import DEFINITION, OLD_DEPLOYMENT, OLD_ROLE, OPENED, WORKER, at
from tests.unit.handover.world import (
    ASKED,
    NAME,
    OPENED_STATE,
    PLANNED,
    RUN,
    SHA,
    SPEC,
    TASKS,
    Handing,
    done,
    failed,
)

MARK = ServiceMark(WORKER, DEFINITION, OLD_ROLE, OLD_DEPLOYMENT, DEFINITION)


def start(world: Handing, action: Action = "plan", token: str = "token", state: HandoverState = ASKED) -> str:
    return start_build(BuildEvent(state, at(10), NAME, action, token), world)


def read(world: Handing, build: Any, state: HandoverState = OPENED_STATE, seconds: float = 300) -> Reading:
    return read_build(HandoverEvent(replace(state, build=build), at(seconds), NAME), world)


def test_a_second_try_leaves_the_build_of_the_first_and_gives_it_its_token() -> None:
    world = Handing()
    assert start(world, token="first") == start(world, token="second")
    assert world.work.written[f"{NAME}/plan.token"] == "second"
    assert len(world.builds.known) == 1


def test_a_build_whose_start_was_not_heard_is_found() -> None:
    world = Handing()
    world.builds.response_lost = True
    with pytest.raises(AwsUnavailable):
        start(world)
    world.builds.response_lost = False
    assert start(world) in world.builds.known and len(world.builds.known) == 1


def test_a_build_that_ended_before_it_could_answer_is_started_again() -> None:
    world = Handing()
    first = start(world)
    world.builds.end(first, "FAILED")
    assert start(world) != first
    assert [change.target for change in world.journal.load(RUN).changes] == [
        f"plan/1 of {NAME}",
        f"plan/2 of {NAME}",
    ]


def test_each_action_gets_what_it_needs_and_the_same_state() -> None:
    world = Handing()
    kept = Kept(SPEC, OPENED, (MARK,))
    configs = {
        action: config_of(ASKED, action, kept, world, ())
        for action in ("import", "plan", "apply", "drift", "undo")
    }
    state = {
        "bucket": "retainwise-terraform-state",
        "key": "prod/terraform.tfstate",
        "table": "retainwise-terraform-locks",
        "lockfile": False,
    }
    assert all(config["state"] == state for config in configs.values())
    own = {action: set(config) - set(configs["plan"]) for action, config in configs.items()}
    assert own == {
        "import": {"imports"},
        "plan": set(),
        "apply": {"approved"},
        "drift": set(),
        "undo": {"undo"},
    }
    assert configs["apply"]["approved"] == SHA and configs["undo"]["undo"] == {TASKS: DEFINITION}


def test_an_undo_frees_the_lock_of_the_last_build_that_did_not_end_well() -> None:
    world = Handing()
    first = start(world, "apply")
    world.builds.ended_at = at(60)
    world.builds.end(first, "STOPPED")
    world.work.written[f"{NAME}/apply.who"] = "root@ip-10-0-0-1"
    start(world, "undo")
    config = json.loads(world.work.written[f"{NAME}/undo.json"])
    assert config["ended_run"] == {"who": "root@ip-10-0-0-1", "began": OPENED, "ended": at(60)}


def test_no_lock_is_freed_of_a_build_that_is_not_known_to_have_ended() -> None:
    world = Handing()
    start(world, "apply")
    world.work.written[f"{NAME}/apply.who"] = "root@ip-10-0-0-1"
    start(world, "undo")
    assert "ended_run" not in json.loads(world.work.written[f"{NAME}/undo.json"])


def test_a_build_that_ended_well_may_have_left_the_lock_that_it_refused_itself() -> None:
    world = Handing()
    world.builds.end(start(world, "plan"))
    world.work.written[f"{NAME}/plan.who"] = "root@ip-10-0-0-1"
    start(world, "undo")
    assert "ended_run" in json.loads(world.work.written[f"{NAME}/undo.json"])


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (OPENED_STATE, "import"),
        (replace(OPENED_STATE, reading=Reading("PLAN", at(1), "import")), "plan"),
        (replace(ASKED, captured=Captured(at(1), "")), "apply"),
        (replace(ASKED, captured=Captured(at(1), ""), cures=Cures("DRIFT", 1, at(1), at(1))), "drift"),
        (replace(ASKED, restore=Restore("UNDO", 1, at(1), at(1), asked=1)), "undo"),
        (replace(ASKED, restore=Restore("BUILD", 1, at(1), at(1))), None),
        (replace(OPENED_STATE, reading=Reading("WAIT", at(1), "plan")), "plan"),
        (replace(OPENED_STATE, reading=Reading("WAIT", at(1))), None),
        (HandoverState(replace(OPENED_STATE.handover, mode="undo")), None),
    ],
)
def test_which_build_a_result_is_of_is_known_by_where_the_run_is(
    state: HandoverState, action: Action | None
) -> None:
    assert expected(state) == action


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        "DONE",
        {},
        {"action": "plan"},
        {"action": "plan", "status": "MAYBE"},
        {"action": "plan", "status": "DONE", "changes": [{"address": "x" * 513}]},
        {"action": "plan", "status": "DONE", "changes": [{"address": "x"}] * 501},
        {"action": "plan", "status": "DONE", "empty": "true"},
        {"action": "apply", "status": "DONE"},
        {"action": "prepare", "status": "DONE"},
        {"Error": "States.Timeout", "Cause": None},
        {"Error": 1},
    ],
)
def test_what_is_no_result_of_the_plan_is_none(sent: Any) -> None:
    assert isinstance(read_result(sent, "plan"), str)


@pytest.mark.parametrize("sha", [None, "", "x" * 64, SHA[:-1], SHA.upper()])
def test_a_plan_without_a_hash_is_asked_about_by_nobody(sha: str | None) -> None:
    reading = read(Handing(), {**PLANNED, "sha256": sha}, _planning())
    assert reading.next == "REMOVE" and reading.refusal is not None and reading.plan is None


def _planning() -> HandoverState:
    return replace(OPENED_STATE, reading=Reading("PLAN", at(1), "import"))


def test_what_the_runner_says_is_shown_on_one_line_and_without_what_nobody_sees() -> None:
    said = failed("plan", "PLAN_REFUSED\n", "aws_x.y\u202e: would change\n" + "tags " * 300)
    reading = read(Handing(), said, _planning())
    assert reading.refusal is not None
    text = reading.refusal.message
    assert "\n" not in text and "\\u202e" in text and len(text) < 700
    assert "an error without a code" in text


def test_a_silent_build_is_stopped_and_nothing_goes_on_before_it_has_ended() -> None:
    world = Handing()
    world.builds.stops = 2
    build = start(world, "import", state=OPENED_STATE)
    timeout = {"Error": "States.Timeout", "Cause": ""}
    first = read(world, timeout)
    second = read(world, timeout, replace(OPENED_STATE, reading=first))
    third = read(world, timeout, replace(OPENED_STATE, reading=second))
    fourth = read(world, timeout, replace(OPENED_STATE, reading=third))
    assert [each.next for each in (first, second, third, fourth)] == ["WAIT", "WAIT", "WAIT", "RESTORE"]
    assert [first.checks, second.checks, third.checks] == [1, 2, 3]
    (change,) = world.journal.load(RUN).changes
    assert (change.value, change.undone_at) == (build, OPENED) and fourth.killed


@pytest.mark.parametrize(("seconds", "word"), [(240, "WAIT"), (310, "RESTORE")])
def test_what_ran_in_a_stopped_build_has_a_while_to_end_in(seconds: float, word: str) -> None:
    world = Handing()
    world.builds.end(start(world, "import", state=OPENED_STATE), "STOPPED")
    assert read(world, {"Error": "States.Timeout"}, seconds=seconds).next == word


@pytest.mark.parametrize(("seconds", "word"), [(100, "WAIT"), (200, "RESTORE")])
def test_a_build_that_codebuild_does_not_show_may_still_be_about_to_begin(seconds: float, word: str) -> None:
    world = Handing()
    world.journal.intend(RUN, Change("build", f"import/1 of {NAME}", "", at(10)))
    assert read(world, {"Error": "Runtime.ExitError"}, seconds=seconds).next == word


def test_an_apply_that_has_failed_is_undone_only_once_its_build_has_ended() -> None:
    world = Handing()
    state = replace(ASKED, captured=Captured(at(1), ""))
    build = start(world, "apply", state=state)
    said = failed("apply", "TERRAFORM_FAILED")
    waiting = read(world, said, state)
    world.builds.end(build)
    ended = read(world, said, replace(state, reading=waiting))
    assert [waiting.next, ended.next] == ["WAIT", "RESTORE"]
    assert [finding.code for finding in ended.findings] == ["APPLY_FAILED"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (done("drift", empty=True), "NO_DRIFT"),
        (done("drift", empty=False, changes=[{"address": "aws_x.y", "actions": ["update"]}]), "DRIFT"),
        (failed("drift", "ACCESS_DENIED"), "DRIFT_UNKNOWN"),
    ],
)
def test_a_drift_changes_no_outcome(sent: Any, code: str) -> None:
    result = read_result(sent, "drift")
    assert not isinstance(result, str)
    reading = judge_result(result, "drift", at(1))
    assert (reading.next, [finding.code for finding in reading.findings]) == ("CLOSE", [code])


def test_an_answer_is_to_its_own_plan_and_does_not_come_along() -> None:
    state = replace(ASKED, captured=Captured(at(1), ""))
    assert state.reading is not None
    answered = replace(state, reading=replace(state.reading, answer={"approved": True}))
    reading = read(Handing(), done("apply"), answered)
    assert (reading.next, reading.answer, reading.plan) == ("CHECK", UNSET, state.reading.plan)
