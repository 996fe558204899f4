"""What is planned from several denied calls, and from a log that could not be read whole."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from regrant.denials.reader import read_denials
from regrant.diagnosis.diagnose import conclude
from regrant.iam.permissions import RolePermissions
from regrant.iam.policy import Policy
from regrant.model.aws import LogLine, LogLines
from regrant.model.run import Diagnosis, Incident
from tests.unit.fakes import (
    ACCOUNT,
    DENIAL,
    DOCUMENTS,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    SEND,
    TASK_DEFINITION,
    at,
)

ENCODED = (
    "An error occurred (UnauthorizedOperation) when calling the RunInstances operation:"
    " You are not authorized to perform this operation. Encoded authorization failure message:"
    " 4GIOHlTkIaWHQD0Q0m6XSnuUMCm-abc"
)
SOMEBODY = DENIAL.replace("retainwise-ecs-task-role", "other-role")
BY_SCP = DENIAL.split(" because ")[0] + " with an explicit deny in a service control policy"


def concluded(
    *messages: str,
    declared: dict[str, Any] | None = None,
    attached: tuple[str, ...] = (),
    nonexistent: tuple[str, ...] = (),
    complete: bool = True,
    incident: Incident = INCIDENT_OF_WORKER,
) -> Diagnosis:
    documents = {RECEIVE: DOCUMENTS[RECEIVE]} if declared is None else declared
    permissions = RolePermissions(
        role=OLD_ROLE,
        attached=attached,
        quota=10,
        identity=tuple(Policy(arn, documents[arn]) for arn in attached),
        declared=tuple(Policy(arn, document) for arn, document in documents.items()),
        nonexistent=nonexistent,
        state=ROLE,
    )
    lines = tuple(LogLine(at(-60 + n / 1000), "ecs/worker/t", text) for n, text in enumerate(messages))
    return conclude(incident, TASK_DEFINITION, permissions, LogLines(lines, complete), at(1))


def attach(diagnosis: Diagnosis) -> tuple[str, ...]:
    return diagnosis.plan.attach if diagnosis.plan else ()


def code(diagnosis: Diagnosis) -> str | None:
    return diagnosis.refusal.code if diagnosis.refusal else None


def test_a_call_that_is_granted_since_does_not_hide_what_cannot_be_read() -> None:
    both = {RECEIVE: DOCUMENTS[RECEIVE], SEND: DOCUMENTS[SEND]}
    assert attach(concluded(ENCODED, DENIAL, declared=both, attached=(RECEIVE,))) == (SEND,)


def test_a_call_that_is_granted_since_does_not_hide_another_principal() -> None:
    assert code(concluded(SOMEBODY, DENIAL, attached=(RECEIVE,))) == "OTHER_PRINCIPAL"


def test_whatever_may_be_meant_is_attached_where_the_resource_is_not_named() -> None:
    queues = {
        f"arn:aws:iam::{ACCOUNT}:policy/{name}": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sqs:ReceiveMessage",
                    "Resource": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}",
                }
            ],
        }
        for name in ("q1", "q2")
    }
    without = DENIAL.split(" on resource")[0]
    assert attach(concluded(without, declared=queues)) == tuple(queues)


def test_a_declared_policy_that_does_not_exist_stops_no_grant_that_does_without_it() -> None:
    diagnosis = concluded(DENIAL, nonexistent=(SEND,))
    assert attach(diagnosis) == (RECEIVE,)
    assert "POLICY_MISSING" in [finding.code for finding in diagnosis.findings]


def test_a_declared_policy_that_does_not_exist_hides_no_other_cause() -> None:
    assert code(concluded(BY_SCP, nonexistent=(SEND,))) == "SCP_OR_RCP"


def test_a_call_that_nothing_allows_may_want_the_policy_that_does_not_exist() -> None:
    assert code(concluded(DENIAL, declared={}, nonexistent=(RECEIVE,))) == "POLICY_MISSING"


def test_a_log_that_was_not_read_whole_is_not_said_to_have_no_denial() -> None:
    (*_, finding) = concluded(attached=(RECEIVE,), complete=False).findings
    assert finding.text.endswith("no denial is in the part of the log that could be read.")


def test_a_call_that_the_trigger_and_the_log_both_name_is_counted_once() -> None:
    named = replace(INCIDENT_OF_WORKER, denials=read_denials(DENIAL))
    assert "denied once" in concluded(DENIAL, incident=named).findings[0].text


def test_of_a_storm_that_makes_every_object_a_call_a_bounded_number_is_judged() -> None:
    receive = DENIAL.split(" on resource")[0].replace("sqs:receivemessage", "s3:GetObject")
    lines = [f"{receive} on resource: arn:aws:s3:::prod/{n}" for n in range(2_500)]
    reading = {
        RECEIVE: {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::prod/*"}],
        }
    }
    diagnosis = concluded(*lines, declared=reading)
    assert attach(diagnosis) == (RECEIVE,)
    assert "denied at least 2000 times" in diagnosis.findings[0].text
