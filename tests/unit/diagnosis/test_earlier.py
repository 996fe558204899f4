"""Denials of tasks that an earlier deployment had started with another role say nothing of the one in use."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from msgspec.structs import replace

from regrant.model.aws import StoppedTask
from regrant.model.run import Diagnosis
from tests.unit.fakes import DENIAL, INCIDENT_OF_WORKER, RECEIVE, ROLE, World
from tests.unit.run import Run

NOW_IN_USE = "old-1"
"""A task of the deployment in use."""
DRAINED = "f00d"
OF_ANOTHER_ROLE = DENIAL.replace("retainwise-ecs-task-role", "the-role-before")


def denied(line: str, task: str, session: str) -> str:
    """The line as the task with that id logs it, denied as that session."""
    head, _, rest = line.partition("assumed-role/")
    role, _, rest = rest.partition("/")
    return f"{head}assumed-role/{role}/{session}{rest[rest.index(' ') :]}"


def after_a_deployment() -> World:
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    world.services.died = (StoppedTask(DRAINED, "ecs-svc/before", ""),)
    return world


def diagnosed(world: World) -> Diagnosis:
    return Run(world, INCIDENT_OF_WORKER).diagnose()


def test_the_last_words_of_an_earlier_deployments_task_are_nothing_to_fix() -> None:
    world = after_a_deployment()
    world.logs.write(-60, denied(OF_ANOTHER_ROLE, DRAINED, DRAINED), DRAINED)
    diagnosis = diagnosed(world)
    assert diagnosis.next == "NOTHING_TO_FIX"
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "DEPLOYMENT_REPLACED"
    (finding,) = diagnosis.findings
    assert finding.text == f"Denied in an earlier deployment with the-role-before: task {DRAINED}."
    assert len(finding.evidence) == 1


def test_another_principal_that_a_task_in_use_calls_as_is_still_refused() -> None:
    world = after_a_deployment()
    world.logs.write(-60, denied(OF_ANOTHER_ROLE, NOW_IN_USE, "my-session"), NOW_IN_USE)
    diagnosis = diagnosed(world)
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "OTHER_PRINCIPAL"


def test_what_the_tasks_in_use_are_denied_is_granted_beside_it() -> None:
    world = after_a_deployment()
    world.roles.role = ROLE
    world.logs.write(-90, denied(OF_ANOTHER_ROLE, DRAINED, DRAINED), DRAINED)
    world.logs.write(-60, DENIAL, NOW_IN_USE)
    diagnosis = diagnosed(world)
    assert diagnosis.plan is not None and diagnosis.plan.attach == (RECEIVE,)
    assert "OTHER_PRINCIPAL" not in [finding.code for finding in diagnosis.findings]


def test_ecs_is_asked_for_tasks_only_if_such_a_denial_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = after_a_deployment()
    world.roles.role = ROLE
    world.logs.write(-60, DENIAL, NOW_IN_USE)
    stopped = Mock(return_value=())
    monkeypatch.setattr(world.services, "stopped_tasks", stopped)
    diagnosed(world)
    stopped.assert_not_called()
