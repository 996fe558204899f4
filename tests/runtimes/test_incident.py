"""Two plays of the incident are compared in everything that a runtime could change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtimes.incident import Answer, complaints, in_order, in_process, shown, with_ids
from runtimes.steps import NotReady, Step, steps

ANSWER = Answer("diagnose", {"next": "CHANGE"}, ("regrant-diagnose iam:GetRole role",))
CHANGES = {
    "capture_baseline": "dynamodb:TransactWriteItems",
    "attach_policies": "iam:AttachRolePolicy",
    "redeploy_service": "ecs:UpdateService",
    "undo_role": "iam:DetachRolePolicy",
    "withdraw_grants": "iam:DetachRolePolicy",
}
"""What a function changes on its normal path."""
AFTERWARDS: dict[str, Any] = {"roles": {"worker": {"attached": []}}}


def changed(**fields: Any) -> Answer:
    return Answer(**(vars(ANSWER) | fields))


def test_two_equal_plays_have_nothing_to_complain_of() -> None:
    assert complaints(([ANSWER], AFTERWARDS), ([ANSWER], AFTERWARDS)) == []


@pytest.mark.parametrize(
    ("answer", "afterwards", "complaint"),
    [
        (
            changed(payload={"next": "REFUSE"}),
            AFTERWARDS,
            "diagnose: /next: 'CHANGE' -> 'REFUSE'",
        ),
        (
            changed(payload="Task timed out after 50.00 seconds"),
            AFTERWARDS,
            "diagnose: : {'next': 'CHANGE'} -> 'Task timed out after 50.00 seconds'",
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


def test_an_error_is_said_though_both_plays_have_it() -> None:
    failed = changed(payload={"errorType": "ServiceChanged", "errorMessage": "another was deployed"})
    found = complaints(([failed], AFTERWARDS), ([failed], AFTERWARDS))
    assert found == ["diagnose: failed with ServiceChanged: another was deployed"]


def test_an_event_gets_the_deployments_of_the_account() -> None:
    event = {"rollout": {"deployment": "ecs-svc/2", "evidence": ["ecs-svc/2 COMPLETED"]}, "now": 7}
    assert with_ids(event, {"ecs-svc/2": "ecs-svc/9"}) == {
        "rollout": {"deployment": "ecs-svc/9", "evidence": ["ecs-svc/9 COMPLETED"]},
        "now": 7,
    }


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"incident": {"id": "try-1", "next": "DIAGNOSE"}}, "next=DIAGNOSE"),
        ({"verdict": "HEALTHY", "next": "CLOSE"}, "next=CLOSE verdict=HEALTHY"),
        (
            {"incident": "try-1", "outcome": "CONTAINED", "next": "The grant is temporary."},
            "outcome=CONTAINED",
        ),
        ({"role": "worker", "attached": []}, "answered role, attached"),
        ({"errorType": "ServiceGone", "errorMessage": "gone"}, "ServiceGone: gone"),
        ("2025-11-11T22:52:15Z", "2025-11-11T22:52:15Z"),
    ],
)
def test_an_answer_is_shown_in_a_few_words(payload: Any, words: str) -> None:
    assert shown(payload) == words


def test_the_incident_is_played_in_the_order_of_its_events() -> None:
    late, early = {"now": "2025-11-12T11:45:34Z"}, {"now": "2025-11-11T21:56:13Z"}
    steps = [
        Step("", "", f"handlers.{n}.handler", Path(), event) for n, event in enumerate((late, {}, early))
    ]
    assert [step.event for step in in_order(steps)] == [early, late, {}]


def test_the_incident_is_contained_and_closed_before_it_is_undone() -> None:
    try:
        every = in_order(steps())
    except NotReady as reason:
        pytest.skip(str(reason))
    outcome = in_process(every, 1)
    assert complaints(outcome, outcome) == []
    answers = {answer.step: answer for answer in outcome[0]}
    assert [each for each in CHANGES if not any(CHANGES[each] in call for call in answers[each].calls)] == []
    assert answers["verify_health"].payload["verdict"] == "HEALTHY"
    assert answers["close_incident"].payload["outcome"] == "CONTAINED"
    assert answers["confirm_baseline"].payload["equal"]
    assert answers["page_operator"].payload["outcome"] == "ROLLBACK_INCOMPLETE"
