"""The report names who answered, whatever became of the plan since."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.model.approval import Question
from regrant.model.run import Report
from tests.unit.fakes import ENTRY, INCIDENT_OF_WORKER, WORKER, FakeApprovals, World
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
