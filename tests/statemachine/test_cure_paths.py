"""The arrows of a cure, of a grant's end, and of undos that cannot begin (see test_paths.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.scenarios.seeds import retainwise
from tests.statemachine.story import (
    ROLL_BACK,
    Arrange,
    Story,
    an_ended_run_holds,
    deny,
    deny_all,
    play,
    somebody_holds,
)
from tests.statemachine.world import OLD_ROLE, POLICY, WORKER, World, incident

CURE = {"service": WORKER, "mode": "cure"}


def contained(*more: Arrange) -> Arrange:
    """The worker is contained, and what happened after that; from there on changes count."""

    def arrange(world: World) -> None:
        world.contained = world.run().name
        for step in more:
            step(world)
        world.remember()

    return arrange


def of_the_grant(mode: str) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"mode": mode, "incident": world.contained}


def once(entered: str, step: Arrange, time: int = 1) -> Callable[[World, str], None]:
    """When the run is in that state for the n-th time."""
    seen: list[str] = []

    def meanwhile(world: World, state: str) -> None:
        if state == entered:
            seen.append(state)
            if len(seen) == time:
                step(world)

    return meanwhile


def both(first: Arrange, second: Arrange) -> Arrange:
    def arrange(world: World) -> None:
        first(world)
        second(world)

    return arrange


def on_the_right_role_already(world: World) -> None:
    """Somebody deployed a revision with the declared role, as Terraform does."""
    ecs = world.account.client("ecs")
    shape = ecs.describe_task_definition(taskDefinition=retainwise.WORKER)["taskDefinition"]
    output = ("taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities")
    given = {k: v for k, v in shape.items() if k not in (*output, "registeredAt", "registeredBy")}
    role = f"arn:aws:iam::{retainwise.ACCOUNT}:role/{retainwise.WORKER_ROLE}"
    new = ecs.register_task_definition(**given | {"taskRoleArn": role})["taskDefinition"]
    ecs.update_service(
        cluster=retainwise.CLUSTER, service=retainwise.WORKER, taskDefinition=new["taskDefinitionArn"]
    )
    world.after(300)


UNDONE = (
    f"ReattachPolicies > DecideReattach > {ROLL_BACK.partition(' > ')[2].partition(' > ')[2]} > RolledBack"
)

STORIES = {
    "cured": Story(
        "DecideLease > PlanCure > Decide > LeaseRole; CaptureBaseline > DecideChange > RegisterRevision"
        " > RedeployService; DecideHealth > WithdrawGrants > DecideWithdrawal > PauseForHealth",
        error=None,
        outcome="CURED",
        arrange=contained(),
        given=CURE,
        restored=False,
    ),
    "a cure of what is cured takes the grant that is left": Story(
        "DecideChange > WithdrawGrants",
        error=None,
        outcome="CURED",
        arrange=contained(on_the_right_role_already),
        given=CURE,
        restored=False,
    ),
    "the cure cannot be planned": Story(
        "PlanCure > CloseIncident; DecideOutcome > NothingChanged",
        error="NothingChanged",
        outcome=None,
        arrange=contained(deny("plan-cure", "iam", "GetRole")),
        given=CURE,
    ),
    "the revision cannot be registered": Story(
        f"RegisterRevision > {UNDONE}",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(deny("register-revision", "ecs", "RegisterTaskDefinition")),
        given=CURE,
    ),
    "the new revision cannot be proved": Story(
        "VerifyHealth > ReattachPolicies; CheckRestore > DecideRestore > DetachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(deny("verify-health", "logs", "FilterLogEvents")),
        given=CURE,
    ),
    "the grant cannot be taken off": Story(
        "WithdrawGrants > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(deny("withdraw-grants", "iam", "DetachRolePolicy")),
        given=CURE,
    ),
    "the role is another run's when the grant is to go": Story(
        "DecideWithdrawal > PauseForWithdrawal > WithdrawGrants",
        error=None,
        outcome="CURED",
        arrange=contained(),
        meanwhile=once("VerifyHealth", an_ended_run_holds(f"role/{OLD_ROLE}")),
        given=CURE,
        restored=False,
    ),
    "the role is another run's for too long when the grant is to go": Story(
        "DecideWithdrawal > ReattachPolicies; DecideRestore > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(),
        meanwhile=once("VerifyHealth", somebody_holds(f"role/{OLD_ROLE}")),
        given=CURE,
        restored=False,
    ),
    "the second proof fails while another run has the role": Story(
        "DecideReattach > PauseForReattach > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(),
        meanwhile=once(
            "DecideWithdrawal",
            both(an_ended_run_holds(f"role/{OLD_ROLE}"), deny("verify-health", "logs", "FilterLogEvents")),
        ),
        given=CURE,
    ),
    "another run has the role for as long as the grant is to be put back": Story(
        "DecideReattach > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(),
        meanwhile=once(
            "DecideWithdrawal",
            both(somebody_holds(f"role/{OLD_ROLE}"), deny("verify-health", "logs", "FilterLogEvents")),
        ),
        given=CURE,
        restored=False,
    ),
    "the grant cannot be put back": Story(
        "ReattachPolicies > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(
            deny_all(
                ("withdraw-grants", "iam", "DetachRolePolicy"), ("reattach-policies", "dynamodb", "Query")
            )
        ),
        given=CURE,
        restored=False,
    ),
    "the revision cannot be deregistered": Story(
        "DeregisterRevision > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(
            deny_all(
                ("check-rollout", "ecs", "DescribeServices"),
                ("deregister-revision", "ecs", "DeregisterTaskDefinition"),
            )
        ),
        given=CURE,
        restored=False,
    ),
    "a grant at its end is still needed, so it is put back": Story(
        "DecideLease > PlanExpiry > Decide > LeaseRole; DecideChange > WithdrawGrants > DecideWithdrawal"
        " > PauseForHealth; DecideHealth > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(),
        given=of_the_grant("expire"),
        restored=False,
    ),
    "a grant at its end that nobody lives on goes without a proof": Story(
        "DecideWithdrawal > CloseIncident",
        error=None,
        outcome="CURED",
        arrange=contained(on_the_right_role_already),
        given=of_the_grant("expire"),
        restored=False,
    ),
    "the end of a grant cannot be planned": Story(
        "PlanExpiry > CloseIncident; DecideOutcome > NothingChanged",
        error="NothingChanged",
        outcome=None,
        arrange=contained(deny("plan-expiry", "dynamodb", "Query")),
        given=of_the_grant("expire"),
    ),
    "an undo that cannot get its service pages a person": Story(
        "LeaseService > DecideUnleased > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(deny("lease-service", "dynamodb", "PutItem")),
        given=of_the_grant("rollback"),
    ),
    "an undo that nobody asked for waits for an hour, and then pages a person": Story(
        "DecideLease > DecideBusy > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(somebody_holds(f"service/{WORKER}")),
        given=lambda world: _end_of(world, "ABORTED"),
    ),
}


def _end_of(world: World, status: str) -> dict[str, Any]:
    """The event of the end of the run that contained, as if it had not reported."""
    contained = world.contained
    key = {"incident": {"S": contained}, "entry": {"S": "outcome"}}
    world.account.client("dynamodb").delete_item(TableName=world.outputs["JournalTable"], Key=key)
    detail = {"name": contained, "status": status, "stateMachineArn": world.machine, "input": "{}"}
    return {"detail-type": "Step Functions Execution Status Change", "detail": detail}


@pytest.mark.parametrize("name", STORIES)
def test_the_run_takes_its_way_and_ends_as_told(name: str) -> None:
    play(STORIES[name])


def test_what_is_put_back_has_one_more_period_and_says_that_the_cure_is_overdue() -> None:
    with incident() as world:
        contained()(world)
        before = world.account.client("scheduler").list_schedules(GroupName="regrant-grants")["Schedules"]
        world.after(3600)
        ended = world.run(of_the_grant("expire")(world))
        assert (ended.error, ended.report["receipt"]["equal"]) == ("RolledBack", True)
        assert "CURE_OVERDUE" in [finding["code"] for finding in ended.report["findings"]]
        assert POLICY.rsplit("/", 1)[-1] in world.attached()
        # Its own time had not come: the schedule is as it was.
        after = world.account.client("scheduler").list_schedules(GroupName="regrant-grants")["Schedules"]
        assert [each["Name"] for each in after] == [each["Name"] for each in before]
