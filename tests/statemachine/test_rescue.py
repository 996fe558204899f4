"""A run that ends without its own undo is undone by the event of its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.statemachine.happenings import (
    ROLE,
    change_definition,
    crash_after,
    somebody_holds,
    stop_what_runs,
    when,
    when_sampled,
)
from tests.statemachine.story import OnState
from tests.statemachine.world import Ended, World, incident, report_of


def last_report(world: World) -> dict[str, Any]:
    return report_of(world.executions()[-1])


def stopped_in_its_proof(world: World) -> Ended:
    return world.run(on_state=when_sampled(stop_what_runs))


@pytest.mark.parametrize(
    "stop",
    [when("PauseForHealth", stop_what_runs), when_sampled(stop_what_runs)],
    ids=["in the rollout", "in the proof"],
)
def test_a_run_that_is_stopped_is_undone_automatically(stop: OnState) -> None:
    with incident() as world:
        stopped = world.run(on_state=stop)
        assert stopped.status == "ABORTED"
        world.after(600)
        (_, undo) = world.executions()
        report = report_of(undo)
        assert (undo["status"], undo["error"], report["outcome"]) == ("FAILED", "RolledBack", "ROLLED_BACK")
        assert report["receipt"]["equal"] is True
        # The stopped run's last function may go on for up to a minute.
        assert (undo["stopDate"] - undo["startDate"]).total_seconds() >= 60
        assert world.changed() == []


def too_large(definition: dict[str, Any]) -> None:
    """As Step Functions ends an execution whose data is too large, which no Catch of States.ALL catches.

    The interpreter has no such limit, and takes no reserved name (States.DataLimitExceeded) in a Fail state.
    """
    fail = {"Type": "Fail", "Error": "DataLimitExceeded", "Cause": "too large"}
    definition["States"]["VerifyHealth"] = fail


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        (lambda definition: definition.update(TimeoutSeconds=70), "TIMED_OUT", None),
        (
            lambda definition: definition["States"]["DecideHealth"].update(InputPath="$.nowhere"),
            "FAILED",
            "States.Runtime",
        ),
        (too_large, "FAILED", "DataLimitExceeded"),
    ],
    ids=["timed out", "runtime error", "payload too large"],
)
def test_a_run_that_ends_where_no_catch_sees_it_is_undone_automatically(
    change: Callable[[dict[str, Any]], object], status: str, error: str | None
) -> None:
    with incident() as world:
        change_back = change_definition(world, change)
        ended = world.run()
        assert (ended.status, ended.error) == (status, error)
        change_back()
        world.after(900)
        report = last_report(world)
        assert (report["outcome"], report["receipt"]["equal"]) == ("ROLLED_BACK", True)
        assert world.changed() == []


def test_an_undo_that_dies_is_begun_again() -> None:
    with incident() as world:
        first = stopped_in_its_proof(world)
        change_back = change_definition(world, lambda definition: definition.update(TimeoutSeconds=30))
        world.after(45)  # the undo, which waits for the stopped run's last function, hits its limit
        change_back()
        world.after(900)
        ends = [each["status"] for each in world.executions()]
        assert (first.status, ends[:2]) == ("ABORTED", ["ABORTED", "TIMED_OUT"])
        assert last_report(world)["outcome"] == "ROLLED_BACK"
        assert world.changed() == []


def test_a_run_that_its_own_undo_ended_starts_nothing_more() -> None:
    with incident() as world:
        world.deny("attach-policies", "iam", "AttachRolePolicy")
        assert world.run().error == "RolledBack"
        world.after(300)
        assert len(world.executions()) == 1


def test_a_run_that_could_not_be_opened_starts_nothing_more() -> None:
    with incident() as world:
        world.deny("open-incident", "ssm", "GetParameters")
        assert world.run().error == "NothingChanged"
        world.after(300)
        assert len(world.executions()) == 1


def test_an_undo_by_hand_that_is_stopped_goes_on_automatically() -> None:
    with incident() as world:
        contained = world.run()
        somebody_holds(ROLE, seconds=40)(world)
        sfn = world.account.client("stepfunctions")
        given = json.dumps({"mode": "rollback", "incident": contained.name})
        arn = sfn.start_execution(stateMachineArn=world.machine, input=given)["executionArn"]
        world.after(20)
        sfn.stop_execution(executionArn=arn)
        world.after(1)
        assert sfn.describe_execution(executionArn=arn)["status"] == "ABORTED"
        world.after(600)
        assert last_report(world)["outcome"] == "ROLLED_BACK"
        assert world.changed() == []


def test_a_run_whose_close_fails_after_its_report_and_that_is_stopped_in_its_undo_is_undone() -> None:
    with incident() as world:
        crash_after("close-incident", "dynamodb", "TransactWriteItems")(world)
        # Until some time after the last try.
        world.account.clock.call_later(100, partial(somebody_holds(ROLE, seconds=1100), world))
        stopped = world.run(on_state=when("PauseForUndo", stop_what_runs))
        assert (stopped.status, stopped.path[-1]) == ("ABORTED", "PauseForUndo")
        assert "CloseIncident" in stopped.path
        world.account.faults.clear()
        world.after(900)
        assert last_report(world)["outcome"] == "ROLLED_BACK"
        assert world.changed() == []


def test_an_undo_that_was_begun_by_an_end_and_is_stopped_stays_stopped() -> None:
    with incident() as world:
        stopped_in_its_proof(world)
        world.after(30)  # the undo waits for the stopped run's last function
        stop_what_runs(world)
        world.after(300)
        (_, undo, last) = world.executions()
        assert undo["status"] == "ABORTED"
        assert report_of(last)["outcome"] == "REFUSED"
        assert report_of(last)["findings"][-1]["code"] == "UNDO_STOPPED"
