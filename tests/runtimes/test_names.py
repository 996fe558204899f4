"""The error names that a runtime really reports, and those that the state machine waits for."""

from __future__ import annotations

import pytest

from runtimes import names
from runtimes.steps import NotReady, steps


@pytest.fixture(scope="module")
def seen() -> dict[str, str]:
    try:
        return names.seen(steps()[0].package)
    except NotReady as reason:
        pytest.skip(f"no runtime to ask ({reason}); make rie")


def test_a_failure_of_ours_leaves_the_runtime_under_its_class_name(seen: dict[str, str]) -> None:
    assert {name: seen[f"raise {name}"] for name in names.ours()} == {name: name for name in names.ours()}


def test_what_ends_a_function_has_the_name_that_aws_gives_it(seen: dict[str, str]) -> None:
    assert {what: seen[what] for what in names.EXPECTED} == names.EXPECTED


def test_the_state_machine_names_nothing_that_no_runtime_reports(seen: dict[str, str]) -> None:
    assert names.in_state_machine() - {names.TIME_OUT} <= set(seen.values())


def test_the_state_machine_retries_what_a_runtime_reports_unless_there_is_a_reason(
    seen: dict[str, str],
) -> None:
    assert names.not_retried(seen) == []


def test_a_name_that_no_task_retries_is_found() -> None:
    assert (
        names.not_retried({"raise AwsUnavailable": "AwsUnavailable", "sleep": names.EXPECTED["sleep"]}) == []
    )
    wrong = names.not_retried({"exit": "Runtime.Unknown", "find": "Runtime.HandlerNotFound"})
    assert "OpenIncident does not retry Runtime.Unknown" in wrong
    assert all(each.endswith("does not retry Runtime.Unknown") for each in wrong)


def test_a_failure_under_another_name_is_found() -> None:
    found = {f"raise {name}": name for name in names.ours()} | names.EXPECTED
    found["raise after a time-out"] = names.ours()[0]
    assert names.complaints(found) == []
    wrong = names.complaints(found | {"exit": "Runtime.Unknown", "kill": "Runtime.Unknown"})
    assert "the state machine names Runtime.ExitError, which nothing reported" in wrong
    untried = names.not_retried({"exit": "Runtime.Unknown"})
    assert len(wrong) == 3 + len(untried) and {*untried} <= {*wrong}
