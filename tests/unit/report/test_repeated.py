"""The same refusal for the same cause is notified once, and rather twice than never."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.denial import Denial
from regrant.model.journal import LastOutcome
from regrant.model.results import Refusal
from regrant.model.run import CloseEvent, Diagnosis, Failure, Finding, Report, RunState
from regrant.report.close import close_incident
from tests.unit.fakes import INCIDENT_OF_WORKER, WORKER, FakeTopic, World, at
from tests.unit.run import sent

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
    return close_incident(event, world, sent)


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


def close_during(world: World, run: str, close_another: Callable[[], object]) -> Report:
    """The run closes, and while it notifies the topic another does."""
    send = world.topic.publish

    def publish(subject: str, message: str) -> None:
        world.topic.publish = send  # type: ignore[method-assign]
        close_another()
        send(subject, message)

    world.topic.publish = publish  # type: ignore[method-assign]
    return close(world, run, 0)


def test_runs_that_end_at_the_same_time_are_one_notification() -> None:
    world, others = World(), list[Report]()
    close_during(world, "run-0", lambda: others.extend(close(world, f"run-{n}", 1) for n in range(1, 20)))
    assert len(world.topic.sent) == 1
    assert "Another run is about to notify the topic of it." in said(others[-1])
    assert said(close(world, "run-20", 60)).startswith("21 automatic runs")


def test_two_that_read_the_record_at_the_same_time_are_one_notification() -> None:
    world = World()
    world.journal.meets_another = [lambda _: close(world, "run-1", 0)]
    close(world, "run-0", 0)
    assert len(world.topic.sent) == 1


def test_what_the_other_does_not_say_is_said_all_the_same() -> None:
    world = World()
    close_during(world, "run-0", lambda: close(world, "run-1", 1, refused(action="sqs:SendMessage")))
    assert len(world.topic.sent) == 2


def test_what_another_could_not_say_meanwhile_is_said_by_the_next_that_meets_it() -> None:
    """One says what it was refused over itself, whatever the other has written of its own."""
    world, other = World(), refused(action="sqs:SendMessage")
    topic = world.topic

    def close_unheard() -> None:
        world.topic = FakeTopic(AwsUnavailable("throttled"))
        close(world, "run-1", 1, other)
        world.topic = topic

    close_during(world, "run-0", close_unheard)
    close(world, "run-2", 60, other)
    assert len(world.topic.sent) == 2
    close(world, "run-3", 120)
    close(world, "run-4", 180, other)
    assert len(world.topic.sent) == 2


def test_of_a_run_that_died_before_it_had_notified_the_next_one_does_after_a_while() -> None:
    world = World()

    class Died(Exception):
        pass

    def die() -> None:
        raise Died

    with pytest.raises(Died):
        close_during(world, "run-0", die)
    close(world, "run-1", 60)
    assert len(world.topic.sent) == 0
    close(world, "run-2", 301)
    assert len(world.topic.sent) == 1


def test_a_step_that_is_tried_again_notifies_itself() -> None:
    world = World()
    with pytest.raises(ZeroDivisionError):
        close_during(world, "run-0", lambda: 1 / 0)
    close(world, "run-0", 1)
    assert len(world.topic.sent) == 1


UNKNOWN = Refusal("UNKNOWN_TASK", "No managed cluster knows a task {}.", "Find out which it was.")
DENIED_CALL = Denial("s3:GetObject", "arn:aws:s3:::bucket/1", role_name="worker")


def nowhere(refusal: Refusal = UNKNOWN, denial: Denial | None = DENIED_CALL, trigger: str = "") -> RunState:
    """Refused before a service was found."""
    denials = (denial,) if denial else ()
    incident = replace(INCIDENT_OF_WORKER, automatic=True, service=None, entry=None, denials=denials)
    return RunState(replace(incident, refusal=refusal, trigger=trigger or "CloudTrail event"))


def test_a_storm_of_denied_calls_of_tasks_that_nobody_knows_is_one_notification() -> None:
    world = World()
    for number in range(50):
        unknown = replace(UNKNOWN, message=UNKNOWN.message.format(number))
        denial = replace(DENIED_CALL, resource=f"arn:aws:s3:::bucket/{number}")
        close(world, f"run-{number}", 10 * number, nowhere(unknown, denial, f"CloudTrail event {number}"))
    assert len(world.topic.sent) == 1


@pytest.mark.parametrize(
    "other",
    [
        nowhere(denial=replace(DENIED_CALL, role_name="backend")),
        nowhere(denial=replace(DENIED_CALL, action="s3:PutObject")),
        nowhere(replace(UNKNOWN, code="OTHER_CALLER")),
    ],
    ids=["role", "action", "code"],
)
def test_another_role_action_or_code_without_a_service_is_news(other: RunState) -> None:
    world = World()
    close(world, "run-0", 0, nowhere())
    close(world, "run-1", 60, other)
    assert len(world.topic.sent) == 2


def test_an_alarm_of_no_service_that_flaps_is_one_notification_and_another_one_its_own() -> None:
    world, other = World(), Refusal("OTHER_ALARM", "It belongs to no enrolled service.", "Enrol it.")
    for number, alarm in enumerate(("regrant/a", "regrant/a", "regrant/b", "regrant/a")):
        close(world, f"run-{number}", 60 * number, nowhere(other, None, f"alarm {alarm}"))
    assert len(world.topic.sent) == 2


def test_what_a_person_has_started_without_a_service_is_always_answered() -> None:
    world, state = World(), nowhere()
    asked = replace(state, incident=replace(state.incident, automatic=False))
    for number in range(3):
        close(world, f"run-{number}", 60 * number, asked)
    assert len(world.topic.sent) == 3
