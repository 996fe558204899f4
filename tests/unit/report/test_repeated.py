"""The same refusal for the same cause is notified once, and rather twice than never."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.journal import LastOutcome
from regrant.model.results import Refusal
from regrant.model.run import CloseEvent, Diagnosis, Failure, Finding, Report, RunState
from regrant.report.close import close_incident
from tests.unit.fakes import INCIDENT_OF_WORKER, WORKER, FakeTopic, World, at

HOUR = 3600
NOT_DECLARED = Refusal("NOT_DECLARED", "Nobody declared it.", "Declare it.")
DENIED = "No policy that the catalogue declares allows it: {}, denied 26 times"


def refused(
    refusal: Refusal | None = NOT_DECLARED,
    action: str = "sqs:ReceiveMessage",
    *,
    automatic: bool = True,
    revision: str = "worker:1",
) -> RunState:
    found = (Finding("NOT_DECLARED", DENIED.format(action), action=action),)
    diagnosis = Diagnosis("REFUSE", at(1), found, refusal=refusal, tried=(revision,))
    return RunState(replace(INCIDENT_OF_WORKER, automatic=automatic), diagnosis)


def close(world: World, run: str, seconds: float, state: RunState | None = None) -> Report:
    state = state or refused()
    state = replace(state, incident=replace(state.incident, id=run, subject=run))
    event = CloseEvent(msgspec.to_builtins(state), at(seconds), {}, run)
    return close_incident(event, world)


def said(report: Report) -> str:
    return next((finding.text for finding in report.findings if finding.code == "SAME_CAUSE"), "")


def test_ten_times_in_an_hour_is_one_notification() -> None:
    world = World()
    reports = [close(world, f"run-{number}", 60 * number) for number in range(10)]
    assert [subject for subject, _ in world.topic.sent] == [f"REFUSED {WORKER}"]
    assert said(reports[0]) == "" and f"10 automatic runs have ended for this cause since {at(0)}" in said(
        reports[9]
    )
    assert set(world.journal.closed) == {f"run-{number}" for number in range(10)}  # each has its report


def test_after_a_day_it_is_notified_with_how_often_it_was_so() -> None:
    world = World()
    for number in range(3):
        close(world, f"run-{number}", HOUR * number)
    close(world, "run-3", 25 * HOUR)
    assert len(world.topic.sent) == 2
    assert f"4 automatic runs have ended for this cause since {at(0)}." in " ".join(
        world.topic.sent[-1][1].split()
    )
    close(world, "run-4", 26 * HOUR)
    assert len(world.topic.sent) == 2


@pytest.mark.parametrize(
    "other",
    [
        refused(action="sqs:DeleteMessage"),
        refused(revision="worker:2"),
        refused(replace(NOT_DECLARED, code="EXPLICIT_DENY")),
        replace(refused(None), error=Failure("AwsRefused", "denied")),
    ],
    ids=["another action", "another revision", "another refusal", "a failure"],
)
def test_another_cause_is_notified_and_so_is_neither_again(other: RunState) -> None:
    world = World()
    for number in range(3):
        close(world, f"one-{number}", 60 * number)
        close(world, f"other-{number}", 60 * number + 30, other)
    assert len(world.topic.sent) == 2


def test_another_resource_is_no_other_cause_whatever_its_name_looks_like() -> None:
    world = World()
    for number in range(20):
        state = refused()
        assert state.diagnosis
        (found,) = state.diagnosis.findings
        named = replace(found, text=f"{found.text} on arn:aws:secretsmanager:…:secret:Tenant{number}")
        close(world, f"run-{number}", 60 * number, replace(state, diagnosis=_with(state.diagnosis, named)))
    assert len(world.topic.sent) == 1


def _with(diagnosis: Diagnosis, finding: Finding) -> Diagnosis:
    return replace(diagnosis, findings=(finding,))


def test_the_same_refusal_ten_hours_after_a_repair_is_news() -> None:
    world = World()
    close(world, "run-0", 0)
    report = close(world, "run-1", 10 * HOUR)
    assert len(world.topic.sent) == 2 and f"2 automatic runs have ended for this cause since {at(0)}" in said(
        report
    )


def test_a_person_is_always_answered() -> None:
    world = World()
    close(world, "run-0", 0)
    for number in range(1, 4):
        report = close(world, f"run-{number}", number, refused(automatic=False))
        assert said(report) == ""
    assert len(world.topic.sent) == 4
    assert world.journal.refusals(WORKER).causes[0].count == 1


def test_a_service_that_was_repaired_since_is_news_again() -> None:
    world = World()
    close(world, "run-0", 0)
    world.journal.last[str(WORKER)] = LastOutcome("run-1", "CONTAINED", at(HOUR))
    close(world, "run-2", 2 * HOUR)
    assert len(world.topic.sent) == 2


def test_a_step_that_is_tried_again_counts_and_notifies_once() -> None:
    world = World()
    for _ in range(3):
        report = close(world, "run-0", 0)
    (cause,) = world.journal.refusals(WORKER).causes
    assert (cause.count, said(report), len(world.topic.sent)) == (1, "", 1)


def test_what_the_topic_did_not_take_is_notified_by_the_next_run() -> None:
    world = World()
    world.topic = FakeTopic(AwsUnavailable("throttled"))
    assert "NOT_NOTIFIED" in [finding.code for finding in close(world, "run-0", 0).findings]
    world.topic = FakeTopic()
    close(world, "run-1", 60)
    close(world, "run-2", 120)
    assert len(world.topic.sent) == 1


@pytest.mark.parametrize("failure", [AwsRefused("denied"), AwsUnavailable("throttled")])
def test_a_record_that_cannot_be_read_or_written_silences_nobody(
    failure: AwsRefused | AwsUnavailable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise failure

    world = World()
    for name in ("refusals", "keep_refusals"):
        with monkeypatch.context() as patch:
            patch.setattr(world.journal, name, fail)
            close(world, f"run-{name}", 0)
    assert len(world.topic.sent) == 2


def test_two_runs_that_close_at_the_same_time_are_both_counted() -> None:
    world = World()
    close(world, "run-0", 0)
    world.journal.meets_another.append(lambda _: close(world, "run-2", 61))
    close(world, "run-1", 60)
    (cause,) = world.journal.refusals(WORKER).causes
    assert (cause.count, len(world.topic.sent)) == (3, 1)


def test_of_a_suppressed_alarm_nobody_is_notified_and_nothing_is_counted() -> None:
    world = World()
    suppressed = Refusal("ALARM_SUPPRESSED", "Suppressed.", "Nothing.", outcome="NOTHING_TO_FIX")
    incident = replace(INCIDENT_OF_WORKER, refusal=suppressed, automatic=True)
    report = close(world, "run-0", 0, RunState(incident))
    assert (report.outcome, world.topic.sent, world.journal.refused) == ("NOTHING_TO_FIX", [], {})


def test_an_alarm_over_what_is_granted_already_is_notified_once_too() -> None:
    world = World()
    state = refused(None)
    assert state.diagnosis
    fine = replace(state, diagnosis=replace(state.diagnosis, next="NOTHING_TO_FIX"))
    for number in range(3):
        close(world, f"run-{number}", 60 * number, fine)
    assert [subject for subject, _ in world.topic.sent] == [f"NOTHING_TO_FIX {WORKER}"]
