"""What somebody has made up is not reported as a failure of AWS."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import AnswerNotRecorded, ClockAhead, NotOfThisRun
from regrant.model.run import Failure, RunState
from tests.unit.ended import UNDONE
from tests.unit.fakes import CONTAIN, INCIDENT_OF_WORKER, World
from tests.unit.run import Run

FORGED = [
    (AnswerNotRecorded, "who called SendTaskSuccess"),
    (NotOfThisRun, "who invoked the function"),
    (ClockAhead, "who invoked the function"),
]


@pytest.mark.parametrize(("error", "whom"), FORGED)
def test_the_report_of_a_run_that_changed_nothing_says_whom_to_look_for(error: type, whom: str) -> None:
    state = RunState(INCIDENT_OF_WORKER, CONTAIN, error=Failure(error.__name__, "No."))
    report = Run(World()).closed(state)
    assert report.outcome == "REFUSED" and report.next.startswith("Nothing was changed.")
    assert whom in report.next and "AWS or the runbook failed" not in report.next


@pytest.mark.parametrize(("error", "whom"), FORGED)
def test_so_does_that_of_a_run_that_was_undone(error: type, whom: str) -> None:
    report = Run(World()).closed(replace(UNDONE, error=Failure(error.__name__, "No.")))
    assert report.outcome == "ROLLED_BACK" and whom in report.next
