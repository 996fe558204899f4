"""What Diagnose concludes from the service, its role and its log."""

from typing import Any, Literal, TypeAlias
from unittest.mock import Mock

import msgspec
import pytest
from msgspec.structs import replace

from regrant.baseline.drift import ROUNDS
from regrant.denials.search import DENIAL_TERM
from regrant.errors import AwsRefused
from regrant.model.aws import LogRoute, QueueDepth, ServiceState
from regrant.model.journal import Hold
from regrant.model.run import Depths, Diagnosis, Incident
from tests.unit.fakes import (
    ALLOWED,
    DEAD_LETTERS,
    DENIAL,
    ENTRY,
    EXECUTION_ROLE,
    INCIDENT,
    INCIDENT_OF_WORKER,
    OLD,
    OLD_ROLE,
    QUEUE,
    RECEIVE,
    ROLE,
    ROUTE,
    RUNNING,
    SEND,
    TASK_DEFINITION,
    WORKER,
    WORKER_ROLE,
    FakeServices,
    World,
    at,
)
from tests.unit.run import Run

Redeploy: TypeAlias = Literal["always", "if-needed", "never"]


def diagnosed(world: World, incident: Incident = INCIDENT_OF_WORKER) -> Diagnosis:
    return Run(world, incident).diagnose()


def declaring(*policies: str) -> Incident:
    return replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, policies=policies))


def codes(diagnosis: Diagnosis) -> list[str]:
    return [finding.code for finding in diagnosis.findings]


def refusal(world: World, incident: Incident = INCIDENT_OF_WORKER) -> str:
    diagnosis = diagnosed(world, incident)
    assert diagnosis.next == "REFUSE" and diagnosis.plan is None
    assert diagnosis.refusal is not None and diagnosis.refusal.next
    return diagnosis.refusal.code


def test_the_seeds_incident_is_contained_with_the_missing_policy_on_the_role_in_use() -> None:
    world = World()
    world.logs.write(-60, DENIAL, "old-1")
    diagnosis = diagnosed(world)
    assert diagnosis.next == "CHANGE"
    assert diagnosis.plan is not None
    assert (diagnosis.plan.role, diagnosis.plan.attach) == (OLD_ROLE, (RECEIVE,))
    assert codes(diagnosis) == ["MISSING_ATTACHMENT", "WRONG_TASK_ROLE"]
    assert diagnosis.logs == (ROUTE,)


def test_the_finding_of_a_denial_counts_the_calls_and_shows_one_sentence_of_them() -> None:
    world = World()
    for seconds in (-120, -90, -60):
        world.logs.write(seconds, DENIAL, "old-1")
    finding = diagnosed(world).findings[0]
    assert finding.text == (
        "retainwise-ecs-task-role lacks prod-retainwise-sqs-worker: sqs:ReceiveMessage on"
        f" {QUEUE}, denied 3 times from 2025-11-11T21:50:14Z to 2025-11-11T21:51:14Z."
    )
    assert finding.evidence == (DENIAL,)


def test_a_finding_from_more_lines_than_are_read_says_that_there_are_more() -> None:
    world = World()
    world.logs.write(-60, DENIAL, "old-1")
    world.logs.endless = (DENIAL_TERM,)
    assert "denied at least once at 2025-11-11T21:51:14Z" in diagnosed(world).findings[0].text


def test_denials_of_more_than_fifteen_minutes_ago_are_history() -> None:
    world = World()
    world.logs.write(-901, DENIAL, "old-1")
    assert diagnosed(world).findings[-1].evidence == (RECEIVE,)


def test_denials_from_before_the_deployment_in_use_are_history() -> None:
    world = World()
    world.services.state = replace(RUNNING, deployments=(replace(OLD, created_at=at(-30)),))
    world.logs.write(-60, DENIAL, "old-1")
    assert diagnosed(world).findings[-1].evidence == (RECEIVE,)


def test_a_role_in_use_that_was_deleted_is_refused_by_name() -> None:
    world = World()
    world.roles.gone = True
    assert refusal(world) == "ROLE_MISSING"


def test_what_went_from_a_role_between_two_reads_is_no_deleted_role() -> None:
    world = World()

    gone = AwsRefused("The role policy with name frozen cannot be found.", "NoSuchEntity")
    world.roles.permissions = Mock(side_effect=gone)  # type: ignore[method-assign]
    with pytest.raises(AwsRefused, match="frozen"):
        diagnosed(world)


def test_a_queue_of_the_catalogue_that_does_not_exist_is_refused_by_name() -> None:
    world = World()
    world.queues.nonexistent = (DEAD_LETTERS,)
    assert refusal(world) == "QUEUE_MISSING"
    refused = diagnosed(world).refusal
    assert refused is not None and DEAD_LETTERS in refused.message


def test_no_denial_in_the_log_does_not_hide_the_missing_policy() -> None:
    assert diagnosed(World()).next == "CHANGE"


def test_a_dry_run_ends_with_the_plan_that_it_would_carry_out() -> None:
    dry = diagnosed(World(), replace(INCIDENT_OF_WORKER, mode="plan"))
    assert dry.next == "PLAN"
    assert dry.plan == diagnosed(World()).plan


def with_execution_role(redeploy: Redeploy, *, listed: bool) -> Diagnosis:
    world = World()
    world.services.definition = replace(TASK_DEFINITION, execution_role=EXECUTION_ROLE)
    if not listed:
        world.allowed.allowed = replace(ALLOWED, execution_roles=frozenset())
    return diagnosed(world, replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, redeploy=redeploy)))


@pytest.mark.parametrize("redeploy", ["always", "if-needed", "never"])
def test_a_listed_execution_role_changes_nothing(redeploy: Redeploy) -> None:
    diagnosis = with_execution_role(redeploy, listed=True)
    assert diagnosis.next == "CHANGE" and "EXECUTION_ROLE_NOT_PASSABLE" not in codes(diagnosis)


def test_a_redeploy_that_would_pass_an_unlisted_execution_role_is_refused_before_any_change() -> None:
    diagnosis = with_execution_role("always", listed=False)
    assert diagnosis.next == "REFUSE" and diagnosis.plan is None and diagnosis.planned_against is None
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "EXECUTION_ROLE_NOT_PASSABLE"
    assert EXECUTION_ROLE in diagnosis.refusal.next


def test_tasks_that_cannot_be_replaced_are_only_watched_and_a_finding_says_so() -> None:
    diagnosis = with_execution_role("if-needed", listed=False)
    assert diagnosis.next == "CHANGE" and diagnosis.plan is not None
    assert not diagnosis.plan.redeploy_if_needed
    assert codes(diagnosis)[-1] == "EXECUTION_ROLE_NOT_PASSABLE"


def test_an_execution_role_is_no_matter_where_nothing_is_redeployed() -> None:
    diagnosis = with_execution_role("never", listed=False)
    assert diagnosis.next == "CHANGE" and "EXECUTION_ROLE_NOT_PASSABLE" not in codes(diagnosis)


def test_only_what_is_missing_is_planned() -> None:
    world = World()
    world.roles.role = replace(ROLE, attached=(SEND,))
    plan = diagnosed(world, declaring(SEND, RECEIVE)).plan
    assert plan is not None and plan.attach == (RECEIVE,)


def test_a_policy_that_is_declared_twice_is_planned_once() -> None:
    plan = diagnosed(World(), declaring(RECEIVE, RECEIVE)).plan
    assert plan is not None and plan.attach == (RECEIVE,)


def test_nothing_missing_is_nothing_to_fix() -> None:
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    diagnosis = diagnosed(world)
    assert (diagnosis.next, diagnosis.plan) == ("NOTHING_TO_FIX", None)
    assert "ALREADY_GRANTED" in codes(diagnosis)


@pytest.mark.parametrize(
    ("service", "then"),
    [("retainwise-cluster/retainwise-backend", "CHANGE"), (str(WORKER), "NOTHING_TO_FIX")],
)
def test_a_grant_that_stands_is_held_once_by_each_service(service: str, then: str) -> None:
    """An expiry that is undone leaves denials behind, and their alarm starts a run."""
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    world.logs.write(-60, DENIAL, "old-1")
    world.holds.write(OLD_ROLE, Hold(RECEIVE, "another", service))
    assert diagnosed(world).next == then


def test_the_declared_role_in_use_is_no_finding() -> None:
    world = World()
    world.services.definition = replace(TASK_DEFINITION, task_role=WORKER_ROLE)
    assert codes(diagnosed(world)) == ["MISSING_ATTACHMENT"]


def test_the_catalogue_says_whether_tasks_are_replaced() -> None:
    incident = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, redeploy="never"))
    plan = diagnosed(World(), incident).plan
    assert plan is not None and plan.redeploy is False


# API reference, DeploymentConfiguration.
SHIFTS = ["BLUE_GREEN", "LINEAR", "CANARY"]


def of_strategy(strategy: str, redeploy: Redeploy) -> Diagnosis:
    world = World()
    world.services.state = replace(RUNNING, deployment_configuration={"strategy": strategy})
    return diagnosed(world, replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, redeploy=redeploy)))


@pytest.mark.parametrize("redeploy", ["always", "if-needed"])
@pytest.mark.parametrize("strategy", [*SHIFTS, "ONE_THAT_AWS_ADDS_LATER"])
def test_tasks_that_no_rolling_update_replaces_are_refused_by_the_strategy(
    strategy: str, redeploy: Redeploy
) -> None:
    diagnosis = of_strategy(strategy, redeploy)
    assert diagnosis.next == "REFUSE" and diagnosis.plan is None and diagnosis.planned_against is None
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "UNSUPPORTED_STRATEGY"
    assert strategy in diagnosis.refusal.message and "Redeploy=never" in diagnosis.refusal.next
    assert "MISSING_ATTACHMENT" in codes(diagnosis)


@pytest.mark.parametrize("strategy", SHIFTS)
def test_a_strategy_is_no_matter_where_nothing_is_redeployed(strategy: str) -> None:
    assert of_strategy(strategy, "never").next == "CHANGE"


@pytest.mark.parametrize("redeploy", ["always", "if-needed", "never"])
def test_a_rolling_update_by_name_is_one(redeploy: Redeploy) -> None:
    assert of_strategy("ROLLING", redeploy).next == "CHANGE"


ABROAD = ("/ecs/worker of worker (eu-west-1)",)
SIDECAR = LogRoute("/custom/agent", "ecs/agent")


def test_a_log_of_another_region_beside_one_that_is_read_is_a_finding() -> None:
    world = World()
    world.services.definition = replace(TASK_DEFINITION, elsewhere=ABROAD)
    diagnosis = diagnosed(world)
    assert diagnosis.next == "CHANGE" and codes(diagnosis)[-1] == "LOGS_ELSEWHERE"
    assert ABROAD[0] in diagnosis.findings[-1].text


# API reference, FilterLogEvents, and Common errors.
@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_a_sidecar_whose_log_cannot_be_read_is_left_out_with_a_finding(code: str) -> None:
    world = World()
    world.services.definition = replace(TASK_DEFINITION, logs=(ROUTE, SIDECAR))
    world.logs.unread = {SIDECAR.group: code}
    world.logs.write(-60, DENIAL, "old-1")
    diagnosis = diagnosed(world)
    assert diagnosis.next == "CHANGE" and diagnosis.logs == (ROUTE,)
    assert [f.text for f in diagnosis.findings if f.code == "LOGS_UNREADABLE"] == [
        f"Not read: /custom/agent of agent ({code}). What is denied there is not seen."
    ]


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_a_service_of_which_no_log_can_be_read_is_refused(code: str) -> None:
    world = World()
    world.logs.unread = {ROUTE.group: code}
    found = diagnosed(world).refusal
    assert found is not None and found.code == "LOGS_UNREADABLE"
    assert f"{ROUTE.group} of worker ({code})" in found.message and "LogGroupPrefix" in found.next


def test_another_refusal_of_a_log_is_a_failure() -> None:
    world = World()
    world.logs.unread = {ROUTE.group: "InvalidParameterException"}
    with pytest.raises(AwsRefused):
        diagnosed(world)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (None, "UNKNOWN_SERVICE"),
        (replace(RUNNING, status="INACTIVE"), "SERVICE_INACTIVE"),
        (replace(RUNNING, status="DRAINING"), "SERVICE_INACTIVE"),
        (replace(RUNNING, controller="CODE_DEPLOY", deployments=()), "UNSUPPORTED_CONTROLLER"),
        (replace(RUNNING, controller="EXTERNAL", deployments=()), "UNSUPPORTED_CONTROLLER"),
        (
            replace(RUNNING, controller="EXTERNAL", deployments=(), task_definition=""),
            "UNSUPPORTED_CONTROLLER",
        ),
        (replace(RUNNING, express=True), "EXPRESS_SERVICE"),
        (replace(RUNNING, desired_count=0), "DESIRED_COUNT_ZERO"),
    ],
)
def test_a_service_that_cannot_be_contained_is_refused(state: ServiceState | None, code: str) -> None:
    world = World()
    world.services.state = state
    assert refusal(world) == code


@pytest.mark.parametrize(
    ("services", "code"),
    [
        (FakeServices(definition=replace(TASK_DEFINITION, task_role=None)), "NO_TASK_ROLE"),
        (FakeServices(definition=replace(TASK_DEFINITION, task_role=f"{OLD_ROLE}-2")), "ROLE_NOT_MANAGED"),
        (FakeServices(definition=replace(TASK_DEFINITION, logs=())), "NO_LOGS"),
        (FakeServices(definition=replace(TASK_DEFINITION, logs=(), elsewhere=ABROAD)), "LOGS_ELSEWHERE"),
    ],
)
def test_a_task_definition_that_cannot_be_helped_is_refused(services: FakeServices, code: str) -> None:
    world = World()
    world.services = services
    assert refusal(world) == code


def test_a_declared_policy_that_does_not_exist_is_refused() -> None:
    world = World()
    world.roles.nonexistent = (RECEIVE,)
    assert refusal(world) == "POLICY_MISSING"


def test_a_role_at_its_limit_is_refused() -> None:
    world = World()
    world.roles.role, world.roles.quota = replace(ROLE, attached=("a", "b")), 2
    assert refusal(world) == "POLICY_LIMIT"


def test_a_role_with_just_enough_room_is_not() -> None:
    world = World()
    world.roles.role, world.roles.quota = replace(ROLE, attached=("a",)), 2
    assert diagnosed(world).next == "CHANGE"


def test_the_limit_does_not_matter_where_nothing_is_missing() -> None:
    world = World()
    world.roles.role, world.roles.quota = replace(ROLE, attached=(RECEIVE,)), 1
    assert diagnosed(world).next == "NOTHING_TO_FIX"


def test_a_refusal_keeps_what_was_found_before_it() -> None:
    world = World()
    world.roles.quota = 0
    world.logs.write(-60, DENIAL, "old-1")
    assert "MISSING_ATTACHMENT" in codes(diagnosed(world))


def test_what_is_denied_now_is_read_even_if_older_lines_fill_what_may_be_read() -> None:
    world = World()
    world.logs.most = 50
    for second in range(-600, -500):
        world.logs.write(second, DENIAL.replace("retainwise-ecs-task-role", "other-role"))
    world.logs.write(-5, DENIAL)
    diagnosis = diagnosed(world)
    assert diagnosis.plan is not None and diagnosis.plan.attach == (RECEIVE,)


def test_of_a_log_that_is_not_read_whole_no_recent_line_counts_twice() -> None:
    world = World()
    world.logs.most = 50
    for second in [*range(-600, -560), *range(-60, -40)]:
        world.logs.write(second, DENIAL)
    assert "denied at least 60 times" in diagnosed(world).findings[0].text


def test_a_log_that_is_read_whole_is_read_once() -> None:
    world = World()
    logs: Any = world.logs
    logs.search = Mock(wraps=logs.search)
    logs.write(-5, DENIAL)
    diagnosed(world)
    assert logs.search.call_count == 1


def test_the_queues_are_remembered_as_they_were_diagnosed() -> None:
    world = World()
    world.queues.visible, world.queues.dead = 14, 1
    assert diagnosed(world).depths == Depths(14, 1)


def test_when_a_failing_message_is_dead_is_remembered_where_there_is_a_dead_letter_queue() -> None:
    world = World()
    world.queues.depth = lambda queue: QueueDepth(14, 0, 90.0)  # type: ignore[method-assign]
    assert diagnosed(world).depths == Depths(14, 14, 90.0)
    without = replace(ENTRY, health=replace(ENTRY.health, dead_letter_queue=None))
    assert diagnosed(world, replace(INCIDENT_OF_WORKER, entry=without)).depths == Depths(14, None, None)


def test_the_role_is_remembered_whole_as_it_was_diagnosed() -> None:
    world = World()
    world.roles.role = replace(ROLE, attached=(SEND,), tags={"Environment": "test"})
    seen = diagnosed(world).planned_against
    assert seen is not None and (seen.role, seen.attached) == (world.roles.role, (SEND,))


def test_what_other_incidents_were_granted_is_remembered() -> None:
    world = World()
    world.roles.role = replace(ROLE, attached=(SEND,))
    world.holds.write(OLD_ROLE, Hold(SEND, "another", "retainwise-cluster/retainwise-backend"))
    world.holds.write(OLD_ROLE, Hold(RECEIVE, INCIDENT, str(WORKER)))
    assert diagnosed(world).granted == (SEND,)


def test_each_diagnosis_of_a_run_counts() -> None:
    run = Run(World())
    assert [run.diagnose(seconds).checks for seconds in (1, 20, 40)] == [1, 2, 3]


def test_an_account_that_changes_after_each_plan_is_refused_with_the_last_findings() -> None:
    run = Run(World())
    plans = [run.diagnose(seconds).plan for seconds in range(ROUNDS)]
    last = run.diagnose(ROUNDS)
    assert None not in plans
    assert (last.next, last.plan, last.checks) == ("REFUSE", None, ROUNDS + 1)
    assert last.refusal is not None and last.refusal.code == "ACCOUNT_MOVING"
    assert "MISSING_ATTACHMENT" in codes(last)


def test_an_account_in_which_nothing_is_missing_by_then_is_not_refused() -> None:
    world = World()
    run = Run(world)
    for seconds in range(ROUNDS):
        run.diagnose(seconds)
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    assert run.diagnose(ROUNDS).next == "NOTHING_TO_FIX"


def test_a_new_plan_has_no_answer_of_the_last_one() -> None:
    careful = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, approval="required"))
    run = Run(World(), careful)
    run.state = replace(run.state, diagnosis=replace(run.diagnose(), answer={"approved": True}))
    again = run.diagnose(20)
    assert again.next == "ASK"
    assert "answer" not in msgspec.to_builtins(
        again
    )  # not null either: DecidePlan asks only while it is absent
