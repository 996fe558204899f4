"""CloudTrail's event of a refused call as a trigger: which task's it was, and what is refused."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.model.denial import Denial
from regrant.model.run import Incident
from regrant.opening.request import Request
from regrant.opening.trigger import read_trigger
from regrant.settings import Allowed
from tests.unit.cure import enrol
from tests.unit.fakes import ALLOWED, CLUSTER, ENTRY, QUEUE, RECEIVE, SETTINGS, WORKER, World
from tests.unit.run import EVENTS, Run, opened

EVENT: dict[str, Any] = json.loads((EVENTS / "cloudtrail.json").read_text())
TASK = "0f9c2f1d7f3f4c5e8a6b9d0e1c2a3b4f"
SESSION = f"arn:aws:sts::123456789012:assumed-role/retainwise-ecs-task-role/{TASK}"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in it, inner ones too."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    inside = [way for key, child in children for way in leaves(child, (*path, key))]
    return [path, *inside] if path else inside


def mutated(path: tuple[Any, ...], new: Any) -> Any:
    """The event with another value at the end of the path."""
    event = json.loads(json.dumps(EVENT))
    *way, last = path
    inner = event
    for key in way:
        inner = inner[key]
    inner[last] = new
    return event


def read_event(event: Any) -> Request:
    return read_trigger(event, SETTINGS, lambda: Allowed(roles=ALLOWED.roles))


def read(**detail: Any) -> Request:
    return read_event(EVENT | {"detail": EVENT["detail"] | detail})


def called_by(arn: str) -> Request:
    """The event as another caller's, in the record and in the message."""
    message = EVENT["detail"]["errorMessage"].replace(SESSION, arn)
    return read(userIdentity=EVENT["detail"]["userIdentity"] | {"arn": arn}, errorMessage=message)


def refused(request: Request) -> tuple[str, str]:
    assert request.refusal is not None
    assert request.refusal.message.endswith(".") and request.refusal.next
    assert request.task is None
    return request.refusal.code, request.refusal.outcome


def test_a_denied_call_names_its_task_and_carries_the_denial() -> None:
    request = read()
    assert request.refusal is None
    assert (request.mode, request.task, request.service, request.automatic) == ("contain", TASK, None, True)
    assert request.trigger == (
        "CloudTrail event 8e6f1b3c-2d47-4a90-b5c8-7f0a9d3e6b21 of sqs:ReceiveMessage"
        " by retainwise-ecs-task-role"
    )
    assert request.denials == (
        Denial(
            action="sqs:ReceiveMessage",
            resource=QUEUE,
            principal_arn=SESSION,
            role_name="retainwise-ecs-task-role",
            effect="implicit",
            policy_type="identity",
        ),
    )


def test_a_task_with_an_id_of_the_old_form_is_one() -> None:
    old = "1a2b3c4d-5e6f-4a0b-8c9d-0e1f2a3b4c5d"
    assert called_by(SESSION.replace(TASK, old)).task == old


def test_a_record_without_a_message_is_read_from_its_fields() -> None:
    request = read(errorMessage=None)
    assert request.task == TASK
    (denial,) = request.denials
    assert (denial.action, denial.resource, denial.principal_arn) == ("sqs:ReceiveMessage", QUEUE, SESSION)


@pytest.mark.parametrize(
    "detail",
    [
        {"errorCode": None},
        {"errorCode": "AWS.SimpleQueueService.NonExistentQueue"},
        {"errorCode": "ThrottlingException"},
        {"errorCode": ["AccessDenied"]},
        {"eventSource": None},
        {"eventName": ""},
    ],
)
def test_an_event_without_a_denial_is_nothing_to_fix(detail: dict[str, Any]) -> None:
    assert refused(read(**detail)) == ("NO_DENIAL", "NOTHING_TO_FIX")


def test_a_denial_that_is_quoted_in_a_call_that_succeeded_is_none() -> None:
    quoted = {"errorCode": None, "errorMessage": None, "requestParameters": {"body": EVENT["detail"]}}
    assert refused(read(**quoted))[0] == "NO_DENIAL"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sts::123456789012:assumed-role/retainwise-ecs-task-role/alice@example.com",
        "arn:aws:sts::123456789012:assumed-role/retainwise-ecs-task-role/" + TASK.upper(),
        "arn:aws:sts::123456789012:assumed-role/retainwise-ecs-task-role/" + TASK + "0",
        "arn:aws:sts::123456789012:assumed-role/retainwise-ecs-task-role/" + TASK + "\n",
        "arn:aws:sts::123456789012:assumed-role/retainwise-ecs-task-role/x/" + TASK,
        "arn:aws:sts::123456789012:assumed-role/retainwise-ecs-task-role",
        "arn:aws:sts::999999999999:assumed-role/retainwise-ecs-task-role/" + TASK,
        "arn:aws:sts::123456789012:assumed-role/somebody-elses-role/" + TASK,
        "arn:aws:sts::123456789012:federated-user/" + TASK,
        "arn:aws:iam::123456789012:user/alice",
        "arn:aws:iam::123456789012:root",
        "anonymous",
        "",
    ],
)
def test_a_caller_that_is_no_task_of_a_managed_role_is_refused(arn: str) -> None:
    request = called_by(arn)
    assert refused(request) == ("OTHER_CALLER", "REFUSED")
    assert request.refusal is not None and request.refusal.message.isprintable()


@pytest.mark.parametrize("identity", [None, [], {}, {"arn": None}, {"arn": [SESSION]}])
def test_a_record_without_a_caller_is_refused(identity: object) -> None:
    assert refused(read(userIdentity=identity, errorMessage=None))[0] == "OTHER_CALLER"


def test_a_message_that_speaks_of_another_caller_is_refused() -> None:
    other = EVENT["detail"]["errorMessage"].replace(TASK, "1" * 32)
    assert refused(read(errorMessage=other))[0] == "OTHER_CALLER"


def test_text_without_the_form_of_its_kind_is_left_out() -> None:
    odd = {"eventID": "x; rm", "eventName": "Receive\x1b[31m", "errorMessage": None}
    request = read(**odd, resources=[{"ARN": f"{QUEUE}\u202e"}])
    assert request.trigger == "a CloudTrail event of a call by retainwise-ecs-task-role"
    assert request.refusal is None
    (denial,) = request.denials
    assert (denial.action, denial.resource, denial.principal_arn) == (None, None, SESSION)


def test_a_resource_longer_than_any_arn_is_left_out() -> None:
    (denial,) = read(errorMessage=None, resources=[{"ARN": QUEUE + "x" * 100_000}]).denials
    assert denial.resource is None


@given(st.sampled_from(leaves(EVENT)), JSON)
def test_no_change_of_the_event_makes_it_raise(path: tuple[Any, ...], new: Any) -> None:
    request = read_event(mutated(path, new))
    assert request.refusal or request.task == TASK
    assert request.trigger.isprintable() and len(request.trigger) < 400


@given(st.dictionaries(st.sampled_from(sorted(EVENT["detail"])), JSON))
def test_no_detail_makes_it_raise(detail: Any) -> None:
    request = read(**detail)
    assert request.refusal or request.task == TASK


def running(group: str | None = f"service:{WORKER.name}") -> World:
    """The worker is enrolled, and the denied task is of that group."""
    world = World()
    enrol(world, WORKER)
    if group is not None:
        world.services.groups[CLUSTER, TASK] = group
    return world


def test_the_service_is_that_of_the_task() -> None:
    incident = opened(running(), EVENT)
    assert (incident.refusal, incident.service, incident.entry) == (None, WORKER, ENTRY)
    assert msgspec.convert(msgspec.to_builtins(incident), Incident) == incident


@pytest.mark.parametrize("group", [None, "family:one-off", "service:", "service:a b", ""])
def test_a_task_of_no_service_is_refused_with_what_to_do(group: str | None) -> None:
    refusal = opened(running(group), EVENT).refusal
    assert refusal is not None and refusal.code == "UNKNOWN_TASK"
    assert "by hand" in refusal.next


def test_a_run_needs_no_line_in_the_log() -> None:
    world = running()
    incident = opened(world, EVENT)
    found = Run(world, incident).diagnose()
    assert found.plan is not None and found.plan.attach == (RECEIVE,)
    assert found.findings[0].text.endswith(
        f"sqs:ReceiveMessage on {QUEUE}, denied once at 2025-11-11T21:52:14Z."
    )
    assert found.findings[0].evidence == (incident.trigger,)


@pytest.mark.parametrize("principal", ["arn:aws:iam::123456789012:user/ci", SESSION])
def test_a_denial_by_the_quarantine_policy_is_a_leaked_key_whoever_called(principal: str) -> None:
    policy = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"
    message = (
        f"User: {principal} is not authorized to perform: iam:CreateUser on resource: *"
        f" with an explicit deny in an identity-based policy: {policy}"
    )
    request = read(userIdentity=EVENT["detail"]["userIdentity"] | {"arn": principal}, errorMessage=message)
    assert refused(request) == ("COMPROMISED_KEY", "REFUSED")
    assert request.refusal is not None and principal in request.refusal.message
