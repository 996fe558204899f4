"""Health counts denied calls of the service's role, not words that sound like them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from regrant.denials.search import DENIAL_TERM
from regrant.model.aws import LogLine
from regrant.model.denial import StaysDenied
from regrant.verify.denied import Reading
from tests.unit.fakes import ACCOUNT, DENIAL, ENTRY, OLD_ROLE, QUEUE, SUCCESS, at
from tests.unit.watch import Watch

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/retainwise-ecs-task-role/0f9c2f1d"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/predictions"


def denied(action: str, resource: str = QUEUE, who: str = SESSION) -> str:
    return f"User: {who} is not authorized to perform: {action} on resource: {resource}"


UPDATE, TRACE = denied("dynamodb:UpdateItem", TABLE), denied("xray:PutTraceSegments", "*")
ENCODED = (
    "An error occurred (UnauthorizedOperation) when calling the RunInstances operation: You are not"
    " authorized to perform this operation. Encoded authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnu"
)
NO_AWS = {
    "an app's own": "403: user 17 is not authorized to perform this action",
    "an app's own, in AWS's order": "User: bob is not authorized to perform: orders:Cancel",
    "Azure's": "AuthorizationFailed: The client 'x@y.z' with object id '1f' is not authorized to perform"
    " action 'Microsoft.Storage/storageAccounts/read' over scope '/subscriptions/1'",
    "advice": "If you see 'User: ... is not authorized to perform: sqs:ReceiveMessage', ask a colleague",
}
OTHERS = {
    "another role": denied("sqs:ReceiveMessage", who=f"arn:aws:sts::{ACCOUNT}:assumed-role/partner/s"),
    "a user": denied("sqs:ReceiveMessage", who=f"arn:aws:iam::{ACCOUNT}:user/bob"),
    "another account": denied("sqs:ReceiveMessage", who=SESSION.replace(ACCOUNT, "999999999999")),
}
STAYS = frozenset({StaysDenied("dynamodb:UpdateItem", TABLE)})
READING = Reading(OLD_ROLE, STAYS, ("xray:PutTraceSegments",))


def line(message: str) -> LogLine:
    return LogLine(at(0), "ecs/worker/new-1", message)


@pytest.mark.parametrize("message", [*NO_AWS.values(), *OTHERS.values()], ids=[*NO_AWS, *OTHERS])
def test_what_is_no_denial_of_the_role_does_not_undo_a_good_fix(message: str) -> None:
    assert DENIAL_TERM in message
    watch = Watch()
    watch.log(SUCCESS)
    for _ in range(3):
        watch.log(message)
        health = watch.look()
    assert (health.verdict, health.evidence) == ("HEALTHY", ("3 of 3 good samples.",))


@pytest.mark.parametrize("message", [ENCODED, DENIAL.split("User: ")[0] + DENIAL.split("8a6b is ")[1]])
def test_a_denial_that_names_nobody_is_the_services(message: str) -> None:
    watch = Watch()
    watch.log(SUCCESS)
    assert watch.look_denied(message).verdict == "UNHEALTHY"


def watching(*, ignored: tuple[str, ...] = (), stays: frozenset[StaysDenied] = frozenset()) -> Watch:
    watch = Watch(entry=replace(ENTRY, ignore_actions=ignored))
    diagnosis = watch.state.diagnosis
    assert diagnosis is not None
    watch.run.state = replace(watch.state, diagnosis=replace(diagnosis, stays_denied=tuple(stays)))
    watch.log(SUCCESS)
    return watch


def test_a_call_that_the_diagnosis_said_stays_denied_is_no_trouble_and_is_named() -> None:
    watch = watching(stays=STAYS)
    for _ in range(3):
        watch.log(UPDATE)
        health = watch.look()
    assert health.verdict == "HEALTHY"
    assert health.evidence[0] == "3 of 3 good samples."
    assert health.evidence[1].startswith("Goes on being denied, as expected (2 lines since ")
    assert health.evidence[1].endswith("): dynamodb:UpdateItem.")


def test_an_action_that_the_enrolment_ignores_is_no_trouble() -> None:
    watch = watching(ignored=("xray:puttracesegments",))
    watch.log(TRACE)
    assert watch.look().streak == 1


@pytest.mark.parametrize(
    "message",
    [
        UPDATE.replace("table/predictions", "table/orders"),
        UPDATE.replace("UpdateItem", "PutItem"),
        UPDATE.split(" on resource")[0],
        f"{UPDATE} | {denied('sqs:ReceiveMessage')}",
    ],
    ids=["another resource", "another action", "no resource", "another call beside it"],
)
def test_any_other_call_is(message: str) -> None:
    assert watching(stays=STAYS).look_denied(message).verdict == "UNHEALTHY"


@given(st.lists(st.sampled_from([UPDATE, TRACE, DENIAL, *NO_AWS.values(), *OTHERS.values()]) | st.text()))
def test_a_line_counts_or_is_expected_or_is_neither_and_never_both(messages: list[str]) -> None:
    lines = [line(message) for message in messages]
    found = READING.sort(lines)
    assert set(found.actions) <= {"dynamodb:UpdateItem", "xray:PutTraceSegments"}
    assert [x for x in lines if x.message == DENIAL] == [x for x in found.counted if x.message == DENIAL]
    assert not {x.message for x in found.counted} & {x.message for x in found.expected}
    assert {x.message for x in found.expected} <= {UPDATE, TRACE}


def test_the_reader_is_not_imported_before_there_is_a_line_to_read() -> None:
    program = "import sys; import regrant.verify.sample; print('regrant.denials.reader' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(FUNCTIONS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "False"
