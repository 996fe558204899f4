"""A person is asked, and only a plain yes carries out the plan that was shown."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from msgspec.structs import replace

from regrant.baseline.capture import capture
from regrant.baseline.drift import ROUNDS
from regrant.diagnosis.diagnose import diagnose
from regrant.errors import AccountMoved, AwsRefused
from regrant.model.journal import Hold, Lease
from regrant.model.run import Diagnosis, Finding, RunState
from regrant.report.approval import ask_approval, judge_answer
from regrant.report.close import close_incident
from tests.unit.fakes import (
    CONTAIN,
    ENTRY,
    INCIDENT,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    SEND,
    SETTINGS,
    FakeTopic,
    World,
    at,
    diagnosed,
)

CAREFUL = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, approval="required"))
ASK = replace(CONTAIN, decision="ASK")
TOKEN = "AQCEAAAAKgAAAAMAAAAA+/token=="


def asked(state: RunState | None = None, world: World | None = None) -> str:
    world = world or World()
    ask_approval(state or RunState(CAREFUL, ASK), TOKEN, world.leases, world.topic, at(3))
    ((_, message),) = world.topic.sent
    return message


def look(world: World, before: Diagnosis | None = None, careful: bool = True) -> Diagnosis:
    return diagnose(
        CAREFUL if careful else INCIDENT_OF_WORKER,
        world.services,
        world.roles,
        world.logs,
        world.queues,
        world.holds,
        SETTINGS,
        at(1),
        before,
    )


def begin(world: World, diagnosis: Diagnosis) -> None:
    capture(CAREFUL, diagnosis, world.services, world.roles, world.queues, world.holds, world.journal, at(4))


def test_a_plan_of_a_service_that_asks_for_it_waits_for_a_person() -> None:
    assert look(World()).decision == "ASK"
    assert look(World(), careful=False).decision == "CONTAIN"


def test_the_question_has_the_change_its_reason_the_time_limit_and_both_answers() -> None:
    finding = Finding("MISSING_ATTACHMENT", "retainwise-ecs-task-role lacks it\n\x1b[2Jnow")
    message = asked(RunState(CAREFUL, replace(ASK, findings=(finding,))))
    assert f"({RECEIVE}, version" in message and OLD_ROLE in message
    assert "lacks it  [2Jnow" in message
    assert at(3603) in message
    assert "force a new deployment" in message
    yes, no = [shlex.split(line) for line in message.splitlines() if line.startswith("aws ")]
    assert yes[:5] == no[:5] == ["aws", "stepfunctions", "send-task-success", "--task-token", TOKEN]
    assert (yes[-1], no[-1]) == ('{"approved": true}', '{"approved": false}')


def test_a_run_that_waits_for_a_person_keeps_no_role_from_others() -> None:
    world = World()
    world.leases.take(Lease(f"role/{OLD_ROLE}", INCIDENT, at(2), at(9000)), at(2))
    asked(world=world)
    assert world.leases.held[f"role/{OLD_ROLE}"].ends_at == at(3)


def test_where_nobody_can_be_asked_the_run_fails() -> None:
    topic = FakeTopic(failure=AwsRefused("no such topic", "NotFound"))
    with pytest.raises(AwsRefused):
        ask_approval(RunState(CAREFUL, ASK), TOKEN, World().leases, topic, at(3))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"approved": True}, None),
        ({"approved": True, "by": "somebody"}, None),
        ({"approved": False}, "NOT_APPROVED"),
        ({"approved": "true"}, "NOT_APPROVED"),
        ({"approved": 1}, "NOT_APPROVED"),
        ({}, "NOT_APPROVED"),
        ("yes", "NOT_APPROVED"),
        (True, "NOT_APPROVED"),
        ([{"approved": True}], "NOT_APPROVED"),
        ({"Error": "States.Timeout", "Cause": ""}, "NOT_ANSWERED"),
    ],
)
def test_only_a_plain_yes_is_a_yes(answer: object, code: str | None) -> None:
    refusal = judge_answer(RunState(CAREFUL, ASK, answer=answer))
    assert (refusal.code if refusal else None) == code


def test_a_no_ends_refused_and_says_so() -> None:
    world = World()
    state = RunState(CAREFUL, ASK, answer={"approved": False})
    report = close_incident(state, world.journal, world.leases, world.topic, at(60))
    assert (report.outcome, report.findings[-1].code, report.changes) == ("REFUSED", "NOT_APPROVED", ())


def test_a_plan_that_nobody_was_asked_about_needs_no_answer() -> None:
    assert judge_answer(RunState(INCIDENT_OF_WORKER, CONTAIN, answer={"approved": False})) is None


def test_the_account_as_it_was_is_the_one_that_is_changed() -> None:
    world = World()
    begin(world, look(world))
    assert INCIDENT in world.journal.baselines


@pytest.mark.parametrize(
    "change",
    [
        {"attached": (SEND,)},
        {"inline": {}},
        {"boundary": SEND},
        {"tags": {"Environment": "test"}},
        {"trust": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_role_that_somebody_changed_since_makes_the_plan_anew(change: dict[str, Any]) -> None:
    world = World()
    diagnosis = look(world)
    world.roles.role = replace(ROLE, **change)
    with pytest.raises(AccountMoved, match="changed since the diagnosis"):
        begin(world, diagnosis)
    assert world.journal.baselines == {}


def test_another_version_of_an_approved_policy_makes_the_plan_anew() -> None:
    world = World()
    diagnosis = look(world)
    world.roles.version = "v2"
    with pytest.raises(AccountMoved, match="another version"):
        begin(world, diagnosis)


def test_what_another_incident_is_granted_meanwhile_moves_nothing() -> None:
    world = World()
    diagnosis = look(world)
    world.holds.write(OLD_ROLE, Hold(SEND, "another", "retainwise-cluster/retainwise-backend"))
    world.roles.role = replace(ROLE, attached=(SEND,))
    begin(world, diagnosis)
    assert world.journal.baselines[INCIDENT].granted == (SEND,)


def test_what_was_another_incidents_grant_before_moves_nothing_either() -> None:
    world = World()
    world.holds.write(OLD_ROLE, Hold(SEND, "another", "retainwise-cluster/retainwise-backend"))
    world.roles.role = replace(ROLE, attached=(SEND,))
    begin(world, diagnosed(world.roles.role))
    assert INCIDENT in world.journal.baselines


def test_an_account_that_goes_on_changing_is_left_alone_in_the_end() -> None:
    world = World()
    diagnosis = look(world)
    for _ in range(ROUNDS - 1):
        diagnosis = look(world, diagnosis)
        assert diagnosis.decision == "ASK"
    last = look(world, diagnosis)
    assert (last.decision, last.plan, last.checks) == ("REFUSE", None, ROUNDS + 1)
    assert last.refusal is not None and last.refusal.code == "ACCOUNT_MOVING"
