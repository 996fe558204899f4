"""What automatic runs were refused for: one cause, counted; and for how long the audit leaves it alone."""

from __future__ import annotations

from itertools import combinations

import pytest
from msgspec.structs import replace

from regrant.model.journal import LastOutcome, Refusals, RefusedCause
from regrant.refusals import QUIET, counted, digest_of_entry, digests_of, is_due, notified, standing
from tests.unit.fakes import ENTRY, at

HOUR = 3600
A, B, C = digests_of(["sqs:ReceiveMessage", "sqs:DeleteMessage", "worker:2"])
CAUSE = RefusedCause("NOT_DECLARED", digest_of_entry(ENTRY), first=at(0), last=at(0), about=(A,))
SENT = replace(CAUSE, notified_at=at(0), notified_by="run-1", known={A: at(0)})
ONCE = Refusals((SENT,), ("run-1",), 1)


def seen(seconds: float, *about: str, code: str = "NOT_DECLARED") -> RefusedCause:
    return replace(CAUSE, first=at(seconds), last=at(seconds), about=about or (A,), code=code)


def notifies(record: Refusals, this: RefusedCause, run: str) -> tuple[Refusals, bool]:
    """The record after that run, and whether the topic was notified of it."""
    record, cause = counted(record, this, run)
    due = is_due(cause, None, this.last)
    return (notified(record, cause, run, this.last, this.about) if due else record), due


def test_what_a_run_was_refused_over_is_compared_in_short_and_bounded() -> None:
    assert digests_of(["a:B", "", "a:B"]) == digests_of(["a:B"])
    assert len(digests_of(f"a:B{number}" for number in range(500))) == 40


@pytest.mark.parametrize(
    ("about", "due"),
    [((A,), False), ((B,), True), ((A, B), True), ((A, C), True), ((), False)],
    ids=["the same action", "another", "one more", "another revision", "nothing that is known"],
)
def test_it_is_news_if_a_run_was_refused_over_anything_new(about: tuple[str, ...], due: bool) -> None:
    this = replace(seen(600), about=about)
    assert notifies(ONCE, this, "run-2")[1] is due


def test_parts_of_what_was_notified_are_no_news_in_whatever_company() -> None:
    """A service that is denied five actions, each run some of them: five can be news."""
    record, sent = Refusals(), 0
    things = digests_of(["s3:GetObject", "kms:Decrypt", "dynamodb:Query", "sqs:SendMessage", "sns:Publish"])
    some = [each for size in range(1, 6) for each in combinations(things, size)]
    for number, about in enumerate(some):
        record, due = notifies(record, seen(1800 * number, *about), f"run-{number}")
        sent += due
    assert (len(some), sent) == (31, 5)


def test_each_is_news_again_after_a_day() -> None:
    record, _ = notifies(ONCE, seen(3600, B), "run-2")
    assert list(record.causes[0].known.values()) == [at(3600), at(0)]
    flapping = [notifies(record, seen(3600 + 1800 * n, A), f"a-{n}") for n in range(1, 3)]
    assert [due for _, due in flapping] == [False, False]
    later = replace(record, causes=(replace(record.causes[0], last=at(24 * HOUR - 1)),))
    assert notifies(later, seen(24 * HOUR, A), "run-3")[1] and not notifies(later, seen(24 * HOUR, B), "r")[1]


def test_the_record_of_what_was_notified_is_bounded_and_so_are_the_messages() -> None:
    record, sent = Refusals(), 0
    for number in range(500):
        record, due = notifies(record, seen(60 * number, f"thing-{number}"), f"run-{number}")
        sent += due
    assert (len(record.causes[0].known), sent) == (40, 40)


@pytest.mark.parametrize(("quiet", "due"), [(3700, False), (QUIET - 1, False), (QUIET, True)])
def test_what_comes_back_after_a_while_is_another_incident(quiet: float, due: bool) -> None:
    """The runs of the audit, an hour apart, are none."""
    record, _ = notifies(ONCE, seen(1800), "run-2")
    record, was_due = notifies(record, seen(1800 + quiet), "run-3")
    assert was_due is due
    assert not notifies(record, seen(1800 + quiet), "run-3")[1]  # the same step, tried again


@pytest.mark.parametrize(
    "unsent",
    [
        counted(Refusals(), seen(0), "run-1")[0],
        counted(ONCE, seen(600, B), "run-2")[0],
        counted(ONCE, seen(QUIET), "run-2")[0],
    ],
    ids=["the first", "of something new", "of another incident"],
)
def test_what_the_topic_did_not_hear_of_does_not_stand(unsent: Refusals) -> None:
    assert standing(unsent, None, ENTRY, at(QUIET + 60)) is None


@pytest.mark.parametrize("code", ["NOTHING_TO_FIX", "NO_DENIAL"])
def test_where_nothing_was_to_be_fixed_the_next_audit_looks_again(code: str) -> None:
    fine = replace(SENT, code=code, outcome="NOTHING_TO_FIX")
    assert standing(Refusals((fine,)), None, ENTRY, at(60)) is None
    assert standing(Refusals((replace(fine, outcome="REFUSED"),)), None, ENTRY, at(60)) is not None


def test_a_run_is_counted_once_however_often_its_step_is_tried() -> None:
    twice, known = counted(ONCE, seen(600), "run-2")
    assert (known.count, known.first, known.last) == (2, at(0), at(600))
    assert counted(twice, seen(601), "run-2") == (twice, known)


def test_other_causes_stay_on_record_beside_it() -> None:
    both, other = counted(ONCE, seen(600, code="KMS_KEY"), "run-2")
    assert (other.count, [cause.code for cause in both.causes]) == (1, ["NOT_DECLARED", "KMS_KEY"])
    again, known = counted(both, seen(700), "run-3")
    assert (known.count, [cause.code for cause in again.causes]) == (2, ["KMS_KEY", "NOT_DECLARED"])


def test_the_record_stays_small_however_many_causes_there_are() -> None:
    record = Refusals()
    for number in range(500):
        record, _ = counted(record, seen(number, code=f"CODE_{number}"), f"run-{number}")
    assert (len(record.causes), len(record.runs)) == (20, 20)
    assert record.causes[-1].code == "CODE_499"


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
    record = notified(ONCE, ONCE.causes[0], "run-9", at(25 * HOUR), (A,))
    now = at(25 * HOUR)
    assert record.causes == (replace(CAUSE, notified_at=now, notified_by="run-9", known={A: now}),)


def test_a_refusal_stands_for_a_day() -> None:
    assert standing(ONCE, None, ENTRY, at(23 * HOUR)) == ONCE.causes[0]
    assert standing(ONCE, None, ENTRY, at(24 * HOUR)) is None


@pytest.mark.parametrize(
    "code",
    [
        *("DEPLOYMENT_IN_FLIGHT", "DEPLOYMENT_REPLACED", "SERVICE_BUSY", "ROLE_BUSY", "AwsUnavailable"),
        "GRANTED_SINCE",
        *("Lambda.TooManyRequestsException", "States.Timeout", "Sandbox.Timedout", "Runtime.ExitError"),
    ],
)
def test_what_passes_stands_for_no_time(code: str) -> None:
    assert standing(Refusals((replace(SENT, code=code),)), None, ENTRY, at(60)) is None


def test_the_last_refusal_counts_and_not_one_before_it() -> None:
    passing = replace(SENT, code="SERVICE_BUSY", last=at(60), notified_at=at(60))
    assert standing(Refusals((*ONCE.causes, passing)), None, ENTRY, at(HOUR)) is None
    assert (
        standing(Refusals((passing, replace(SENT, last=at(90), notified_at=at(90)))), None, ENTRY, at(HOUR))
        is not None
    )


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
