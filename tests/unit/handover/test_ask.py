"""A person's yes to a plan file: who may give it, to what, and what the run does without it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.approval.answer import answer_approval
from regrant.errors import AnswerNotRecorded, ServiceChanged
from regrant.handover.ask import TIME_LIMIT, ask_handover, digest_of
from regrant.handover.capture import capture_services
from regrant.leases import LIFE, STRAGGLERS, take_service
from regrant.model.approval import Starter
from regrant.model.handover import AskHandoverEvent, HandoverEvent, HandoverState, Plan
from regrant.model.journal import Change
from regrant.settings import Settings
from tests.unit.approval.test_answer import ALICE, BOTH, CAROL, request
from tests.unit.fakes import (
    DEFINITION,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD_ROLE,
    SETTINGS,
    WORKER,
    at,
)
from tests.unit.handover.world import ASKED, CHANGES, NAME, RUN, SHA, Handing


def asked(approvers: str = BOTH) -> Handing:
    settings = {"APPROVERS": approvers, "CATALOGUE_PREFIX": SETTINGS.catalogue_prefix}
    world = Handing(settings=Settings(settings))
    ask_handover(AskHandoverEvent(ASKED, at(100), NAME, "the-token"), world)
    world.waiting.tokens.add("the-token")
    world.trail.known[RUN] = (ALICE,)
    return world


def answered(world: Handing, caller: str = CAROL, **body: Any) -> str:
    given = {"run": RUN, "plan": digest_of(ASKED)} | body
    return answer_approval(request(caller, **given), world, at(700)).code


def capture(world: Handing, state: HandoverState = ASKED) -> Any:
    return capture_services(HandoverEvent(state, at(800), NAME), world)


def test_the_question_says_what_would_change_and_how_to_answer() -> None:
    ((subject, text),) = asked().topic.sent
    assert subject == f"APPROVAL NEEDED handover of {WORKER}"
    for said in (SHA, "9a7e11a", f"RUN={RUN} PLAN={digest_of(ASKED)} ANSWER=approve STACK=regrant"):
        assert said in text
    assert all(change.address in text for change in CHANGES) and "the-token" not in text


def test_a_question_says_when_nobody_may_answer_it() -> None:
    assert "NOBODY CAN ANSWER NOW" in asked("").topic.sent[0][1]


def test_a_listed_person_who_did_not_start_the_handover_says_yes() -> None:
    world = asked()
    assert answered(world) == "APPROVED"
    assert world.waiting.answered == [("the-token", True)]
    assert capture(world).sha256


def test_who_started_the_handover_cannot_say_yes() -> None:
    world = asked()
    world.trail.known[RUN] = (Starter("AssumedRole", CAROL, "AROA:whatever"),)
    assert answered(world) == "SAME_PERSON" and world.waiting.answered == []


def test_a_run_of_the_runbook_with_that_name_is_another_one() -> None:
    world = asked()
    assert answered(world, run=NAME) == "UNKNOWN_RUN"


def test_a_name_is_no_longer_than_an_executions() -> None:
    world = asked()
    assert answered(world, run=f"handover/{'x' * 81}") == "BAD_REQUEST"


def another_role() -> HandoverState:
    spec = ASKED.handover.spec
    assert spec is not None
    targets = tuple(replace(target, role=OLD_ROLE) for target in spec.targets)
    return replace(ASKED, handover=replace(ASKED.handover, spec=replace(spec, targets=targets)))


def another_plan() -> HandoverState:
    assert ASKED.reading is not None
    return replace(ASKED, reading=replace(ASKED.reading, plan=Plan("0" * 64, CHANGES)))


ANOTHER_RUN = replace(ASKED, handover=replace(ASKED.handover, opened_at=at(1)))


@pytest.mark.parametrize("changed", [another_plan(), ANOTHER_RUN, another_role()])
def test_a_yes_is_to_one_plan_of_one_run_and_its_roles(changed: HandoverState) -> None:
    world = asked()
    answered(world)
    with pytest.raises(AnswerNotRecorded):
        capture(world, changed)
    assert world.kept.written.get(RUN) is None


@pytest.mark.parametrize("answer", [None, "reject"])
def test_nothing_is_recorded_without_a_yes(answer: str | None) -> None:
    world = asked()
    if answer:
        assert answered(world, answer=answer) == "REJECTED"
    with pytest.raises(AnswerNotRecorded):
        capture(world)


def test_the_services_are_recorded_as_they_are_before_the_apply() -> None:
    world = asked()
    answered(world)
    capture(world)
    (mark,) = world.kept.written[RUN].services
    assert (mark.revision, mark.role, mark.latest) == (DEFINITION, OLD_ROLE, DEFINITION)


def test_what_somebody_has_deployed_since_is_not_handed_over() -> None:
    world = asked()
    answered(world)
    world.services.somebody_deploys(NEWER_DEFINITION)
    world.services.finish()
    with pytest.raises(ServiceChanged):
        capture(world)


def test_a_person_has_an_hour() -> None:
    question = asked().approvals.last(RUN)
    assert question is not None and question.until == at(100 + TIME_LIMIT)


# The runbook's runs beside a handover


def test_a_run_of_the_runbook_waits_for_the_handover_that_has_its_service() -> None:
    world = asked()
    answered(world)
    capture(world)
    busy = take_service(INCIDENT_OF_WORKER, world, at(900))
    assert busy is not None and (busy.holder, busy.ended) == (RUN, False)


@pytest.mark.parametrize("changed", [True, False])
def test_what_a_stopped_handover_has_changed_is_undone_before_anything_else(changed: bool) -> None:
    world = asked()
    answered(world)
    capture(world)
    if changed:
        world.journal.intend(RUN, Change("build", f"apply/1 of {NAME}", "", at(850)))
    world.executions.ended[RUN] = at(900)
    busy = take_service(INCIDENT_OF_WORKER, world, at(900 + STRAGGLERS))
    assert (busy is not None and busy.left_open) if changed else busy is None


def test_a_lease_outlives_every_wait_between_two_takings() -> None:
    # It is taken by OpenHandover, and again by CaptureServices and each look of the undo.
    assert LIFE > 3_900 + 120 + 12_000 + 2_060 + 3_660 + 1_562 * 4
