"""What somebody gains who may start runs, and makes up the end of one, or undoes what is long over."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.test_forger import event, only
from tests.statemachine.world import WORKER, World, incident, report_of


def forged_end(world: World, run: dict[str, Any]) -> dict[str, Any]:
    """The event that Step Functions would send, had the run been stopped."""
    given = event("ended-run")
    detail = {"name": run["name"], "executionArn": run["executionArn"], "stateMachineArn": world.machine}
    about = {"resources": [run["executionArn"]]} if "resources" in given else {}
    return given | about | {"detail": given["detail"] | detail | {"status": "ABORTED", "input": "{}"}}


def test_the_end_of_a_run_that_goes_on_cannot_be_made_up() -> None:
    """Two runs would change one service: the forged undo, after a minute, and the run itself."""
    with incident() as world:
        forged = list[str]()

        def attack(world: World, entered: str) -> None:
            if entered != "PauseForHealth" or forged:
                return
            (run,) = world.executions()
            sfn = only(world, "states:StartExecution", world.machine)
            given = json.dumps(forged_end(world, run))
            forged.append(sfn.start_execution(stateMachineArn=world.machine, input=given)["executionArn"])

        assert world.run(on_state=attack).outcome == "CONTAINED"
        world.after(300)
        report = report_of(world.account.client("stepfunctions").describe_execution(executionArn=forged[0]))
        assert report["outcome"] == "NOTHING_TO_FIX"
        assert "RUN_NOT_ENDED" in [finding["code"] for finding in report["findings"]]
        assert world.granted() and world.mutations() == ["iam:AttachRolePolicy", "ecs:UpdateService"]
        assert world.run({"service": WORKER}).outcome == "NOTHING_TO_FIX"


def test_undoing_a_run_again_and_again_keeps_no_alarm_from_starting_one() -> None:
    with incident() as world:
        assert world.run().outcome == "CONTAINED"
        undo = {"mode": "rollback", "incident": world.executions()[0]["name"]}
        assert world.run(undo).outcome == "ROLLED_BACK"
        world.after(23 * 3600)
        assert world.run(undo).outcome == "ROLLED_BACK"
        world.after(2 * 3600)
        assert "RECENTLY_UNDONE" not in world.run(event("alarm")).codes
