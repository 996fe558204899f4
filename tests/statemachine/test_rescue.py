"""A run that ends without its own undo is undone by the event of its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import yaml

from sandbox.engine.faults import Effect
from tests.statemachine.world import ALWAYS, OLD_ROLE, World, incident


def executions(world: World) -> list[dict[str, Any]]:
    """All that have ended or not, the oldest first, with what they were given and what they told."""
    sfn = world.account.client("stepfunctions")
    listed = sfn.list_executions(stateMachineArn=world.machine)["executions"]
    shown = [sfn.describe_execution(executionArn=each["executionArn"]) for each in listed]
    return sorted(shown, key=lambda each: each["startDate"])


def stopping_at(world: World, state: str) -> Any:
    """Stop whatever runs when the first run is seen in that state."""
    done: list[str] = []

    def meanwhile(entered: str) -> None:
        if entered == state and not done:
            done.append(entered)
            for each in executions(world):
                if each["status"] == "RUNNING":
                    world.account.client("stepfunctions").stop_execution(executionArn=each["executionArn"])

    return meanwhile


def somebody_has_the_role(world: World, seconds: float) -> None:
    ends = world.account.clock.now() + timedelta(seconds=seconds)
    item = {
        "incident": f"lease#role/{OLD_ROLE}",
        "entry": "lease",
        "held_by": "a-run-that-goes-on",
        "taken_at": "2026-03-02T09:00:00.000Z",
        "ends_at": ends.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    world.account.client("dynamodb").put_item(
        TableName=world.outputs["JournalTable"], Item={key: {"S": value} for key, value in item.items()}
    )


def report(execution: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(execution.get("output") or execution.get("cause") or "{}")
    return told


@pytest.mark.parametrize("state", ["PauseForRollout", "PauseForHealth"])
def test_a_run_that_is_stopped_is_undone_by_itself(state: str) -> None:
    with incident() as world:
        stopped = world.run(meanwhile=stopping_at(world, state))
        assert stopped.status == "ABORTED"
        world.after(600)
        (_, undo) = executions(world)
        told = report(undo)
        assert (undo["status"], undo["error"], told["outcome"]) == ("FAILED", "RolledBack", "ROLLED_BACK")
        assert told["receipt"]["equal"] is True
        # The stopped run's last function may go on for up to a minute.
        assert (undo["stopDate"] - undo["startDate"]).total_seconds() >= 60
        assert world.changed() == []


def changed(world: World, change: Callable[[dict[str, Any]], object]) -> None:
    """From here on the state machine has another definition, whose runs end where no Catch sees it."""
    sfn = world.account.client("stepfunctions")
    shown = sfn.describe_state_machine(stateMachineArn=world.machine)
    definition = yaml.safe_load(shown["definition"])
    change(definition)
    sfn.update_state_machine(stateMachineArn=world.machine, definition=json.dumps(definition))


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
def test_a_run_that_ends_where_no_catch_sees_it_is_undone_by_itself(
    change: Callable[[dict[str, Any]], object], status: str, error: str | None
) -> None:
    with incident() as world:
        sfn = world.account.client("stepfunctions")
        whole = sfn.describe_state_machine(stateMachineArn=world.machine)["definition"]
        changed(world, change)
        ended = world.run()
        assert (ended.status, ended.error) == (status, error)
        sfn.update_state_machine(stateMachineArn=world.machine, definition=whole)
        world.after(900)
        told = report(executions(world)[-1])
        assert (told["outcome"], told["receipt"]["equal"]) == ("ROLLED_BACK", True)
        assert world.changed() == []


def test_an_undo_that_dies_is_begun_again() -> None:
    with incident() as world:
        sfn = world.account.client("stepfunctions")
        whole = sfn.describe_state_machine(stateMachineArn=world.machine)["definition"]
        first = world.run(meanwhile=stopping_at(world, "PauseForHealth"))
        changed(world, lambda definition: definition.update(TimeoutSeconds=30))
        world.after(45)  # the undo, which waits for the stopped run's last function, hits its limit
        sfn.update_state_machine(stateMachineArn=world.machine, definition=whole)
        world.after(900)
        ends = [each["status"] for each in executions(world)]
        assert (first.status, ends[:2]) == ("ABORTED", ["ABORTED", "TIMED_OUT"])
        assert report(executions(world)[-1])["outcome"] == "ROLLED_BACK"
        assert world.changed() == []


def test_a_run_that_its_own_undo_ended_starts_nothing_more() -> None:
    with incident() as world:
        world.deny("attach-policies", "iam", "AttachRolePolicy")
        assert world.run().error == "RolledBack"
        world.after(300)
        assert len(executions(world)) == 1


def test_an_undo_by_hand_that_is_stopped_goes_on_by_itself() -> None:
    with incident() as world:
        contained = world.run()
        somebody_has_the_role(world, seconds=40)
        sfn = world.account.client("stepfunctions")
        given = json.dumps({"mode": "rollback", "incident": contained.name})
        arn = sfn.start_execution(stateMachineArn=world.machine, input=given)["executionArn"]
        world.after(20)
        sfn.stop_execution(executionArn=arn)
        world.after(1)
        assert sfn.describe_execution(executionArn=arn)["status"] == "ABORTED"
        world.after(600)
        assert report(executions(world)[-1])["outcome"] == "ROLLED_BACK"
        assert world.changed() == []


def test_a_run_whose_close_fails_after_its_report_and_that_is_stopped_in_its_undo_is_undone() -> None:
    with incident() as world:
        # The report is written, and then the function dies, however often it is tried.
        world.account.faults.add(
            Effect.CRASH_AFTER,
            "dynamodb",
            "TransactWriteItems",
            function="regrant-close-incident",
            times=ALWAYS,
        )
        world.account.clock.call_later(100, lambda: somebody_has_the_role(world, seconds=300))
        stopped = world.run(meanwhile=stopping_at(world, "PauseForRestore"))
        assert (stopped.status, stopped.path[-1]) == ("ABORTED", "PauseForRestore")
        assert "CloseIncident" in stopped.path
        world.account.faults.clear()
        world.after(900)
        assert report(executions(world)[-1])["outcome"] == "ROLLED_BACK"
        assert world.changed() == []


def test_an_undo_that_was_begun_by_an_end_and_is_stopped_stays_stopped() -> None:
    with incident() as world:
        world.run(meanwhile=stopping_at(world, "PauseForRollout"))
        world.after(30)  # the undo waits for the stopped run's last function
        sfn = world.account.client("stepfunctions")
        (_, undo) = executions(world)
        sfn.stop_execution(executionArn=undo["executionArn"])
        world.after(300)
        (*_, last) = executions(world)
        assert (len(executions(world)), report(last)["outcome"]) == (3, "REFUSED")
        assert report(last)["findings"][-1]["code"] == "UNDO_STOPPED"
