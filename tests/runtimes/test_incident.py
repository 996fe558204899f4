"""Two plays of the incident are compared in everything that a runtime could change."""

from __future__ import annotations

from typing import Any

import pytest

from runtimes.incident import Answer, complaints

ANSWER = Answer("diagnose", {"decision": "CONTAIN"}, ("regrant-diagnose iam:GetRole role",))
AFTERWARDS: dict[str, Any] = {"roles": {"worker": {"attached": []}}}


def changed(**fields: Any) -> Answer:
    return Answer(**(vars(ANSWER) | fields))


def test_two_equal_plays_have_nothing_to_complain_of() -> None:
    assert complaints(([ANSWER], AFTERWARDS), ([ANSWER], AFTERWARDS)) == []


@pytest.mark.parametrize(
    ("answer", "afterwards", "complaint"),
    [
        (
            changed(payload={"decision": "REFUSE"}),
            AFTERWARDS,
            "diagnose: /decision: 'CONTAIN' -> 'REFUSE'",
        ),
        (
            changed(payload="Task timed out after 50.00 seconds"),
            AFTERWARDS,
            "diagnose: : {'decision': 'CONTAIN'} -> 'Task timed out after 50.00 seconds'",
        ),
        (changed(calls=()), AFTERWARDS, "diagnose: did not call regrant-diagnose iam:GetRole role"),
        (
            changed(calls=ANSWER.calls * 2),
            AFTERWARDS,
            "diagnose: called regrant-diagnose iam:GetRole role",
        ),
        (
            ANSWER,
            {"roles": {"worker": {"attached": ["receive"]}}},
            "afterwards: /roles/worker/attached: [] -> ['receive']",
        ),
    ],
)
def test_what_differs_is_said(answer: Answer, afterwards: dict[str, Any], complaint: str) -> None:
    assert complaints(([ANSWER], AFTERWARDS), ([answer], afterwards)) == [complaint]
