"""Only lines of the service's own tasks count, in the streams that awslogs gives them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.model.aws import LogLine
from regrant.model.run import Diagnosis
from tests.unit.cure import CURE
from tests.unit.fakes import DENIAL, INCIDENT_OF_WORKER, RECEIVE, ROLE, World, at
from tests.unit.run import Run

UNDECLARED = DENIAL.replace("sqs:receivemessage", "iam:createuser")


def diagnosed(world: World) -> Diagnosis:
    return Run(world, INCIDENT_OF_WORKER).diagnose(0)


def codes(diagnosis: Diagnosis) -> list[str]:
    return [finding.code for finding in diagnosis.findings]


def granted() -> World:
    """Nothing is missing, so that whatever the run does it does for a line of the log."""
    world = World()
    world.roles.role = replace(ROLE, attached=tuple(sorted({*ROLE.attached, RECEIVE})))
    return world


def test_a_line_of_no_task_of_the_service_decides_nothing_and_is_named() -> None:
    world = granted()
    world.services.strangers = frozenset({"forged"})
    world.logs.write(-9, UNDECLARED, "forged")
    diagnosis = diagnosed(world)
    assert diagnosis.next == "NOTHING_TO_FIX" and "NOT_DECLARED" not in codes(diagnosis)
    (said,) = [finding for finding in diagnosis.findings if finding.code == "OTHER_STREAMS"]
    assert said.text == "Not counted: 1 line is in streams of no task of the service."
    assert said.evidence == ("ecs/worker/forged",)


def test_a_line_of_a_task_decides_as_before_beside_it() -> None:
    world = granted()
    world.services.strangers = frozenset({"forged"})
    world.logs.write(-9, UNDECLARED, "forged")
    world.logs.write(-8, UNDECLARED, "old-1")
    diagnosis = diagnosed(world)
    assert diagnosis.next == "REFUSE" and codes(diagnosis)[0] == "NOT_DECLARED"
    assert ", denied once at" in diagnosis.findings[0].text


@pytest.mark.parametrize("stream", ["ecs/worker/deeper/old-1", "ecs/worker-2/old-1", "old-1"])
def test_a_stream_that_only_ends_like_a_tasks_is_not_that_tasks(stream: str) -> None:
    world = granted()
    world.logs.written = [LogLine(at(-9), stream, UNDECLARED)]
    assert diagnosed(world).next == "NOTHING_TO_FIX"


def test_no_line_no_question_to_ecs(monkeypatch: pytest.MonkeyPatch) -> None:
    world = granted()
    monkeypatch.delattr(type(world.services), "own_tasks")
    assert diagnosed(world).next == "NOTHING_TO_FIX"


def test_what_stays_denied_in_a_cure_is_what_its_own_tasks_are_denied() -> None:
    world = World()
    world.services.strangers = frozenset({"forged"})
    world.logs.write(-9, UNDECLARED, "forged")
    diagnosis = Run(world, CURE).diagnose(0)
    assert diagnosis.stays_denied == ()
