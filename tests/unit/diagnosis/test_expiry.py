"""The end of a grant's time: what the service is doing then, and whether the grant may go."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from regrant.baseline.drift import ROUNDS
from regrant.model.aws import TaskDefinition
from regrant.model.run import Diagnosis, Incident, RunState
from regrant.report.left_over import LeftOver
from regrant.report.next_step import next_step
from regrant.settings import Settings
from tests.unit.cure import (
    BACKEND,
    DAY,
    EXPIRY,
    LATER,
    UNDO_OF_EXPIRY,
    another_grant,
    granted,
    let_go,
    planned,
    run,
    undo,
)
from tests.unit.fakes import (
    BACKEND_ROLE,
    DEFINITION,
    INCIDENT,
    NEWER_DEFINITION,
    OLD_ROLE,
    QUEUE,
    RECEIVE,
    REGION,
    ROUTE,
    RUNNING,
    SEND,
    WORKER,
    WORKER_ROLE,
    World,
    at,
)
from tests.unit.run import Run, seconds_of


def plan(world: World, incident: Incident = EXPIRY, checks: int = 1) -> Diagnosis:
    return planned(world, incident, DAY, checks)


def finding(diagnosis: Diagnosis, code: str) -> str:
    return next(each.text for each in diagnosis.findings if each.code == code)


def test_a_service_that_still_runs_on_the_grant_is_tried_without_it() -> None:
    diagnosis = plan(granted())
    assert diagnosis.next == "CHANGE" and diagnosis.plan is not None
    assert (diagnosis.plan.withdraw, diagnosis.plan.watch, diagnosis.plan.postpone) == (
        (RECEIVE,),
        True,
        None,
    )
    assert f"by run {INCIDENT} has expired" in finding(diagnosis, "GRANT_EXPIRED")
    assert "still runs with retainwise-ecs-task-role" in finding(diagnosis, "NOT_CURED")


def gone(world: World) -> None:
    world.services.state = None


def deleted(world: World) -> None:
    world.services.state = replace(RUNNING, status="INACTIVE")


def scaled_to_0(world: World) -> None:
    world.services.state = replace(RUNNING, desired_count=0)


def on_another_role(world: World) -> None:
    world.services.definition = TaskDefinition(DEFINITION, WORKER_ROLE, (ROUTE,))


def without_a_role(world: World) -> None:
    world.services.definition = TaskDefinition(DEFINITION, None, (ROUTE,))


@pytest.mark.parametrize("happened", [gone, deleted, scaled_to_0, on_another_role, without_a_role])
def test_a_grant_that_no_task_depends_on_goes_without_a_proof(happened: Callable[[World], None]) -> None:
    world = granted()
    happened(world)
    withdrawal = run(world, EXPIRY, DAY).withdrawal
    assert withdrawal is not None and (withdrawal.removed, withdrawal.next) == ((RECEIVE,), "CLOSE")


def test_whether_a_service_works_with_a_role_that_nobody_declares_is_not_claimed() -> None:
    world = granted()
    world.services.definition = TaskDefinition(DEFINITION, BACKEND_ROLE, (ROUTE,))
    state = run(world, EXPIRY, DAY)
    assert state.diagnosis is not None
    assert "They were not watched." in finding(state.diagnosis, "WRONG_TASK_ROLE")
    said = next_step(state, "CURED", LeftOver())
    assert said.startswith("Nothing: no temporary grant of the service is left. If it is denied:")


# Since the grant was made, in `always`. It ends at 21:52.
EVENINGS = Settings(
    {
        "EXPIRY_WINDOW": "MON-SUN 22:30-23:30",
        "CATALOGUE_PREFIX": "/regrant/services/",
        "AWS_REGION": REGION,
        "REQUIRE_APPROVAL": "none",
    }
)


def test_a_schedule_of_another_window_waits_until_the_new_one_opens() -> None:
    world = granted()
    world.settings = EVENINGS
    (hold,) = world.holds.of(OLD_ROLE)
    fired = seconds_of(str(hold.expires_at)) + 40
    state = run(world, replace(EXPIRY, opened_at=at(fired)), fired)
    assert state.withdrawal is not None and state.withdrawal.removed == ()
    (kept,) = state.withdrawal.kept
    assert kept.why == "the stack's ExpiryWindow has changed, and is closed now"
    assert kept.until == "2025-11-12T22:30:00.000Z"
    assert (INCIDENT, kept.until) in world.schedules.at and world.roles.role.attached == (RECEIVE,)


@pytest.mark.parametrize("late", [-LATER, LATER / 6], ids=["before its end", "after its end"])
def test_what_a_person_starts_outside_of_the_window_is_tried(late: float) -> None:
    world = granted()
    world.settings = EVENINGS
    (hold,) = world.holds.of(OLD_ROLE)
    started = seconds_of(str(hold.expires_at)) + late
    diagnosis = planned(world, replace(EXPIRY, opened_at=at(started)), started)
    assert diagnosis.plan is not None and diagnosis.plan.postpone is None


def test_the_tasks_of_a_service_that_is_not_enrolled_any_more_depend_on_the_grant_all_the_same() -> None:
    diagnosis = plan(granted(), replace(EXPIRY, entry=None))
    assert diagnosis.plan is not None
    assert diagnosis.plan.postpone == "not enrolled, 2 tasks run with retainwise-ecs-task-role"


def test_an_entry_that_cannot_be_used_is_the_reason_why_nothing_can_be_proved() -> None:
    world = granted()
    expiry = Run(world, EXPIRY)
    world.catalogue.parameters[WORKER] = "{"
    diagnosis = expiry.diagnose(DAY)
    assert diagnosis.plan is not None and diagnosis.plan.postpone is not None
    assert diagnosis.plan.postpone.startswith(f"/regrant/services/{WORKER} does not parse: ")
    assert diagnosis.plan.postpone.endswith(", 2 tasks run with retainwise-ecs-task-role")


def test_what_the_roles_tag_names_stays_for_good() -> None:
    world = granted()
    world.roles.role = replace(world.roles.role, tags={"regrant:keep": "another prod-retainwise-sqs-worker"})
    diagnosis = plan(world)
    assert diagnosis.plan is not None
    assert (diagnosis.plan.withdraw, diagnosis.plan.keep) == ((), (RECEIVE,))
    state = run(world, EXPIRY, DAY)
    assert state.withdrawal is not None and state.withdrawal.for_good == (RECEIVE,)
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE)) == ((RECEIVE,), ())


@pytest.mark.parametrize("happened", ["role deleted", "role made again"])
def test_of_a_role_that_is_gone_nothing_is_left(happened: str) -> None:
    world = granted()
    world.roles.gone = happened == "role deleted"
    world.roles.role = replace(world.roles.role, id="AROAANOTHER")
    diagnosis = plan(world)
    assert (diagnosis.next, [finding.code for finding in diagnosis.findings]) == (
        "NOTHING_TO_FIX",
        ["TAKEN_OFF"],
    )


def in_a_rollout(world: World) -> None:
    world.services.somebody_deploys(NEWER_DEFINITION)


def of_another_controller(world: World) -> None:
    world.services.state = replace(RUNNING, controller="CODE_DEPLOY")


def of_task_sets(world: World) -> None:
    world.services.state = replace(RUNNING, controller="EXTERNAL", task_definition="", deployments=())


def of_express(world: World) -> None:
    world.services.state = replace(RUNNING, express=True)


def with_logs_that_may_not_be_read(world: World) -> None:
    world.logs.unread = {ROUTE.group: "AccessDeniedException"}


def without_logs(world: World) -> None:
    world.services.definition = TaskDefinition(DEFINITION, OLD_ROLE, ())


@pytest.mark.parametrize(
    ("happened", "why"),
    [
        (in_a_rollout, "another deployment in flight"),
        (of_another_controller, "CODE_DEPLOY"),
        (of_task_sets, "EXTERNAL"),
        (with_logs_that_may_not_be_read, "No log of retainwise-worker:1 can be read"),
        (of_express, "Express service"),
        (without_logs, "no container that logs"),
    ],
)
def test_a_service_that_cannot_be_watched_now_keeps_its_grant_for_one_more_period(
    happened: Callable[[World], None], why: str
) -> None:
    world = granted()
    happened(world)
    withdrawal = run(world, EXPIRY, DAY).withdrawal
    assert withdrawal is not None and withdrawal.removed == ()
    (kept,) = withdrawal.kept
    assert why in kept.why and kept.until == at(2 * DAY + 300)
    assert world.roles.role.attached == (RECEIVE,)


@pytest.mark.parametrize(
    "earlier",
    [
        lambda world: run(world),
        lambda world: run(world, replace(EXPIRY, id="expire-0", subject="expire-0"), LATER),
    ],
    ids=["a cure", "an expiry"],
)
def test_a_schedule_that_fires_when_the_grant_has_gone_finds_nothing(
    earlier: Callable[[World], object],
) -> None:
    world = granted()
    earlier(world)
    assert plan(world).next == "NOTHING_TO_FIX"


def test_a_role_that_was_deleted_has_no_grant() -> None:
    world = granted()
    world.roles.gone = True
    assert plan(world).next == "NOTHING_TO_FIX"


def test_only_the_grants_of_its_own_incident_end() -> None:
    world = granted()
    another_grant(world, "run-2", policy=SEND)
    another_grant(world, "run-3", BACKEND)
    diagnosis = plan(world)
    assert diagnosis.plan is not None and diagnosis.plan.withdraw == (RECEIVE,)


def test_an_account_that_goes_on_changing_is_refused() -> None:
    assert plan(granted(), checks=ROUNDS).next == "CHANGE"
    refusal = plan(granted(), checks=ROUNDS + 1).refusal
    assert refusal is not None and refusal.code == "ACCOUNT_MOVING"


def test_a_grant_on_a_role_that_is_not_managed_any_more_is_for_a_person() -> None:
    world = granted()
    foreign = f"{OLD_ROLE}-2"
    world.roles.others[foreign] = replace(world.roles.role, arn=foreign)
    world.holds.write(foreign, world.holds.written[OLD_ROLE, RECEIVE, INCIDENT])
    diagnosis = plan(world, replace(EXPIRY, role=foreign))
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "GRANT_OUT_OF_REACH"
    assert f"detach-role-policy --role-name {foreign.rpartition('/')[2]} --policy-arn {RECEIVE}" in (
        diagnosis.refusal.next
    )


def test_a_policy_that_is_not_grantable_any_more_is_for_a_person() -> None:
    world = granted()
    hold = world.holds.written[OLD_ROLE, RECEIVE, INCIDENT]
    world.holds.write(OLD_ROLE, replace(hold, policy=f"{RECEIVE}-2"))
    refusal = plan(world).refusal
    assert refusal is not None and refusal.code == "GRANT_OUT_OF_REACH"


@pytest.mark.parametrize(
    ("begun", "until"),
    [(LATER, DAY), (DAY - 601, DAY), (DAY - 598, 2 * DAY + 2), (DAY, 2 * DAY + 600)],
    ids=["long before", "just before", "exactly at", "after"],
)
def test_what_is_put_back_keeps_its_time_or_has_one_more_period(begun: float, until: float) -> None:
    world = granted()
    run(world, EXPIRY, begun)
    let_go(world)
    assert undo(world, UNDO_OF_EXPIRY, begun + 600).equal
    (hold,) = world.holds.of(OLD_ROLE)
    # The baseline, from which the grant's time counts, was captured at 2 seconds.
    expected = at(until + 2) if until == DAY else at(until)
    assert hold.expires_at == expected
    assert list(world.schedules.at) == [(INCIDENT, expected)]
    assert ("renewed" in hold.why) == (until != DAY)


def test_the_second_of_two_expiries_that_fired_for_one_grant_takes_nothing_more() -> None:
    world = granted()
    first = plan(world)
    run(world, EXPIRY, DAY)
    let_go(world)
    # It had been planned before the first one ended, and is captured after.
    second = replace(EXPIRY, id="expire-2", subject="expire-2")
    assert first.plan is not None and planned(world, second, DAY + 400).next == "NOTHING_TO_FIX"


def test_an_undo_waits_while_the_expiry_itself_still_has_the_role() -> None:
    world = granted()
    run(world, EXPIRY, DAY)
    undo = Run(world, UNDO_OF_EXPIRY).undo_role(DAY + 400)
    assert (undo.next, undo.waits_for, undo.put_back) == ("WAIT", EXPIRY.id, None)


def test_an_expiry_puts_back_only_what_it_took() -> None:
    world = granted()
    another_grant(world, "run-2", policy=SEND)
    run(world, EXPIRY, DAY)
    let_go(world)
    assert RunState(EXPIRY).role == OLD_ROLE
    assert Run(world, UNDO_OF_EXPIRY).undo_role(DAY + 400).put_back == (RECEIVE,)
    assert {hold.incident for hold in world.holds.of(OLD_ROLE)} == {INCIDENT, "run-2"}


def test_a_service_whose_queue_is_gone_is_tried_later_since_nothing_could_be_proved() -> None:
    world = granted()
    world.queues.nonexistent = (QUEUE,)
    plan = Run(world, EXPIRY).diagnose(DAY).plan
    assert plan is not None and plan.postpone == f"The queue {QUEUE} does not exist."


def test_an_expiry_that_a_person_starts_early_says_so() -> None:
    (finding, *_) = Run(granted(), EXPIRY).diagnose(LATER).findings
    assert "is ended before its time" in finding.text
