"""AWS is throttled for minutes: looking may give up then, but an undo goes on, and a good fix stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from regrant.opening.open import UNDO_WAIT
from regrant.verify.watch import LIMIT
from tests.statemachine.happenings import (
    contain,
    end_of_the_grants_run,
    of_the_grant,
    the_workloads_rest,
    when,
    when_sampled,
)
from tests.statemachine.story import Arrange, OnState
from tests.statemachine.world import incident

MINUTES = 500.0
"""Seconds. Longer than the common Retry lasts, shorter than that of an undo."""


@pytest.mark.parametrize(
    "call",
    [
        ("undo-role", "iam", "DetachRolePolicy"),
        ("undo-role", "dynamodb", "*"),
        ("undo-service", "ecs", "DescribeServices"),
        ("confirm-baseline", "iam", "GetRole"),
    ],
    ids=" ".join,
)
def test_an_undo_whose_aws_is_throttled_for_minutes_still_finishes(call: tuple[str, str, str]) -> None:
    with incident() as world:
        contain(world)
        world.throttle(MINUTES, call)
        ended = world.run(of_the_grant("rollback")(world))
        assert (ended.error, ended.report["receipt"]["equal"]) == ("RolledBack", True)
        assert ended.seconds >= MINUTES
        assert world.changed() == []


def test_an_undo_whose_aws_is_throttled_for_longer_pages_a_person() -> None:
    with incident() as world:
        contain(world)
        world.throttle(3600, ("undo-role", "iam", "DetachRolePolicy"))
        ended = world.run(of_the_grant("rollback")(world))
        assert (ended.error, ended.outcome) == ("RollbackIncomplete", "ROLLBACK_INCOMPLETE")
        assert "AwsUnavailable" in ended.codes
        # The waits between fifteen tries, and the tries, in each of which the SDK tries again, too.
        assert 662 <= ended.seconds <= 900


@pytest.mark.parametrize("service", ["lambda", "sns"])
def test_a_page_that_is_throttled_for_minutes_still_arrives(service: str) -> None:
    with incident() as world:
        contain(world)
        world.deny("undo-role", "iam", "DetachRolePolicy")
        world.throttle(MINUTES, ("page-operator", service, "*"))
        ended = world.run(of_the_grant("rollback")(world))
        assert (ended.error, ended.outcome) == ("RollbackIncomplete", "ROLLBACK_INCOMPLETE")
        assert [s for s, _ in world.messages() if s.startswith("ROLLBACK_INCOMPLETE")] != []
        assert ended.seconds >= MINUTES


@pytest.mark.parametrize("call", [("dynamodb", "TransactWriteItems"), ("lambda", "Invoke")], ids=" ".join)
def test_a_good_fix_whose_report_is_throttled_for_minutes_stays(call: tuple[str, str]) -> None:
    with incident() as world:
        world.throttle(MINUTES + 300, ("close-incident", *call))
        ended = world.run()
        assert ended.outcome == "CONTAINED" and ended.seconds >= MINUTES
        assert [s for s, _ in world.messages() if s.startswith("CONTAINED")] != []


@pytest.mark.parametrize("operation", ["PutItem", "*"])
@pytest.mark.parametrize(
    "given", [of_the_grant("rollback"), end_of_the_grants_run("ABORTED")], ids=["by hand", "by an end"]
)
def test_an_undo_whose_journal_is_throttled_for_minutes_waits_and_then_undoes(
    given: Any, operation: str
) -> None:
    with incident() as world:
        contain(world)
        event = given(world)
        world.throttle(MINUTES, ("open-incident", "dynamodb", operation))
        ended = world.run(event)
        assert (ended.error, ended.outcome) == ("RolledBack", "ROLLED_BACK")
        assert ended.path.count("PauseForService") >= MINUTES / 30
        assert ended.seconds >= MINUTES
        assert world.changed() == []


def test_an_undo_whose_journal_is_throttled_for_more_than_an_hour_gives_up_and_says_so() -> None:
    with incident() as world:
        contain(world)
        the_workloads_rest(world)
        world.throttle(2 * UNDO_WAIT, ("open-incident", "dynamodb", "*"))
        ended = world.run(of_the_grant("rollback")(world))
        assert (ended.error, ended.outcome, ended.codes) == ("NothingChanged", "REFUSED", ["NOT_OPENED"])
        assert UNDO_WAIT <= ended.seconds < UNDO_WAIT + 900
        assert world.messages()[-1][0] == f"NOT_OPENED {ended.name}"


def test_a_start_whose_journal_is_throttled_for_minutes_is_not_lost() -> None:
    with incident() as world:
        world.throttle(MINUTES, ("open-incident", "dynamodb", "*"))
        ended = world.run()
        assert ended.outcome == "CONTAINED" and ended.seconds >= MINUTES


def test_a_containment_whose_journal_is_throttled_for_longer_gives_up_and_says_so() -> None:
    with incident() as world:
        world.throttle(3600, ("open-incident", "dynamodb", "*"))
        ended = world.run()
        assert (ended.error, ended.outcome, ended.codes) == ("NothingChanged", "REFUSED", ["NOT_OPENED"])
        assert 662 <= ended.seconds <= 900
        assert [subject for subject, _ in world.messages()] == [f"NOT_OPENED {ended.name}"]
        assert world.changed() == []


def input_in(message: str) -> Any:
    """The input to start again with, as whoever reads the mail copies it."""
    return json.loads(message.partition("with the same input:\n")[2])


def test_a_containment_that_could_not_be_opened_is_begun_again_with_the_input_in_its_message() -> None:
    with incident() as world:
        world.throttle(1200, ("open-incident", "ssm", "*"))
        world.run()
        world.after(600)
        (message,) = [text for subject, text in world.messages() if subject.startswith("NOT_OPENED")]
        assert world.run(input_in(message)).outcome == "CONTAINED"


def test_an_undo_that_could_not_be_opened_is_begun_again_with_the_input_in_its_message() -> None:
    with incident() as world:
        contain(world)
        world.deny("open-incident", "dynamodb", "Query")
        ended = world.run(end_of_the_grants_run("TIMED_OUT")(world))
        assert (ended.error, ended.codes) == ("NothingChanged", ["NOT_OPENED"])
        world.account.faults.clear()
        ((_, message),) = [sent for sent in world.messages() if sent[0] == f"NOT_OPENED {ended.name}"]
        assert world.run(input_in(message)).outcome == "ROLLED_BACK"
        assert world.changed() == []


LOOKED_AT = [("verify-health", service, "*") for service in ("ecs", "iam", "logs", "sqs")]
SEARCHES = ("verify-health", "logs", "FilterLogEvents")


def throttle(seconds: float, *calls: tuple[str, str, str]) -> Arrange:
    return lambda world: world.throttle(seconds, *calls)


@pytest.mark.parametrize(
    "on_state",
    [
        when("PauseForHealth", throttle(60, *LOOKED_AT)),
        when_sampled(throttle(60, SEARCHES)),
        when_sampled(throttle(60, *LOOKED_AT)),
    ],
    ids=["the rollout", "the log", "everything in the proof"],
)
def test_a_minute_of_throttled_looks_undoes_no_good_fix(on_state: OnState) -> None:
    with incident() as world:
        ended = world.run(on_state=on_state)
        assert (ended.outcome, ended.report["health"]["verdict"]) == ("CONTAINED", "HEALTHY")
        unseen = [look for look in world.looks() if "AWS could not be asked" in look["evidence"][0]]
        assert unseen and all(look["verdict"] == "PENDING" for look in unseen)


def test_log_searches_that_are_throttled_for_good_end_with_the_proof() -> None:
    with incident() as world:
        world.throttle(2 * 3600, SEARCHES)
        ended = world.run()
        assert (ended.error, ended.outcome) == ("RolledBack", "ROLLED_BACK")
        assert ended.report["health"]["evidence"][-1] == f"Not proved after {LIMIT / 60:g} minutes."
        assert "NOT_SEEN" in ended.codes
        assert world.changed() == []
