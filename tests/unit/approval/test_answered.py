"""The report names who answered, whatever became of the plan since."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.model.approval import Answer, Question
from regrant.model.run import Report, RunState
from tests.unit.ended import DONE
from tests.unit.fakes import CONTAIN, ENTRY, INCIDENT, INCIDENT_OF_WORKER, WORKER, FakeApprovals, World, at
from tests.unit.run import Run

CAREFUL = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, approval="required"))


class CountingApprovals(FakeApprovals):
    asked = 0

    def last(self, run: str) -> Question | None:
        self.asked += 1
        return super().last(run)


def answers(report: Report) -> list[str]:
    return [finding.text for finding in report.findings if finding.code == "ANSWERED"]


def test_who_approved_a_plan_is_named_though_a_second_look_refused_the_run() -> None:
    world = World()
    run = Run(world, CAREFUL)
    run.diagnose()
    run.approve()
    del world.catalogue.parameters[WORKER]
    assert run.diagnose(20).next == "REFUSE"
    assert [text.split(" to ")[0] for text in answers(run.close(60))] == [
        "arn:aws:iam::123456789012:role/approver/carol said yes"
    ]


def test_a_run_that_looked_twice_and_never_asked_costs_no_call_more() -> None:
    world = World()
    world.approvals = CountingApprovals()
    run = Run(world)
    run.diagnose()
    del world.catalogue.parameters[WORKER]
    assert run.diagnose(20).next == "REFUSE" and answers(run.close(60)) == []
    assert world.approvals.asked == 0


def test_the_wait_for_a_person_is_no_part_of_the_diagnosis() -> None:
    world = World()
    said = Answer(True, "arn:aws:iam::123456789012:role/approver/carol", "AROA:carol", at(240), "SENT")
    world.approvals.ask(Question(INCIDENT, str(WORKER), "0" * 64, at(4), at(3604), at(0), answer=said))
    approved = replace(CONTAIN, next="ASK", answer={"approved": True})
    assert DONE.baseline
    report = Run(world).closed(RunState(CAREFUL, approved, replace(DONE.baseline, at=at(240))))
    took = {stage.stage: stage.seconds for stage in report.timeline}
    assert (took["diagnose"], took["approval"]) == (4, 236)


def test_a_question_that_nobody_answered_was_waited_for_until_its_time() -> None:
    world = World()
    world.approvals.ask(Question(INCIDENT, str(WORKER), "0" * 64, at(4), at(304), at(0)))
    answer = {"Error": "States.Timeout", "Cause": None}
    state = RunState(CAREFUL, replace(CONTAIN, next="ASK", answer=answer))
    took = {stage.stage: stage.seconds for stage in Run(world, CAREFUL).closed(state).timeline}
    assert took["approval"] == 300 > took["diagnose"]
