"""What automatic runs were refused for: one cause, counted; and for how long the audit leaves it alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.model.journal import LastOutcome, Refusals, RefusedCause
from regrant.refusals import counted, digest_of_cause, digest_of_entry, is_due, notified, standing
from tests.unit.fakes import ENTRY, at

HOUR = 3600
CAUSE = RefusedCause("NOT_DECLARED", "cause-1", digest_of_entry(ENTRY), first=at(0), last=at(0))
ONCE = Refusals((replace(CAUSE, notified_at=at(0), notified_by="run-1"),), ("run-1",), 1)


def seen(seconds: float, **changed: str) -> RefusedCause:
    return replace(CAUSE, first=at(seconds), last=at(seconds), **changed)


def test_the_same_cause_is_the_refusal_and_the_actions_however_often_and_of_what() -> None:
    first = digest_of_cause("NOT_DECLARED", ["lacks sqs:ReceiveMessage on q-1, 26 times at 09:00:02Z"])
    again = digest_of_cause("NOT_DECLARED", ["x", "sqs:ReceiveMessage on q-2, 146 times, sqs:ReceiveMessage"])
    assert first == again
    assert first != digest_of_cause("KMS_KEY", ["sqs:ReceiveMessage"])
    assert first != digest_of_cause("NOT_DECLARED", ["sqs:ReceiveMessage", "sqs:DeleteMessage"])


def test_a_run_is_counted_once_however_often_its_step_is_tried() -> None:
    twice, known = counted(ONCE, seen(600), "run-2")
    assert (known.count, known.first, known.last) == (2, at(0), at(600))
    assert counted(twice, seen(601), "run-2") == (twice, known)


def test_other_causes_stay_on_record_beside_it() -> None:
    both, other = counted(ONCE, seen(600, cause="cause-2"), "run-2")
    assert (other.count, [cause.cause for cause in both.causes]) == (1, ["cause-1", "cause-2"])
    again, known = counted(both, seen(700), "run-3")
    assert (known.count, [cause.cause for cause in again.causes]) == (2, ["cause-2", "cause-1"])


def test_the_record_stays_small_however_many_causes_there_are() -> None:
    record = Refusals()
    for number in range(500):
        record, _ = counted(record, seen(number, cause=f"cause-{number}"), f"run-{number}")
    assert (len(record.causes), len(record.runs)) == (20, 20)
    assert record.causes[-1].cause == "cause-499"


@pytest.mark.parametrize(("hours", "due"), [(0.1, False), (23.9, False), (24, True), (80, True)])
def test_it_is_notified_again_after_a_day(hours: float, due: bool) -> None:
    assert is_due(ONCE.causes[0], None, at(hours * HOUR)) is due


def test_what_was_never_notified_is_due() -> None:
    assert is_due(CAUSE, None, at(1))


@pytest.mark.parametrize(("changed", "due"), [(-1, False), (1, True)])
def test_it_is_news_again_once_a_run_has_changed_the_service(changed: float, due: bool) -> None:
    last = LastOutcome("run-0", "CONTAINED", at(changed * HOUR))
    assert is_due(ONCE.causes[0], last, at(2 * HOUR)) is due


def test_what_was_notified_counts_on() -> None:
    record = notified(ONCE, ONCE.causes[0], "run-9", at(25 * HOUR))
    assert record.causes == (replace(CAUSE, notified_at=at(25 * HOUR), notified_by="run-9"),)


def test_a_refusal_stands_for_a_day() -> None:
    assert standing(ONCE, None, ENTRY, at(23 * HOUR)) == ONCE.causes[0]
    assert standing(ONCE, None, ENTRY, at(24 * HOUR)) is None


@pytest.mark.parametrize(
    "code",
    [
        *("DEPLOYMENT_IN_FLIGHT", "DEPLOYMENT_REPLACED", "SERVICE_BUSY", "ROLE_BUSY", "AwsUnavailable"),
        *("Lambda.TooManyRequestsException", "States.Timeout", "Sandbox.Timedout", "Runtime.ExitError"),
    ],
)
def test_what_passes_stands_for_no_time(code: str) -> None:
    assert standing(Refusals((replace(CAUSE, code=code),)), None, ENTRY, at(60)) is None


def test_the_last_refusal_counts_and_not_one_before_it() -> None:
    passing = replace(CAUSE, code="SERVICE_BUSY", cause="cause-2", last=at(60))
    assert standing(Refusals((*ONCE.causes, passing)), None, ENTRY, at(HOUR)) is None
    assert standing(Refusals((passing, replace(CAUSE, last=at(90)))), None, ENTRY, at(HOUR)) is not None


def test_another_catalogue_entry_ends_it_and_the_same_one_in_other_words_does_not() -> None:
    assert standing(ONCE, None, replace(ENTRY, policies=("arn:other",)), at(60)) is None
    assert standing(ONCE, None, None, at(60)) is None
    assert standing(ONCE, None, replace(ENTRY), at(60)) is not None


@pytest.mark.parametrize(("changed", "stands"), [(-1, True), (1, False)])
def test_a_run_that_changed_the_service_since_ends_it(changed: float, stands: bool) -> None:
    last = LastOutcome("run-0", "CONTAINED", at(changed))
    assert (standing(ONCE, last, ENTRY, at(60)) is not None) is stands


def test_where_nothing_was_refused_nothing_stands() -> None:
    assert standing(Refusals(), None, ENTRY, at(0)) is None
