"""Several runs at once: one works on a service, the others end and say which; a role is worked on in turn."""

from __future__ import annotations

import json
from typing import Any

from sandbox.scenarios.seeds import retainwise
from tests.statemachine.world import WORKER, World, incident

BACKEND = f"{retainwise.CLUSTER}/{retainwise.BACKEND}"


def started(world: World, *inputs: dict[str, str]) -> list[dict[str, Any]]:
    """Start them all at once, wait until all have ended, and read their reports in the same order."""
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
    reports = []
    for arn in arns:
        answer = shown(arn)
        reports.append(json.loads(answer.get("output") or answer.get("cause") or "{}"))
    return reports


def test_of_two_runs_for_one_service_one_works_and_the_other_names_it() -> None:
    with incident() as world:
        reports = started(world, {"service": WORKER}, {"service": WORKER})
        assert sorted(report["outcome"] for report in reports) == ["CONTAINED", "REFUSED"]
        worked, refused = sorted(reports, key=lambda report: str(report["outcome"]))
        finding = refused["findings"][-1]
        assert finding["code"] == "SERVICE_BUSY"
        assert worked["incident"] in finding["text"]
        assert world.mutations() == ["iam:AttachRolePolicy", "ecs:UpdateService"]


def test_two_services_on_one_role_are_worked_on_one_after_the_other() -> None:
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
