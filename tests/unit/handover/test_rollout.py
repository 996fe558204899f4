"""Whether the services have moved: ECS is asked, whatever Terraform says."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.handover.rollout import judge
from regrant.model.aws import Deployment, ServiceState, TaskDefinition
from regrant.model.handover import ServiceMark
from tests.unit.fakes import (
    DEFINITION,
    NEWER_DEFINITION,
    OLD,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    ROUTE,
    RUNNING,
    WORKER,
    WORKER_ROLE,
)
from tests.unit.handover.world import TARGET

MARK = ServiceMark(WORKER, DEFINITION, OLD_ROLE, OLD_DEPLOYMENT, DEFINITION)
NEW = replace(OLD, id="ecs-svc/new", task_definition=NEWER_DEFINITION)
RIGHT = TaskDefinition(NEWER_DEFINITION, WORKER_ROLE, (ROUTE,))
TASKS = frozenset({"a", "b"})


def service(*deployments: Deployment, **changed: Any) -> ServiceState:
    shown = replace(RUNNING, deployments=deployments, task_definition=deployments[0].task_definition)
    return replace(shown, **changed)


@pytest.mark.parametrize(
    ("state", "definition", "own", "running", "verdict"),
    [
        (service(NEW), RIGHT, TASKS, TASKS, "HANDED_OVER"),
        # Rolled back, or never deployed: apply ends well, with the old deployment as PRIMARY.
        (service(OLD), None, frozenset(), frozenset(), "ROLLED_BACK"),
        (service(OLD, replace(NEW, status="ACTIVE")), None, frozenset(), frozenset(), "PENDING"),
        # Going on.
        (service(replace(NEW, rollout_state="IN_PROGRESS")), RIGHT, TASKS, TASKS, "PENDING"),
        (service(NEW, replace(OLD, status="ACTIVE")), RIGHT, TASKS, TASKS, "PENDING"),
        (service(NEW), RIGHT, frozenset({"a"}), TASKS, "PENDING"),
        (service(NEW), RIGHT, TASKS, TASKS | {"c"}, "PENDING"),
        # Over, and not with the right role.
        (service(replace(NEW, rollout_state="FAILED")), RIGHT, frozenset(), frozenset(), "ROLLED_BACK"),
        (service(NEW), replace(RIGHT, task_role=OLD_ROLE), TASKS, TASKS, "ROLLED_BACK"),
        (service(NEW), replace(RIGHT, task_role=None), TASKS, TASKS, "ROLLED_BACK"),
        (service(NEW, status="INACTIVE"), RIGHT, TASKS, TASKS, "ROLLED_BACK"),
        (None, None, frozenset(), frozenset(), "ROLLED_BACK"),
    ],
)
def test_a_service_has_moved_only_if_all_of_it_has(
    state: ServiceState | None,
    definition: TaskDefinition | None,
    own: frozenset[str],
    running: frozenset[str],
    verdict: str,
) -> None:
    assert judge(MARK, TARGET, state, definition, own, running).verdict == verdict
