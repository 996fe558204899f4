"""Several runs at the same time: one works on a service and the others name it; a role is changed in turn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from regrant.opening.open import UNDO_WAIT
from sandbox.scenarios.seeds import retainwise
from tests.statemachine.happenings import (
    ROLE,
    SERVICE,
    contained,
    end_of_the_grants_run,
    somebody_holds,
    the_workloads_rest,
)
from tests.statemachine.world import ALWAYS, WORKER, World, incident, report_of

BACKEND = f"{retainwise.CLUSTER}/{retainwise.BACKEND}"


def started(world: World, *inputs: dict[str, str]) -> list[dict[str, Any]]:
    """Start them all at the same time, wait until all have ended, and read their reports in that order."""
    sfn = world.account.client("stepfunctions")
    arns = [
        sfn.start_execution(stateMachineArn=world.machine, name=f"run-{n}", input=json.dumps(given))[
            "executionArn"
        ]
        for n, given in enumerate(inputs)
    ]

    def shown(arn: str) -> dict[str, Any]:
        answer: dict[str, Any] = sfn.describe_execution(executionArn=arn)
        return answer

    world.account.clock.run(
        until=lambda: all(shown(arn)["status"] != "RUNNING" for arn in arns), limit=2 * 3600
    )
    return [report_of(shown(arn)) for arn in arns]


def test_of_two_runs_for_one_service_one_works_and_the_other_names_it() -> None:
    with incident() as world:
        reports = started(world, {"service": WORKER}, {"service": WORKER})
        assert sorted(report["outcome"] for report in reports) == ["CONTAINED", "REFUSED"]
        worked, refused = sorted(reports, key=lambda report: str(report["outcome"]))
        finding = refused["findings"][-1]
        assert finding["code"] == "SERVICE_BUSY"
        assert worked["incident"] in finding["text"]
        assert world.mutations() == ["iam:AttachRolePolicy", "ecs:UpdateService"]


def test_two_services_on_one_role_change_it_one_after_the_other() -> None:
    with incident() as world:
        sending = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.SEND}"
        world.account.client("iam").detach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=sending)
        world.after(60)
        reports = started(world, {"service": WORKER}, {"service": BACKEND})
        assert [report["outcome"] for report in reports] == ["CONTAINED", "CONTAINED"]
        spans = sorted(
            (min(times), max(times))
            for report in reports
            for times in [[t for c in report["changes"] for t in (c["intended_at"], c["done_at"])]]
        )
        assert spans[0][1] < spans[1][0]


def test_a_busy_role_is_asked_for_every_three_seconds() -> None:
    with incident() as world:
        somebody_holds(ROLE, seconds=30)(world)
        ended = world.run()
        assert ended.outcome == "CONTAINED"
        assert 9 <= ended.path.count("PauseForRole") <= 11


@pytest.mark.parametrize(("seconds", "rounds"), [(0, 240), (45, 60)], ids=["quick", "slow"])
def test_an_undo_waits_for_its_service_an_hour_by_the_clock(seconds: float, rounds: int) -> None:
    with incident() as world:
        contained(somebody_holds(SERVICE), the_workloads_rest)(world)
        world.account.faults.slow("regrant-open-incident", seconds, times=ALWAYS)
        ended = world.run(end_of_the_grants_run("ABORTED")(world))
        assert (ended.error, ended.codes[-1]) == ("RollbackIncomplete", "SERVICE_BUSY")
        assert UNDO_WAIT <= ended.seconds <= UNDO_WAIT + 120
        assert ended.path.count("PauseForService") == rounds
