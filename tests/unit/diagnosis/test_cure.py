"""May the service be moved to its declared role, and what goes with it?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from regrant.baseline.drift import ROUNDS
from regrant.errors import AccountMoved, AwsRefused
from regrant.model.aws import TaskDefinition
from regrant.model.run import AskEvent, Diagnosis, RunState
from regrant.report.approval import ask_approval
from tests.unit.cure import (
    BACKEND,
    CURE,
    NEW_ROLE,
    another_grant,
    granted,
    let_go,
    planned,
    ready,
    run,
    undo,
)
from tests.unit.fakes import (
    BACKEND_ROLE,
    DEFINITION,
    ENTRY,
    EXECUTION_ROLE,
    INCIDENT,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    ROUTE,
    SEND,
    WORKER_ROLE,
    World,
    at,
)
from tests.unit.run import Run

CAREFUL = replace(CURE, entry=replace(ENTRY, approval="required"))


def refused(diagnosis: Diagnosis) -> tuple[str, str]:
    assert diagnosis.next == "REFUSE" and diagnosis.refusal and diagnosis.plan is None
    return diagnosis.refusal.code, diagnosis.refusal.message


def codes(diagnosis: Diagnosis) -> list[str]:
    return [finding.code for finding in diagnosis.findings]


def moved() -> World:
    """The service runs with its declared role; its grant is left on the old one."""
    world = granted()
    world.services.definition = TaskDefinition(DEFINITION, WORKER_ROLE, (ROUTE,))
    return world


def test_a_contained_service_is_moved_and_its_grant_goes() -> None:
    diagnosis = planned(granted())
    plan = diagnosis.plan
    assert diagnosis.next == "CHANGE" and plan is not None
    assert (plan.role, plan.new_role, plan.task_definition) == (OLD_ROLE, WORKER_ROLE, DEFINITION)
    assert (plan.attach, plan.withdraw, plan.redeploy) == ((), (RECEIVE,), True)
    assert codes(diagnosis) == ["WRONG_TASK_ROLE"]


def test_no_containment_is_needed_before_a_cure() -> None:
    plan = planned(ready()).plan
    assert plan is not None and plan.withdraw == ()


def test_the_grants_of_other_services_are_not_in_the_plan() -> None:
    world = granted()
    another_grant(world, "run-2", BACKEND, SEND)
    plan = planned(world).plan
    assert plan is not None and plan.withdraw == (RECEIVE,)


def test_grants_on_another_role_than_the_one_in_use_wait_for_a_second_cure() -> None:
    world = granted()
    world.roles.others[BACKEND_ROLE] = replace(ROLE, arn=BACKEND_ROLE)
    another_grant(world, "run-2", policy=SEND, role=BACKEND_ROLE)
    run(world)
    let_go(world)
    world.services.definition = TaskDefinition(DEFINITION, WORKER_ROLE, (ROUTE,))
    plan = planned(world).plan
    assert plan is not None and (plan.role, plan.withdraw, plan.new_role) == (BACKEND_ROLE, (SEND,), None)


def test_a_person_is_asked_where_the_entry_says_so() -> None:
    assert planned(granted(), CAREFUL).next == planned(moved(), CAREFUL).next == "ASK"


def test_the_question_names_the_new_role_and_what_is_detached() -> None:
    world = granted()
    ask_approval(AskEvent(RunState(CAREFUL, planned(world, CAREFUL)), at(3), "token"), world)
    ((_, message),) = world.topic.sent
    assert f"- register a copy of {DEFINITION} with the task role {WORKER_ROLE}" in message
    assert f"({RECEIVE}) from {OLD_ROLE}" in message and "force a new deployment" not in message


def test_a_role_that_does_not_exist_is_named() -> None:
    world = granted()
    del world.roles.others[WORKER_ROLE]
    diagnosis = planned(world)
    assert refused(diagnosis)[0] == "NEW_ROLE_UNFIT"
    assert codes(diagnosis) == ["WRONG_TASK_ROLE", "NEW_ROLE_MISSING"]


def test_a_role_that_aws_refuses_to_show_is_named_with_both_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    world, read = granted(), World().roles.read

    def refusing(role: str) -> object:
        if role == WORKER_ROLE:
            raise AwsRefused("AccessDenied: no", "AccessDenied")
        return read(role)

    monkeypatch.setattr(world.roles, "read", refusing)
    diagnosis = planned(world)
    assert refused(diagnosis)[0] == "NEW_ROLE_UNFIT"
    assert codes(diagnosis) == ["WRONG_TASK_ROLE", "NEW_ROLE_UNREADABLE"]
    assert "does not exist, or the stack may not read it" in diagnosis.findings[-1].text


def test_a_role_that_may_not_be_passed_is_named() -> None:
    world = granted()
    foreign = f"{WORKER_ROLE}-2"
    world.roles.others[foreign] = replace(NEW_ROLE, arn=foreign)
    diagnosis = planned(world, replace(CURE, entry=replace(ENTRY, task_role=foreign)))
    assert codes(diagnosis) == ["WRONG_TASK_ROLE", "NEW_ROLE_NOT_PASSABLE"]


def test_an_execution_role_that_may_not_be_passed_is_named() -> None:
    world = granted()
    world.revisions.execution = f"{EXECUTION_ROLE}-2"
    assert "EXECUTION_ROLE_NOT_PASSABLE" in codes(planned(world))
    world.revisions.execution = EXECUTION_ROLE
    assert planned(world).next == "CHANGE"


def test_everything_that_is_wrong_with_the_role_is_in_the_refusal() -> None:
    world = granted()
    world.roles.others[WORKER_ROLE] = replace(NEW_ROLE, attached=(), trust={})
    code, message = refused(planned(world))
    assert code == "NEW_ROLE_UNFIT" and "ecs-tasks" in message and "lacks" in message


def test_a_policy_that_the_declared_role_has_for_a_time_only_is_no_base() -> None:
    world = granted()
    another_grant(world, "run-2", BACKEND, role=WORKER_ROLE)
    _, message = refused(planned(world))
    assert "only as the temporary grant of run run-2" in message


def test_a_revision_to_which_ecs_would_not_go_back_is_not_left() -> None:
    world = granted()
    world.revisions.inactive.append(DEFINITION)
    code, message = refused(planned(world))
    assert code == "REVISION_NOT_ACTIVE" and "retainwise-worker:1" in message


def test_a_service_of_which_no_log_can_be_read_is_not_moved() -> None:
    world = granted()
    world.logs.unread = {ROUTE.group: "AccessDeniedException"}
    code, message = refused(planned(world))
    assert code == "LOGS_UNREADABLE" and ROUTE.group in message


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "LINEAR", "CANARY"])
def test_a_service_that_no_rolling_update_deploys_is_not_moved(strategy: str) -> None:
    world = granted()
    state = world.services.state
    assert state is not None
    world.services.state = replace(state, deployment_configuration={"strategy": strategy})
    diagnosis = planned(world)
    code, message = refused(diagnosis)
    assert code == "UNSUPPORTED_STRATEGY" and strategy in message
    assert diagnosis.refusal is not None and WORKER_ROLE in diagnosis.refusal.next


def test_a_service_that_is_managed_by_terraform_is_refused_with_the_change() -> None:
    diagnosis = planned(granted(), replace(CURE, entry=replace(ENTRY, managed_by="terraform")))
    assert refused(diagnosis)[0] == "MANAGED_BY_TERRAFORM" and diagnosis.refusal is not None
    assert f'+   task_role_arn = "{WORKER_ROLE}"' in diagnosis.refusal.next


def test_terraform_that_has_applied_the_change_leaves_the_grant_to_the_cure() -> None:
    plan = planned(moved(), replace(CURE, entry=replace(ENTRY, managed_by="terraform"))).plan
    assert plan is not None and (plan.role, plan.new_role, plan.withdraw) == (OLD_ROLE, None, (RECEIVE,))


def test_nothing_is_left_to_do_for_a_service_on_its_role_without_a_grant() -> None:
    world = ready()
    world.services.definition = TaskDefinition(DEFINITION, WORKER_ROLE, (ROUTE,))
    diagnosis = planned(world)
    assert (diagnosis.next, codes(diagnosis)) == ("NOTHING_TO_FIX", ["RIGHT_TASK_ROLE", "NO_GRANT"])


def test_a_grant_on_the_declared_role_itself_is_no_cure() -> None:
    world = ready()
    world.services.definition = TaskDefinition(DEFINITION, WORKER_ROLE, (ROUTE,))
    another_grant(world, "run-2", role=WORKER_ROLE)
    code, message = refused(planned(world))
    assert code == "NEW_ROLE_UNFIT" and "run-2" in message


@pytest.mark.parametrize("world", [granted, moved])
def test_an_account_that_goes_on_changing_is_refused(world: Callable[[], World]) -> None:
    assert planned(world(), checks=ROUNDS).next == "CHANGE"
    assert refused(planned(world(), checks=ROUNDS + 1))[0] == "ACCOUNT_MOVING"


def test_a_service_that_cannot_be_worked_on_is_refused() -> None:
    world = granted()
    world.services.somebody_deploys(NEWER_DEFINITION)
    assert refused(planned(world))[0] == "DEPLOYMENT_IN_FLIGHT"
    world.services.state = None
    assert refused(planned(world))[0] == "UNKNOWN_SERVICE"


def test_a_role_in_use_that_is_not_managed_is_refused() -> None:
    world = granted()
    world.services.definition = TaskDefinition(DEFINITION, f"{OLD_ROLE}-2", (ROUTE,))
    assert refused(planned(world))[0] == "ROLE_NOT_MANAGED"


def test_a_declared_role_that_changes_after_the_plan_needs_a_new_plan() -> None:
    world = granted()
    diagnosis = planned(world)
    world.roles.others[WORKER_ROLE] = replace(NEW_ROLE, attached=())
    with pytest.raises(AccountMoved, match="prod-retainwise-worker-task-role"):
        Run(world, CURE, diagnosis).capture(4000)


def test_a_cure_whose_containment_has_expired_puts_the_grant_back_for_one_more_period() -> None:
    world = granted()
    ends = world.holds.written[OLD_ROLE, RECEIVE, INCIDENT].expires_at
    run(world, seconds=24 * 3600 - 200)
    let_go(world)
    assert undo(world, seconds=24 * 3600 + 300).equal
    (hold,) = world.holds.of(OLD_ROLE)
    assert hold.expires_at == at(48 * 3600 + 300) != ends and "renewed" in hold.why
    assert list(world.schedules.at) == [(INCIDENT, hold.expires_at)]
