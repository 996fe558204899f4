"""What somebody gains who may invoke every function of the stack, and nothing else.

`lambda:InvokeFunction` on `*` is common in roles of developers. The steps get states as real runs have sent
them, of which somebody who may only invoke has none: what these do not gain, nobody does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sandbox.scenarios.seeds import retainwise
from tests.e2e.test_forger import function, invoke, only
from tests.statemachine.happenings import say
from tests.statemachine.world import OLD_ROLE, POLICY, WORKER, World, incident

REFUSED = ("NotOfThisRun", "AwsUnavailable")
SEND = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.SEND}"
STEPS = (
    *("ask-approval", "capture-baseline", "attach-policies", "redeploy-service", "withdraw-grants"),
    *("undo-role", "undo-service", "close-incident", "page-operator"),
)
"""That change something, or notify."""


def forger(world: World) -> Any:
    return only(world, "lambda:InvokeFunction", function("*"))


def now(world: World, seconds: float = 0) -> str:
    at = world.account.clock.now() + timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sent(world: World, step: str, run: int = -1) -> dict[str, Any]:
    """What that execution has sent last to the step's function."""
    sfn, arn = world.account.client("stepfunctions"), world.executions()[run]["executionArn"]
    pages = sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
    details = [event.get("lambdaFunctionScheduledEventDetails") for page in pages for event in page["events"]]
    inputs = [each["input"] for each in details if each and each["resource"] == function(step)]
    given: dict[str, Any] = json.loads(inputs[-1])
    return given


def left(world: World) -> tuple[Any, ...]:
    """Everything that a forged step could have changed, and whoever it could have notified."""
    items = world.account.client("dynamodb").scan(TableName=world.outputs["JournalTable"])["Items"]
    schedules = world.account.client("scheduler").list_schedules()["Schedules"]
    journal = {(each["incident"]["S"], each["entry"]["S"]): each for each in items}
    return world.changed(), len(world.messages()), [each["Name"] for each in schedules], journal


def of(step: str, world: World, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An event of that step with the state."""
    event: dict[str, Any] = {"state": state, "now": now(world)} | more
    if step == "close-incident":
        event |= {"input": {"service": WORKER}, "execution": state["incident"]["id"]}
    return event | ({"token": "the-forger-has-it"} if step == "ask-approval" else {})


def contained(world: World) -> dict[str, Any]:
    """The state of a run that has contained the worker, as it sent it to its last step."""
    assert world.run().outcome == "CONTAINED"
    state: dict[str, Any] = sent(world, "close-incident")["state"]
    return state


def made_up(state: dict[str, Any]) -> dict[str, Any]:
    """A state of a run that never was: of another service's grant, with everything proved and approved."""
    incident = state["incident"] | {"id": "made-up", "subject": "made-up"}
    plan = state["diagnosis"]["plan"] | {"attach": [POLICY], "withdraw": [SEND]}
    answer = {"answer": {"approved": True}, "next": "ASK"}
    return state | {"incident": incident, "diagnosis": state["diagnosis"] | answer | {"plan": plan}}


def undoing(state: dict[str, Any]) -> dict[str, Any]:
    """As UndoRole has left it, so that UndoService and ConfirmBaseline take it."""
    return state | {
        "undo": {"next": "SERVICE", "phase": "RESTORE", "checks": 0, "at": state["diagnosis"]["at"]}
    }


@pytest.mark.parametrize("step", STEPS)
def test_a_state_of_a_run_that_never_was_gains_nothing(step: str) -> None:
    with incident() as world:
        state = undoing(made_up(contained(world)))
        attacker, before = forger(world), left(world)
        answer = invoke(attacker, step, of(step, world, state))
        assert answer["errorType"] in REFUSED
        assert left(world) == before


@pytest.mark.parametrize("step", STEPS)
def test_what_a_run_has_sent_gains_nothing_once_it_has_ended(step: str) -> None:
    """By somebody who may read histories, too. Nor is anything else written of grant and deployment."""
    with incident() as world:
        state = undoing(contained(world))
        attacker, before = forger(world), left(world)
        answer = invoke(attacker, step, of(step, world, state))
        assert answer["errorType"] == "NotOfThisRun"
        assert left(world) == before


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_waits_for_a_person_is_carried_on_by_nobody_else(step: str) -> None:
    """The yes, too, would be the forger's. Then the person says no."""
    with incident() as world:
        world.change_entry(approval="required")
        asked, before = list[Any](), list[Any]()

        def attack(world: World, entered: str) -> None:
            if entered != "AskApproval" or asked:
                return
            diagnosed = sent(world, "diagnose")["state"] | {"diagnosis": _diagnosis(world)}
            diagnosed["diagnosis"] |= {"answer": {"approved": True}}
            mark = {"next": "ATTACH", "at": now(world), "sha256": "0" * 64, "grant_ends_at": now(world, 3600)}
            state = undoing(diagnosed | {"baseline": mark})
            attacker = forger(world)
            before.append(left(world))
            asked.append(invoke(attacker, step, of(step, world, state)))
            before.append(left(world))
            say("No")(world)

        ended = world.run(on_state=attack)
        assert asked[0]["errorType"] in REFUSED and before[0] == before[1]
        assert ended.outcome == "REFUSED" and not world.granted()


def _diagnosis(world: World) -> dict[str, Any]:
    """As the run has it that waits."""
    events = world._events(world.executions()[-1]["executionArn"])
    exits = [event.get("stateExitedEventDetails", {}) for event in events]
    outputs = [each["output"] for each in exits if each.get("name") == "Diagnose"]
    diagnosis: dict[str, Any] = json.loads(outputs[-1])["diagnosis"]
    return diagnosis


def test_a_grant_is_not_made_by_playing_all_steps_of_a_run() -> None:
    """OpenIncident leases a service for whatever run it is given, and Diagnose says what is missing."""
    with incident() as world:
        attacker = forger(world)
        world.remember()
        given = {
            "input": {"service": WORKER},
            "now": now(world),
            "execution": "made-up",
            "started": now(world),
        }
        state = invoke(attacker, "open-incident", given)
        assert state["incident"]["leased"]
        state |= {"diagnosis": invoke(attacker, "diagnose", {"state": state, "now": now(world)})}
        assert state["diagnosis"]["plan"]["attach"] == [POLICY]
        captured = invoke(attacker, "capture-baseline", {"state": state, "now": now(world)})
        assert captured["errorType"] in REFUSED
        mark = {"next": "ATTACH", "at": now(world), "grant_ends_at": "2036-03-02T09:00:00.000Z"}
        state |= {"baseline": mark}
        assert invoke(attacker, "attach-policies", of("", world, state))["errorType"] == "NotOfThisRun"
        assert invoke(attacker, "redeploy-service", of("", world, state))["errorType"] == "NotOfThisRun"
        assert world.changed() == [] and not world.granted()
        assert world.account.client("scheduler").list_schedules()["Schedules"] == []


CHANGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "another policy": lambda state: state["diagnosis"]["plan"].update(attach=[POLICY, SEND]),
    "another end": lambda state: state["baseline"].update(grant_ends_at="2036-03-02T09:00:00.000Z"),
    "another service": lambda state: state["incident"]["service"].update(name=retainwise.BACKEND),
    "another answer": lambda state: state["diagnosis"].update(answer={"approved": True}),
    "another hold": lambda state: state["incident"]["entry"].update(grant_ttl_hours=9999),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_run_attaches_and_deploys_nothing_but_what_it_has_planned(change: str) -> None:
    """In the seconds of a run between its baseline and its grant, by somebody who may read its history."""
    with incident() as world:
        answers = list[Any]()

        def attack(world: World, entered: str) -> None:
            if entered != "PauseForHealth" or answers:
                return
            state = sent(world, "redeploy-service")["state"]
            CHANGED[change](state)
            attacker, before = forger(world), left(world)
            answers.extend(
                invoke(attacker, step, of(step, world, state))
                for step in ("attach-policies", "redeploy-service")
            )
            assert left(world) == before

        assert world.run(on_state=attack).outcome == "CONTAINED"
        assert [answer["errorType"] for answer in answers] == ["NotOfThisRun"] * 2


def test_an_undo_goes_on_where_its_functions_may_not_ask_any_more() -> None:
    """A policy of the organization, say: an undo must not stop at that, and no forger brings it about."""
    with incident() as world:
        for step in ("undo-role", "undo-service", "close-incident", "page-operator"):
            world.deny(step, "states", "GetExecutionHistory")
        world.deny("attach-policies", "iam", "ListAttachedRolePolicies", occurrence=2)
        assert world.run().outcome == "ROLLED_BACK"
        assert world.changed() == []


def test_without_an_answer_of_step_functions_nothing_is_changed() -> None:
    with incident() as world:
        world.deny("capture-baseline", "states", "GetExecutionHistory")
        ended = world.run()
        assert (ended.error, ended.outcome) == ("NothingChanged", "REFUSED")
        assert world.changed() == [] and OLD_ROLE not in world.mutations()


def test_a_throttled_question_for_the_history_is_asked_again() -> None:
    with incident() as world:
        world.throttle(10, ("capture-baseline", "states", "GetExecutionHistory"))
        assert world.run().outcome == "CONTAINED"


def test_an_undo_waits_for_ten_minutes_where_step_functions_does_not_answer() -> None:
    """Whoever may read histories may have the account's calls throttled."""
    patient = ("undo-role", "undo-service", "close-incident", "page-operator")
    with incident() as world:
        world.deny("attach-policies", "iam", "ListAttachedRolePolicies", occurrence=2)
        world.throttle(600, *((step, "states", "GetExecutionHistory") for step in patient))
        assert world.run().outcome == "ROLLED_BACK"
        assert world.changed() == []
