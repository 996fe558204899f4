"""What the steps of the worker's containment had returned when it came to its end, by how it ended."""

from msgspec.structs import replace

from regrant.model.results import BaselineMark, Grant, Health, Receipt, Rollout, Undo
from regrant.model.run import RunState
from tests.unit.fakes import (
    CONTAIN,
    DEFINITION,
    INCIDENT_OF_WORKER,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    RECEIVE,
    SUCCESS,
    at,
)

OURS = "ecs-svc/4026531840000000042"
HEALTHY = Health(
    "HEALTHY", at(240), "CLOSE", checks=12, samples=4, streak=3, needed=3, deployed_at=at(155), proof=SUCCESS
)
UNHEALTHY = replace(HEALTHY, verdict="UNHEALTHY", next="UNDO", streak=0, evidence=("2 denied calls.",))
RECEIPT = Receipt("abc", "abc", "abc", True, at(300))
DONE = RunState(
    incident=INCIDENT_OF_WORKER,
    diagnosis=CONTAIN,
    baseline=BaselineMark(
        "ATTACH", at(2), sha256="abc", primary_deployment=OLD_DEPLOYMENT, task_definition=DEFINITION
    ),
    grant=Grant(OLD_ROLE, (RECEIVE,), at(3)),
    rollout=Rollout(OURS, at(5)),
    health=HEALTHY,
)
UNDONE = replace(
    DONE,
    health=UNHEALTHY,
    undo=Undo("CONFIRM", "DETACH", checks=0, at=at(250), service="HEALTHY"),
    receipt=RECEIPT,
)
STUCK = replace(UNDONE, receipt=None)
