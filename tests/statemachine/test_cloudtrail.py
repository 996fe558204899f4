"""A CloudTrail event as an execution's input: the service is found from the task that was denied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sandbox.scenarios.seeds import retainwise
from tests.statemachine.world import OLD_ROLE, POLICY, WORKER, World, incident

EVENT = Path(__file__).resolve().parents[2] / "events" / "cloudtrail.json"


def event_of(session: str) -> dict[str, Any]:
    """The event as delivered, of another session of the role."""
    text = EVENT.read_text("utf-8")
    whole = json.loads(text)
    event: dict[str, Any] = json.loads(
        text.replace(whole["detail"]["userIdentity"]["arn"].rpartition("/")[2], session)
    )
    return event


def task_of_the_worker(world: World) -> str:
    ecs = world.account.client("ecs")
    tasks = ecs.list_tasks(cluster=retainwise.CLUSTER, serviceName=retainwise.WORKER)["taskArns"]
    return str(tasks[0].rpartition("/")[2])


def test_the_service_of_the_denied_task_is_contained() -> None:
    with incident() as world:
        ended = world.run(event_of(task_of_the_worker(world)))
        assert (ended.outcome, ended.report["service"]) == ("CONTAINED", WORKER)
        assert "CloudTrail event" in ended.report["findings"][0]["text"]
        assert next((c["kind"], c["target"], c["value"]) for c in ended.report["changes"]) == (
            "attach",
            OLD_ROLE,
            POLICY,
        )


def test_a_session_of_the_role_that_is_no_task_changes_nothing() -> None:
    with incident() as world:
        ended = world.run(event_of("somebodys-laptop"))
        assert (ended.outcome, ended.codes[-1]) == ("REFUSED", "OTHER_CALLER")
        assert world.mutations() == [] and world.changed() == []
