"""A service that somebody else is deploying is waited for, unless that cannot end because its tasks are
denied."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.baseline.drift import ROUNDS
from regrant.diagnosis.containment.in_flight import SLOW, STILL
from regrant.diagnosis.containment.waiting import WAIT_LIMIT
from regrant.model.aws import LogRoute, StoppedTask
from regrant.model.catalogue import CatalogueEntry
from regrant.model.denial import Denial
from regrant.model.run import Diagnosis, Incident
from tests.unit.fakes import (
    ALLOWED,
    DEAD_LETTERS,
    DEFINITION,
    DENIAL,
    ENTRY,
    EXECUTION_ROLE,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    QUEUE,
    RECEIVE,
    ROLE,
    ROUTE,
    RUNNING,
    TASK_DEFINITION,
    THEIRS,
    WORKER_ROLE,
    World,
    at,
)
from tests.unit.run import Run

DENIED = DENIAL.replace("retainwise-ecs-task-role", "prod-retainwise-worker-task-role")
NEW = replace(TASK_DEFINITION, arn=NEWER_DEFINITION, task_role=WORKER_ROLE)
CRASHED = StoppedTask("new-0", THEIRS, "Essential container in task exited (exit code 1)")


def deployed(**role: Any) -> World:
    """Somebody has deployed a revision with the worker's own role, which lacks what the old one has. Of its
    tasks new-1 runs."""
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    world.roles.others[WORKER_ROLE] = replace(ROLE, arn=WORKER_ROLE, id="AROAWORKER", **role)
    world.services.definitions[NEWER_DEFINITION] = NEW
    world.services.somebody_deploys(NEWER_DEFINITION)
    world.services.tasks = {THEIRS: ("new-1",), OLD_DEPLOYMENT: ("old-1", "old-2")}
    return world


def failing(*, lines: str = DENIED, task: str = "new-0") -> World:
    """One of its tasks has been denied, and has exited."""
    world = deployed()
    world.services.died = (CRASHED,)
    world.logs.write(-5, lines, task)
    return world


def look(world: World, seconds: float = 1, mode: str = "contain") -> Diagnosis:
    return Run(world, replace(INCIDENT_OF_WORKER, mode=mode)).diagnose(seconds)


def wait_for(world: World) -> Diagnosis:
    """The first look and the last."""
    run = Run(world)
    run.diagnose(0)
    return run.diagnose(WAIT_LIMIT)


def codes(diagnosis: Diagnosis) -> list[str]:
    return [finding.code for finding in diagnosis.findings]


def text(diagnosis: Diagnosis, code: str) -> str:
    return next(finding.text for finding in diagnosis.findings if finding.code == code)


# The wait


def test_a_deployment_that_goes_well_is_waited_for() -> None:
    diagnosis = look(deployed())
    assert (diagnosis.next, diagnosis.plan, diagnosis.looks) == ("WAIT", None, 1)
    assert codes(diagnosis) == ["WAITS_FOR_DEPLOYMENT"]
    assert f"{THEIRS} (retainwise-worker:2)" in diagnosis.findings[0].text


def test_while_it_waits_it_says_what_is_denied_of_which_tasks_and_what_they_lack() -> None:
    world = deployed()
    world.logs.write(-5, DENIED, "new-1")
    diagnosis = look(world)
    assert diagnosis.next == "WAIT"
    denied = f"Denied in {THEIRS} (retainwise-worker:2) with prod-retainwise-worker-task-role: task new-1."
    assert text(diagnosis, "DENIED_TASKS") == denied
    assert "prod-retainwise-worker-task-role lacks prod-retainwise-sqs-worker" in text(
        diagnosis, "MISSING_ATTACHMENT"
    )


def test_the_denials_of_the_old_tasks_are_judged_by_their_own_role() -> None:
    world = deployed(attached=(RECEIVE,))
    world.roles.role = ROLE
    world.logs.write(-5, DENIAL, "old-1")
    diagnosis = look(world)
    assert diagnosis.next == "WAIT"
    assert f"{OLD_DEPLOYMENT} (retainwise-worker:1) with retainwise-ecs-task-role" in text(
        diagnosis, "DENIED_TASKS"
    )
    assert "retainwise-ecs-task-role lacks" in text(diagnosis, "MISSING_ATTACHMENT")


def test_a_wait_is_one_diagnosis_with_many_looks() -> None:
    run = Run(deployed())
    looks = [run.diagnose(seconds) for seconds in range(1, 20 * (ROUNDS + 3), 20)]
    assert {diagnosis.next for diagnosis in looks} == {"WAIT"}
    assert (looks[-1].checks, looks[-1].looks) == (1, ROUNDS + 3)


def test_when_the_deployment_has_completed_its_role_is_contained_and_the_wait_is_said() -> None:
    world = deployed()
    world.logs.write(-5, DENIED, "new-1")
    run = Run(world)
    run.diagnose(1)
    run.diagnose(21)
    world.services.finish()
    world.logs.write(35, DENIED, "new-1")
    diagnosis = run.diagnose(41)
    assert diagnosis.next == "CHANGE" and diagnosis.plan is not None
    assert (diagnosis.plan.role, diagnosis.plan.attach) == (WORKER_ROLE, (RECEIVE,))
    assert (diagnosis.plan.deployment, diagnosis.plan.redeploy) == (None, True)
    waited = f"Waited 40 s for what others were deploying: {THEIRS} (retainwise-worker:2)."
    assert text(diagnosis, "WAITED_FOR_DEPLOYMENT") == waited


def test_when_ecs_has_gone_back_what_the_other_tasks_were_denied_is_said_and_nothing_is_attached() -> None:
    """Though the old role has the call otherwise than by the declared policy."""
    world = deployed()
    world.roles.role = ROLE
    world.logs.write(-5, DENIED, "new-1")
    run = Run(world)
    run.diagnose(1)
    world.services.state = RUNNING
    world.services.died = (StoppedTask("new-1", THEIRS),)
    diagnosis = run.diagnose(21)
    assert (diagnosis.next, diagnosis.plan) == ("NOTHING_TO_FIX", None)
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "DEPLOYMENT_REPLACED"
    assert "prod-retainwise-worker-task-role lacks" in text(diagnosis, "MISSING_ATTACHMENT")
    assert "what the findings say it lacks" in diagnosis.refusal.next
    assert codes(diagnosis)[0] == "WAITED_FOR_DEPLOYMENT" and "WAITS_FOR_DEPLOYMENT" not in codes(diagnosis)


@pytest.mark.parametrize(
    ("role", "then"), [(OLD_ROLE, "CHANGE"), (WORKER_ROLE, "NOTHING_TO_FIX")], ids=["same", "another"]
)
def test_what_replaced_tasks_of_the_role_in_use_were_denied_counts_when_the_wait_is_over(
    role: str, then: str
) -> None:
    """The new tasks have not needed the call yet."""
    world = deployed()
    world.roles.role = ROLE
    world.services.definitions[NEWER_DEFINITION] = replace(NEW, task_role=OLD_ROLE)
    older = "arn:aws:ecs:us-east-1:123456789012:task-definition/retainwise-worker:0"
    world.services.definitions[older] = replace(NEW, arn=older, task_role=role)
    run = Run(world)
    run.diagnose(1)
    world.services.finish()
    world.logs.write(15, DENIAL.replace("retainwise-ecs-task-role", role.rpartition("/")[2]), "old-1")
    world.services.died = (StoppedTask("old-1", OLD_DEPLOYMENT, revision=older),)
    diagnosis = run.diagnose(21)
    assert diagnosis.next == then
    assert (diagnosis.plan.role if diagnosis.plan else None) == (OLD_ROLE if then == "CHANGE" else None)


def test_where_no_look_had_seen_a_denial_the_next_step_names_the_log_and_no_finding() -> None:
    world = deployed()
    run = Run(world)
    run.diagnose(1)
    world.logs.write(15, DENIED, "new-1")
    world.services.state = RUNNING
    world.services.died = (StoppedTask("new-1", THEIRS),)
    diagnosis = run.diagnose(21)
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "DEPLOYMENT_REPLACED"
    assert codes(diagnosis) == ["WAITED_FOR_DEPLOYMENT"]
    assert "findings" not in diagnosis.refusal.next and "tasks' log" in diagnosis.refusal.next


def test_when_ecs_has_gone_back_to_tasks_that_are_denied_too_these_are_what_counts() -> None:
    world = deployed()
    world.roles.role = ROLE
    world.logs.write(-5, DENIED, "new-1")
    run = Run(world)
    run.diagnose(1)
    world.services.state = RUNNING
    world.logs.write(15, DENIAL, "old-1")
    plan = run.diagnose(21).plan
    assert plan is not None and (plan.role, plan.deployment) == (OLD_ROLE, None)


def test_a_wait_for_two_deployments_names_both() -> None:
    run = Run(world := deployed())
    run.diagnose(1)
    world.services.finish(id="ecs-svc/78", rollout_state="IN_PROGRESS")
    world.services.tasks["ecs-svc/78"] = ()
    run.diagnose(21)
    world.services.finish(id="ecs-svc/78")
    said = text(run.diagnose(41), "WAITED_FOR_DEPLOYMENT")
    assert THEIRS in said and "ecs-svc/78" in said


def test_a_wait_that_is_over_is_not_counted_on_when_the_plan_is_made_again() -> None:
    run = Run(world := deployed())
    run.diagnose(1)
    world.services.finish()
    first, again = run.diagnose(21), run.diagnose(61)
    assert text(first, "WAITED_FOR_DEPLOYMENT") == text(again, "WAITED_FOR_DEPLOYMENT")
    assert (first.checks, again.checks, again.looks) == (1, 2, 1)


def test_when_the_time_is_over_the_refusal_names_the_deployment_and_the_findings_the_denials() -> None:
    world = deployed()
    world.logs.write(WAIT_LIMIT - 30, DENIED, "new-1")
    run = Run(world)
    assert run.diagnose(0).next == "WAIT"
    assert run.diagnose(WAIT_LIMIT - 1).next == "WAIT"
    diagnosis = run.diagnose(WAIT_LIMIT)
    assert diagnosis.next == "REFUSE" and diagnosis.refusal is not None
    assert diagnosis.refusal.code == "DEPLOYMENT_IN_FLIGHT"
    assert f"{THEIRS} PRIMARY IN_PROGRESS, {OLD_DEPLOYMENT} ACTIVE COMPLETED" in diagnosis.refusal.message
    assert diagnosis.refusal.message.endswith("The run has waited 20 minutes.")
    assert codes(diagnosis)[:2] == ["DENIED_TASKS", "MISSING_ATTACHMENT"]


def test_one_that_begins_late_in_a_run_is_waited_for_as_long_as_any() -> None:
    """A person has thought about the plan for most of an hour."""
    run = Run(world := World())
    world.logs.write(-5, DENIAL, "old-1")
    assert run.diagnose(1).next == "CHANGE"
    world.services.somebody_deploys(DEFINITION)
    world.services.tasks[THEIRS] = ()
    first = run.diagnose(3_001)
    assert first.next == "WAIT" and f"until {at(3_001 + WAIT_LIMIT)}" in text(first, "WAITS_FOR_DEPLOYMENT")
    assert run.diagnose(3_000 + WAIT_LIMIT).next == "WAIT"
    assert run.diagnose(3_001 + WAIT_LIMIT).next == "REFUSE"


def test_the_waits_of_a_run_have_one_limit_together_and_the_refusal_says_when_the_last_one_began() -> None:
    run = Run(world := deployed())
    run.diagnose(0)
    world.services.finish()
    world.logs.write(995, DENIED, "new-1")
    assert run.diagnose(1_000).next == "CHANGE"
    began = replace(OLD, id="ecs-svc/78", rollout_state="IN_PROGRESS", created_at=at(1_990))
    assert world.services.state is not None
    older = tuple(replace(each, status="ACTIVE") for each in world.services.state.deployments)
    world.services.state = replace(world.services.state, deployments=(began, *older))
    world.services.tasks["ecs-svc/78"] = ()
    assert [run.diagnose(seconds).next for seconds in (2_000, 2_199, 2_200)] == ["WAIT", "WAIT", "REFUSE"]
    refusal = run.state.refusal
    assert refusal is not None
    assert refusal.message.endswith(f"The run has waited 20 minutes. ecs-svc/78 began at {at(1_990)}.")


def test_what_no_declared_policy_allows_comes_with_the_statement_that_would() -> None:
    world = deployed()
    world.logs.write(WAIT_LIMIT - 30, DENIED.replace("receivemessage", "purgequeue"), "new-1")
    diagnosis = wait_for(world)
    assert {"DENIED_TASKS", "NOT_DECLARED", "MISSING_STATEMENT"} <= {*codes(diagnosis)}


def test_a_deployment_that_fails_for_another_reason_is_waited_for_and_the_reason_is_said() -> None:
    world = deployed()
    reason = "CannotPullContainerError: pull image manifest has been retried 5 time(s)"
    world.services.died = (StoppedTask("new-0", THEIRS, reason),)
    assert look(world).next == "WAIT"
    diagnosis = wait_for(world)
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "DEPLOYMENT_IN_FLIGHT"
    (stopped,) = [finding for finding in diagnosis.findings if finding.code == "TASKS_STOPPED"]
    assert stopped.evidence[0] == reason


def test_a_log_that_cannot_be_read_is_said_while_it_waits_and_with_the_refusal() -> None:
    world = deployed()
    world.logs.unread[ROUTE.group] = "AccessDeniedException"
    run = Run(world)
    for seconds, then in ((1, "WAIT"), (1 + WAIT_LIMIT, "REFUSE")):
        diagnosis = run.diagnose(seconds)
        assert diagnosis.next == then and "AccessDeniedException" in text(diagnosis, "LOGS_UNREADABLE")
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "DEPLOYMENT_IN_FLIGHT"


def test_a_log_that_cannot_be_read_is_said_once() -> None:
    world = deployed()
    sidecar = LogRoute("/ecs/sidecar", "ecs/envoy")
    world.services.definitions[NEWER_DEFINITION] = replace(NEW, logs=(*NEW.logs, sidecar))
    world.logs.unread[sidecar.group] = "ResourceNotFoundException"
    world.logs.write(-5, DENIED, "new-1")
    assert codes(look(world)).count("LOGS_UNREADABLE") == 1


def test_a_dry_run_answers_immediately() -> None:
    world = deployed()
    world.logs.write(-5, DENIED, "new-1")
    diagnosis = look(world, mode="plan")
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "DEPLOYMENT_IN_FLIGHT"
    assert "A run would wait for it." in diagnosis.refusal.message
    assert "MISSING_ATTACHMENT" in codes(diagnosis)


def test_a_queue_that_does_not_exist_is_no_matter_of_time() -> None:
    world = deployed()
    world.queues.nonexistent = (DEAD_LETTERS,)
    diagnosis = look(world)
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "QUEUE_MISSING"


# A deployment that cannot end


def test_a_deployment_whose_tasks_are_denied_and_exit_is_contained_while_it_goes_on() -> None:
    diagnosis = look(failing())
    assert diagnosis.next == "CHANGE" and diagnosis.plan is not None
    plan = diagnosis.plan
    assert (plan.role, plan.attach, plan.deployment) == (WORKER_ROLE, (RECEIVE,), THEIRS)
    assert plan.revisions == (NEWER_DEFINITION,)
    assert codes(diagnosis)[0] == "DENIED_ROLLOUT"
    assert text(diagnosis, "DENIED_TASKS").endswith("task new-0.")


@pytest.mark.parametrize(("enrolled", "if_needed"), [("always", True), ("if-needed", True), ("never", False)])
def test_no_other_deployment_is_planned_but_for_after_it(enrolled: Any, if_needed: bool) -> None:
    run = Run(failing(), of(replace(ENTRY, redeploy=enrolled)))
    plan = run.diagnose().plan
    assert plan is not None and (plan.redeploy, plan.redeploy_if_needed) == (False, if_needed)


def of(entry: CatalogueEntry) -> Incident:
    return replace(INCIDENT_OF_WORKER, entry=entry)


def test_a_person_who_has_to_be_asked_is_asked() -> None:
    assert Run(failing(), of(replace(ENTRY, approval="required"))).diagnose().next == "ASK"


def test_a_dry_run_has_the_plan() -> None:
    diagnosis = look(failing(), mode="plan")
    assert (diagnosis.next, diagnosis.plan is not None) == ("PLAN", True)


def test_tasks_that_fail_for_another_reason_than_the_denial_are_no_reason() -> None:
    """Those that run are denied a call that they can do without; the others have no image."""
    world = deployed()
    world.logs.write(-5, DENIED, "new-1")
    world.services.stall()
    world.services.died = (CRASHED,)
    assert look(world).next == "WAIT"


@pytest.mark.parametrize(
    ("code", "reason", "then"),
    [
        ("EssentialContainerExited", CRASHED.reason, "CHANGE"),
        ("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group tg)", "CHANGE"),
        ("ServiceSchedulerInitiated", f"Scaling activity initiated by (deployment {THEIRS})", "WAIT"),
        ("SpotInterruption", "Your Spot Task was interrupted.", "WAIT"),
        ("TerminationNotice", "Host EC2 (instance i-1) terminated.", "WAIT"),
        ("InfrastructureHealth", "", "WAIT"),
        ("UserInitiated", "Task stopped by user", "WAIT"),
    ],
)
def test_a_denied_task_that_was_taken_away_has_not_failed(code: str, reason: str, then: str) -> None:
    world = failing()
    world.services.died = (replace(CRASHED, code=code, reason=reason),)
    assert look(world).next == then


def slow(age: float = SLOW, running: int = 1) -> World:
    """It began so long before the first look, and so many of its two tasks run. One is denied, and stays."""
    world = deployed()
    run_so_many(world, running, created_at=at(1 - age))
    world.logs.write(-5, DENIED, "new-1")
    return world


def run_so_many(world: World, running: int, **changed: Any) -> None:
    assert world.services.state is not None
    primary, *older = world.services.state.deployments
    begun = replace(primary, desired=2, running=running, **changed)
    world.services.state = replace(world.services.state, deployments=(begun, *older))


@pytest.mark.parametrize(("age", "then"), [(SLOW - STILL - 1, "WAIT"), (SLOW - STILL, "CHANGE")])
def test_a_deployment_whose_denied_tasks_stay_is_contained_when_it_has_gone_on_for_long(
    age: float, then: str
) -> None:
    run = Run(slow(age))
    assert run.diagnose(1).next == "WAIT"
    assert run.diagnose(STILL).next == "WAIT"
    assert run.diagnose(1 + STILL).next == then


def test_a_slow_deployment_that_gets_on_is_waited_for() -> None:
    run = Run(world := slow(running=0))
    run.diagnose(1)
    run_so_many(world, 1)
    run.diagnose(100)
    run_so_many(world, 0)  # one that goes, and comes back, is no progress
    assert run.diagnose(1 + STILL).next == "WAIT"
    run_so_many(world, 1)
    assert run.diagnose(99 + STILL).next == "WAIT"
    assert run.diagnose(100 + STILL).next == "CHANGE"


def test_a_slow_deployment_of_which_all_tasks_run_is_waited_for() -> None:
    run = Run(slow(running=2))
    run.diagnose(1)
    assert run.diagnose(1 + STILL).next == "WAIT"


def test_a_denial_of_no_known_task_of_the_deployment_is_no_reason() -> None:
    """Only the time would be right."""
    diagnosis = look(failing(task="somebody-elses"))
    assert diagnosis.next == "WAIT" and "DENIED_TASKS" not in codes(diagnosis)


def test_a_denial_of_an_old_task_is_no_reason_either() -> None:
    world = failing(lines=DENIAL, task="old-1")
    world.roles.role = ROLE
    assert look(world).next == "WAIT"


@pytest.mark.parametrize(("task", "then"), [("new-0", "CHANGE"), ("somebody-elses", "WAIT")])
def test_a_denial_in_the_trigger_counts_if_its_session_is_a_task_of_the_deployment(
    task: str, then: str
) -> None:
    world = deployed()
    world.services.died = (CRASHED,)
    session = WORKER_ROLE.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
    denial = Denial(
        principal_arn=f"{session}/{task}",
        role_name="prod-retainwise-worker-task-role",
        action="sqs:ReceiveMessage",
        resource=QUEUE,
    )
    assert Run(world, replace(INCIDENT_OF_WORKER, denials=(denial,))).diagnose().next == then


def test_both_revisions_are_remembered_where_they_have_one_role() -> None:
    world = failing(lines=DENIAL)
    world.roles.role = ROLE
    world.services.definitions[NEWER_DEFINITION] = replace(NEW, task_role=OLD_ROLE)
    plan = look(world).plan
    assert plan is not None and plan.role == OLD_ROLE
    assert set(plan.revisions) == {NEWER_DEFINITION, TASK_DEFINITION.arn}


def test_a_deployment_that_ecs_has_given_up_starts_no_tasks_that_a_grant_could_help() -> None:
    world = failing()
    assert world.services.state is not None
    primary, *older = world.services.state.deployments
    failed = replace(primary, rollout_state="FAILED", failed_tasks=3)
    world.services.state = replace(world.services.state, deployments=(failed, *older))
    assert look(world).next == "WAIT"


def test_what_is_granted_already_has_only_to_be_picked_up() -> None:
    world = failing()
    world.roles.others[WORKER_ROLE] = replace(world.roles.others[WORKER_ROLE], attached=(RECEIVE,))
    diagnosis = look(world)
    assert diagnosis.next == "WAIT" and "ALREADY_GRANTED" in codes(diagnosis)


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "LINEAR", "CANARY"])
def test_a_shift_of_traffic_is_waited_for_where_no_task_may_be_replaced(strategy: str) -> None:
    world = failing()
    assert world.services.state is not None
    world.services.state = replace(world.services.state, deployment_configuration={"strategy": strategy})
    assert Run(world, of(replace(ENTRY, redeploy="never"))).diagnose().next == "WAIT"


# What no grant helps is said immediately: the deployment cannot end without somebody's help.


def test_a_role_that_may_not_be_changed_is_refused_with_what_is_denied() -> None:
    world = failing()
    world.allowed.allowed = replace(ALLOWED, roles=frozenset({OLD_ROLE}))
    diagnosis = look(world)
    assert diagnosis.next == "REFUSE" and diagnosis.refusal is not None
    assert diagnosis.refusal.code == "ROLE_NOT_MANAGED"
    (said,) = [finding for finding in diagnosis.findings if finding.code == "ROLE_NOT_MANAGED"]
    assert said.evidence == (DENIED,)


def test_a_call_that_nobody_declared_is_refused_with_the_statement() -> None:
    diagnosis = look(failing(lines=DENIED.replace("receivemessage", "purgequeue")))
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "NOT_DECLARED"
    assert "MISSING_STATEMENT" in codes(diagnosis)


def test_an_execution_role_that_may_not_be_passed_keeps_no_deployment_from_its_grant() -> None:
    """`Redeploy=always` passes it, and here nothing is redeployed."""
    world = failing()
    world.services.definitions[NEWER_DEFINITION] = replace(NEW, execution_role=EXECUTION_ROLE)
    world.allowed.allowed = replace(ALLOWED, execution_roles=frozenset())
    plan = look(world).plan
    assert plan is not None and not plan.redeploy_if_needed
