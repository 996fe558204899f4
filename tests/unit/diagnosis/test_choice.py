"""What is planned from several denied calls, and from a log that could not be read whole."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from regrant.barred.stack import stack_at
from regrant.denials.reader import read_denials
from regrant.diagnosis.choice import MOST_KINDS
from regrant.diagnosis.containment.judge import conclude
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
    QUEUE,
    RECEIVE,
    ROLE,
    SEND,
    SETTINGS,
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
UPDATE = DENIAL.replace("sqs:receivemessage", "dynamodb:UpdateItem").replace(
    QUEUE, "arn:aws:dynamodb:us-east-1:1:table/t"
)
TRACE = UPDATE.replace("dynamodb:UpdateItem", "xray:PutTraceSegments")
TRACE_BY_SCP = TRACE.split(" because ")[0] + " with an explicit deny in a service control policy"


def concluded(
    *messages: str,
    declared: dict[str, Any] | None = None,
    attached: tuple[str, ...] = (),
    nonexistent: tuple[str, ...] = (),
    complete: bool = True,
    incident: Incident = INCIDENT_OF_WORKER,
    sidecar: tuple[str, ...] = (),
) -> Diagnosis:
    """The diagnosis of the messages, the sidecar's after those of the worker."""
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
    logged = [*(("worker", text) for text in messages), *(("otel", text) for text in sidecar)]
    lines = tuple(LogLine(at(-60 + n / 1000), f"ecs/{by}/t", text) for n, (by, text) in enumerate(logged))
    return conclude(
        incident, TASK_DEFINITION, permissions, LogLines(lines, complete), at(1), stack_at(SETTINGS, OLD_ROLE)
    )


def attach(diagnosis: Diagnosis) -> tuple[str, ...]:
    return diagnosis.plan.attach if diagnosis.plan else ()


def staying(diagnosis: Diagnosis) -> list[str]:
    return [kind.action for kind in diagnosis.stays_denied]


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


def test_what_nobody_declared_stays_denied_while_the_rest_is_repaired() -> None:
    diagnosis = concluded(DENIAL, UPDATE, TRACE)
    assert attach(diagnosis) == (RECEIVE,)
    assert sorted(staying(diagnosis)) == ["dynamodb:UpdateItem", "xray:PutTraceSegments"]


def test_it_stays_denied_also_beside_what_cannot_be_read() -> None:
    diagnosis = concluded(ENCODED, UPDATE)
    assert (attach(diagnosis), staying(diagnosis)) == ((RECEIVE,), ["dynamodb:UpdateItem"])


def test_where_nothing_can_be_repaired_it_refuses_the_run() -> None:
    assert code(concluded(DENIAL, UPDATE, attached=(RECEIVE,))) == "NOT_DECLARED"
    assert code(concluded(ENCODED, UPDATE, attached=(RECEIVE,))) == "NOT_DECLARED"
    assert concluded(UPDATE).stays_denied == ()


def test_a_policy_that_does_not_exist_and_may_allow_it_stops_no_other_repair() -> None:
    diagnosis = concluded(DENIAL, UPDATE, nonexistent=(SEND,))
    assert (attach(diagnosis), staying(diagnosis)) == ((RECEIVE,), ["dynamodb:UpdateItem"])


def test_another_layer_that_is_in_the_way_of_the_service_still_refuses_the_run() -> None:
    diagnosis = concluded(DENIAL, TRACE_BY_SCP)
    assert code(diagnosis) == "SCP_OR_RCP"
    assert not any("stays denied" in finding.text for finding in diagnosis.findings)


def test_another_layer_that_is_in_the_way_of_a_sidecar_does_not() -> None:
    diagnosis = concluded(DENIAL, sidecar=(TRACE_BY_SCP,))
    assert (attach(diagnosis), staying(diagnosis)) == ((RECEIVE,), ["xray:PutTraceSegments"])


def test_it_does_if_both_make_the_call_or_it_is_the_one_to_repair() -> None:
    assert code(concluded(DENIAL, TRACE_BY_SCP, sidecar=(TRACE_BY_SCP,))) == "SCP_OR_RCP"
    assert code(concluded(DENIAL, sidecar=(BY_SCP,))) == "SCP_OR_RCP"


def test_objects_of_one_bucket_are_one_kind_however_many_they_are() -> None:
    objects = [
        UPDATE.replace("dynamodb:UpdateItem", "s3:PutObject").replace(
            "arn:aws:dynamodb:us-east-1:1:table/t", f"arn:aws:s3:::b/{n}"
        )
        for n in range(300)
    ]
    diagnosis = concluded(DENIAL, *objects)
    assert [kind.resource for kind in diagnosis.stays_denied] == ["arn:aws:s3:::b/*"]


def test_what_the_proof_could_not_tell_from_the_repaired_call_refuses_the_run() -> None:
    reading = DENIAL.replace("sqs:receivemessage", "s3:GetObject")
    declared, other = (reading.replace(QUEUE, f"arn:aws:s3:::b/{key}") for key in ("in/1", "out/1"))
    policy = {
        RECEIVE: {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/in/*"}],
        }
    }
    assert code(concluded(declared, other, declared=policy)) == "NOT_DECLARED"


def test_so_many_kinds_of_calls_that_nobody_declared_are_not_harmless() -> None:
    tables = [UPDATE.replace("table/t", f"table/t{n}") for n in range(MOST_KINDS + 1)]
    assert attach(concluded(DENIAL, *tables[1:])) == (RECEIVE,)
    assert code(concluded(DENIAL, *tables)) == "NOT_DECLARED"


ANY = st.lists(st.sampled_from([DENIAL, UPDATE, TRACE, TRACE_BY_SCP, BY_SCP, ENCODED, SOMEBODY]), max_size=6)


@given(ANY, ANY)
def test_nothing_stays_denied_without_a_repair_and_no_repair_leaves_its_own_call(
    messages: list[str], sidecar: list[str]
) -> None:
    diagnosis = concluded(*messages, sidecar=tuple(sidecar))
    assert bool(attach(diagnosis)) or not diagnosis.stays_denied
    assert "sqs:ReceiveMessage" not in staying(diagnosis)
    texts = [finding.text for finding in diagnosis.findings if "stays denied" in finding.text]
    assert all(any(f"{kind.action} on" in text for text in texts) for kind in diagnosis.stays_denied)
