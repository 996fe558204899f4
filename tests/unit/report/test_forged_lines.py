"""Whoever writes to the service's log does not push what was decided off the page."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.model.run import Diagnosis, Failure, Finding, Report, RunState
from regrant.report.render import render
from tests.unit.fakes import CONTAIN, ENTRY, INCIDENT_OF_WORKER, World
from tests.unit.run import Run

CAREFUL = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, approval="required"))
FORGED = tuple(
    Finding("NOT_DECLARED", f"No declared policy allows it: s3:Action{n} on *, denied once.", ("word " * 60,))
    for n in range(10)
)
REAL = Finding("MISSING_ATTACHMENT", "retainwise-ecs-task-role lacks prod-retainwise-sqs-worker.", ("line",))
ASK = replace(CONTAIN, next="ASK", findings=(*FORGED, REAL))


def refused(diagnosis: Diagnosis = ASK) -> tuple[World, Report]:
    world = World()
    run = Run(world, CAREFUL, diagnosis)
    run.say(approved=False)
    return world, run.close(60)


def test_ten_forged_denials_leave_the_refusal_the_answer_and_the_cause_on_the_page() -> None:
    world, report = refused()
    ((_, mail),) = world.topic.sent
    for page in (" ".join(text.split()) for text in (render(report), mail)):
        assert "The plan was not approved: " in page
        assert "carol said no to the plan" in page
        assert "lacks prod-retainwise-sqs-worker." in page
        assert "more changed" in page  # the rest is counted


def test_what_was_decided_comes_before_what_was_found() -> None:
    _, report = refused()
    assert [finding.code for finding in report.findings[:4]] == [
        "TRIGGER",
        "ANSWERED",
        "NOT_APPROVED",
        "NOT_DECLARED",
    ]


def test_a_step_that_failed_is_on_the_page() -> None:
    state = RunState(CAREFUL, replace(CONTAIN, findings=(*FORGED, REAL)))
    failed = replace(state, error=Failure("AccountMoved", "The role changed after each of several plans."))
    report = Run(World(), CAREFUL).closed(failed)
    assert [finding.code for finding in report.findings[:2]] == ["TRIGGER", "AccountMoved"]
    assert "The role changed after each" in render(report)


def test_a_page_that_has_room_shows_each_finding_with_its_evidence_in_order() -> None:
    _, report = refused(replace(CONTAIN, next="ASK", findings=(FORGED[0], REAL)))
    page = " ".join(render(report).split())
    places = [page.index(text) for text in ("said no", "not approved", "s3:Action0", "word", "lacks", "line")]
    assert places == sorted(places)
