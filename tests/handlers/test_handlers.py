"""Each handler with its event on the seed's account: what goes in and out, and what it changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from moto.ecs.models import ecs_backends
from moto.sns.models import sns_backends

from regrant.approval.request import asked_of, caller_of
from regrant.audit.found import AuditEvent
from regrant.aws.roles import IamRoles
from regrant.aws.table.approvals import DynamoApprovals
from regrant.aws.table.journal import DynamoJournal
from regrant.errors import (
    AttachmentNotVisible,
    AwsRefused,
    AwsUnavailable,
    BaselineDiffers,
    ServiceNotSettled,
)
from regrant.model.aws import Baseline
from regrant.model.journal import Change
from regrant.model.run import AskEvent, CloseEvent, OpenEvent, StepEvent
from regrant.step import logger
from tests.aws.account import ROLE_NAME, TABLE, client
from tests.handlers.conftest import HANDLERS, Invoke, load
from tests.unit.fakes import (
    ACCOUNT,
    CLUSTER,
    DENIAL,
    INCIDENT,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    REGION,
    ROLE,
    ROUTE,
    RUNNING,
    SUCCESS,
    WORKER,
    at,
)
from tests.unit.run import end_of

# What each event is; that of any other step is a StepEvent.
EVENTS: dict[str, type[msgspec.Struct]] = {
    "open_incident": OpenEvent,
    "ask_approval": AskEvent,
    "close_incident": CloseEvent,
    "audit_grants": AuditEvent,
    "list_grants": AuditEvent,
}


def service() -> dict[str, Any]:
    shape: dict[str, Any] = client("ecs").describe_services(cluster=CLUSTER, services=[WORKER.name])[
        "services"
    ][0]
    return shape


def attached() -> list[str]:
    policies = client("iam").list_attached_role_policies(RoleName=ROLE_NAME)["AttachedPolicies"]
    return [policy["PolicyArn"] for policy in policies]


def journal() -> DynamoJournal:
    return DynamoJournal(client("dynamodb"), TABLE)


def lease(resource: str) -> dict[str, str]:
    """Who has had the resource last, and until when."""
    key = {"incident": {"S": f"lease#{resource}"}, "entry": {"S": "lease"}}
    item = client("dynamodb").get_item(TableName=TABLE, Key=key)["Item"]
    return {name: item[name]["S"] for name in ("held_by", "ends_at")}


def sent() -> list[tuple[str, str]]:
    """What was published: subject and message."""
    (topic,) = sns_backends[ACCOUNT][REGION].topics.values()
    return [(str(subject), message) for _, message, subject, *_ in topic.sent_notifications]


def log(seconds: float, message: str, task: str = "task-1") -> None:
    logs = client("logs")
    stream = f"{ROUTE.stream_prefix}/{task}"
    logs.create_log_stream(logGroupName=ROUTE.group, logStreamName=stream)
    moment = round(datetime.fromisoformat(at(seconds)).timestamp() * 1000)
    event = {"timestamp": moment, "message": message}
    logs.put_log_events(logGroupName=ROUTE.group, logStreamName=stream, logEvents=[event])


def settle() -> None:
    """moto starts no tasks, so its deployments never complete, nor do the ones go that they replace."""
    (in_moto,) = ecs_backends[ACCOUNT][REGION].services.values()
    del in_moto.deployments[1:]
    for deployment in in_moto.deployments:
        deployment |= {"rolloutState": "COMPLETED", "runningCount": deployment["desiredCount"]}
        deployment["createdAt"] = datetime(2025, 11, 11, 9, tzinfo=UTC)  # long before the incident


def event_of(step: str, **state: Any) -> Any:
    """The step's event with some of its state as this account has it."""
    event = load(step)
    return event | {"state": event["state"] | state}


def contained(invoke: Invoke) -> None:
    """The run up to its grant, by the handlers themselves."""
    attach(invoke)


def attach(invoke: Invoke) -> Any:
    mark = invoke("capture_baseline")
    return invoke("attach_policies", event_of("attach_policies", baseline=mark))


@pytest.mark.parametrize("step", HANDLERS)
def test_an_event_is_what_the_state_machine_passes(step: str) -> None:
    event = load(step)
    if step == "answer_approval":  # Lambda makes it of a person's request
        assert caller_of(event) and asked_of(event)
        return
    shape = EVENTS.get(step, StepEvent)
    msgspec.convert(event, shape)
    if step not in ("audit_grants", "list_grants"):
        assert set(event) == {field.name for field in msgspec.structs.fields(shape)}


def opened(invoke: Invoke, given: object, **event: Any) -> Any:
    return invoke("open_incident", load("open_incident") | {"input": given} | event)["incident"]


def test_open_incident_finds_the_enrolled_service_and_leases_it(invoke: Invoke) -> None:
    assert invoke("open_incident")["incident"] == load("diagnose")["state"]["incident"]
    assert lease(f"service/{WORKER}")["held_by"] == INCIDENT


@pytest.mark.parametrize("name", ["console", "console-plan", "console-cure"])
def test_open_incident_takes_what_a_person_types(invoke: Invoke, name: str) -> None:
    incident = opened(invoke, load(name))
    assert (incident["mode"], incident["refusal"]) == (load(name)["mode"], None)
    assert incident["next"] == "DIAGNOSE"


def test_open_incident_refuses_to_undo_what_it_does_not_know(invoke: Invoke) -> None:
    incident = opened(invoke, load("console-rollback"))
    assert (incident["refusal"]["code"], incident["next"]) == ("UNKNOWN_INCIDENT", "CLOSE")


def test_open_incident_finds_the_service_of_the_incident_to_undo(invoke: Invoke) -> None:
    contained(invoke)
    incident = opened(invoke, load("console-rollback"))
    assert (incident["refusal"], incident["next"]) == (None, "UNDO")
    assert incident["service"] == {"cluster": CLUSTER, "name": WORKER.name}


def test_open_incident_undoes_a_run_that_has_ended(invoke: Invoke) -> None:
    contained(invoke)
    incident = opened(invoke, end_of())
    assert (incident["ended"], incident["role"], incident["next"]) == (INCIDENT, OLD_ROLE, "UNDO")


def test_diagnose_plans_the_missing_policy(invoke: Invoke) -> None:
    settle()
    task = run_task(service()["deployments"][0]["id"])
    (known,) = ecs_backends[ACCOUNT][REGION].tasks[CLUSTER].values()
    known.group = f"service:{WORKER.name}"  # as ECS has it of a service's task
    log(-60, DENIAL, task)
    diagnosis = invoke("diagnose")
    expected = load("capture_baseline")["state"]["diagnosis"]
    assert (diagnosis["next"], diagnosis["plan"]) == ("CHANGE", expected["plan"])
    assert [finding["code"] for finding in diagnosis["findings"]] == [
        finding["code"] for finding in expected["findings"]
    ]
    assert diagnosis["planned_against"] == expected["planned_against"]


def test_ask_approval_notifies_the_topic(invoke: Invoke) -> None:
    assert invoke("ask_approval") == "2025-11-11T22:52:15.402Z"
    ((subject, message),) = sent()
    assert subject == f"APPROVAL NEEDED {WORKER}"
    token, plan = load("ask_approval")["token"], json.loads(load("answer_approval")["body"])["plan"]
    assert token not in message and f"PLAN={plan} " in message
    question = DynamoApprovals(client("dynamodb"), TABLE).last(INCIDENT)
    assert question is not None and (question.token, question.plan) == (token, plan)


def test_answer_approval_answers_in_http_and_logs_no_more_than_who_and_what(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question is of a day long past."""
    unknown = invoke("answer_approval")
    assert (unknown["statusCode"], json.loads(unknown["body"])["code"]) == (404, "UNKNOWN_RUN")
    invoke("ask_approval")
    logged: list[object] = []
    monkeypatch.setattr(logger, "info", lambda *words, **more: logged.append((*words, more)))
    late = invoke("answer_approval")
    assert (late["statusCode"], json.loads(late["body"])["code"]) == (410, "TIMED_OUT")
    assert late["headers"]["content-type"] == "application/json"
    caller = load("answer_approval")["requestContext"]["authorizer"]["iam"]["userArn"]
    assert logged == [("answered", {"code": "TIMED_OUT", "by": caller})]


@pytest.mark.parametrize("event", [{}, [], "approve", None, {"requestContext": 7}])
def test_answer_approval_refuses_what_is_no_request(invoke: Invoke, event: Any) -> None:
    given = {"Payload": event} if event is None else event
    assert invoke("answer_approval", given)["statusCode"] == 403


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(AwsUnavailable("throttled"), 503, "TRY_AGAIN"), (AwsRefused("denied"), 500, "AWS_REFUSED")],
)
def test_answer_approval_says_in_http_what_aws_would_not_do(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(DynamoApprovals, "last", fail)
    reply = invoke("answer_approval")
    assert (reply["statusCode"], json.loads(reply["body"])["code"]) == (status, code)
    assert ("retry-after" in reply["headers"]) is (status == 503)


def test_capture_baseline_keeps_role_and_service_and_leases_the_role(invoke: Invoke) -> None:
    mark = invoke("capture_baseline")
    baseline = journal().load(INCIDENT).baseline
    assert baseline is not None and baseline.role == ROLE
    assert (mark["next"], mark["backlog"], mark["dead_letters"]) == ("ATTACH", 0, 0)
    assert mark["primary_deployment"] == service()["deployments"][0]["id"]
    assert lease(f"role/{OLD_ROLE}")["held_by"] == INCIDENT


def test_attach_policies_attaches_and_says_so_in_the_journal(invoke: Invoke) -> None:
    assert attach(invoke) == load("redeploy_service")["state"]["grant"]
    assert attached() == [RECEIVE]
    now = load("attach_policies")["now"]
    (change,) = journal().load(INCIDENT).changes
    assert (change.kind, change.value, change.done_at) == ("attach", RECEIVE, now)
    assert lease(f"role/{OLD_ROLE}") == {"held_by": INCIDENT, "ends_at": now}


def test_attach_policies_fails_by_the_name_that_the_state_machine_retries(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IamRoles, "attached", lambda *_: ())
    with pytest.raises(AttachmentNotVisible):
        attach(invoke)


def test_redeploy_service_starts_a_deployment(invoke: Invoke) -> None:
    before = service()
    mark = invoke("capture_baseline")
    rollout = invoke("redeploy_service", event_of("redeploy_service", baseline=mark))
    after = service()
    assert rollout["deployment"] == after["deployments"][0]["id"] != before["deployments"][0]["id"]
    assert after["taskDefinition"] == before["taskDefinition"]
    (change,) = journal().load(INCIDENT).changes
    assert (change.kind, change.value) == ("redeploy", rollout["deployment"])


def verify(invoke: Invoke, deployment: str, **health: Any) -> Any:
    """A look of a run whose deployment that is; `health` is what it knew before."""
    state = load("verify_health")["state"]
    rollout = state["rollout"] | {"deployment": deployment}
    event = event_of("verify_health", rollout=rollout, health=state["health"] | health)
    return invoke("verify_health", event)


def test_verify_health_looks_for_its_own_deployment_first(invoke: Invoke) -> None:
    pending = verify(invoke, service()["deployments"][0]["id"], deployed_at=None)
    assert (pending["verdict"], pending["next"], pending["samples"]) == ("PENDING", "WAIT", 0)
    failed = verify(invoke, "ecs-svc/77", deployed_at=None)
    assert (failed["verdict"], failed["next"]) == ("UNHEALTHY", "UNDO")


def run_task(deployment: str) -> str:
    """A task of that deployment (moto runs none for a service); its id."""
    ec2 = client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    answer = client("ecs").run_task(
        cluster=CLUSTER,
        taskDefinition=f"{WORKER.name}:1",
        startedBy=deployment,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": []}},
    )
    return str(answer["tasks"][0]["taskArn"].rsplit("/", 1)[-1])


def test_verify_health_takes_a_sample_of_the_deployments_tasks(invoke: Invoke) -> None:
    contained(invoke)
    settle()
    ours = service()["deployments"][0]["id"]
    run_task(ours)
    log(230, SUCCESS)  # of a task that is not the deployment's
    health = verify(invoke, ours)
    assert health["last"] | {"tasks": 1, "successes": 0, "denials": 0, "backlog": 0} == health["last"]
    assert (health["verdict"], health["streak"], health["checks"]) == ("HEALTHY", 3, 4)
    assert health["next"] == "CLOSE"


def test_undo_role_sends_to_the_service_before_it_detaches(invoke: Invoke) -> None:
    contained(invoke)
    journal().record(INCIDENT, Change("redeploy", str(WORKER), "ecs-svc/42", at(5), done_at=at(5)))
    undo = invoke("undo_role", event_of("undo_role", undo=None))
    assert (undo["next"], undo["put_back"]) == ("SERVICE", [])
    assert attached() == [RECEIVE]


def test_undo_role_takes_off_what_the_incident_attached(invoke: Invoke) -> None:
    contained(invoke)
    undo = invoke("undo_role")
    assert (undo["next"], undo["detached"]) == ("CONFIRM", [RECEIVE])
    assert attached() == []
    (change,) = journal().load(INCIDENT).changes
    assert change.undone_at == load("undo_role")["now"]


def test_undo_service_leaves_a_service_alone_that_was_not_changed(invoke: Invoke) -> None:
    before = service()["deployments"]
    undo = invoke("undo_service")
    assert (undo["next"], undo["service"]) == ("ROLE", "HEALTHY")
    assert service()["deployments"] == before


def redeployed(invoke: Invoke) -> None:
    """The run up to its deployment."""
    mark = invoke("capture_baseline")
    invoke("redeploy_service", event_of("redeploy_service", baseline=mark))


def test_undo_service_waits_for_the_deployment_that_is_there(invoke: Invoke) -> None:
    redeployed(invoke)
    waiting = invoke("undo_service")
    assert (waiting["next"], waiting["service"], waiting["checks"]) == ("WAIT", "PENDING", 1)
    assert waiting["evidence"][0].startswith(service()["deployments"][0]["id"])
    settle()
    assert invoke("undo_service")["service"] == "HEALTHY"


def test_undo_service_does_not_wait_for_a_revision_that_somebody_else_deployed(invoke: Invoke) -> None:
    redeployed(invoke)
    (in_moto,) = ecs_backends[ACCOUNT][REGION].services.values()
    in_moto.task_definition = in_moto.deployments[0]["taskDefinition"] = NEWER_DEFINITION
    undo = invoke("undo_service")
    assert (undo["next"], undo["service"]) == ("ROLE", "HEALTHY")
    assert NEWER_DEFINITION in undo["evidence"][0]


def test_confirm_baseline_gives_a_receipt_with_equal_hashes(invoke: Invoke) -> None:
    contained(invoke)
    invoke("undo_role")
    receipt = invoke("confirm_baseline")
    assert receipt["equal"] and receipt["before"] == receipt["after"]


def test_confirm_baseline_fails_by_the_name_that_the_state_machine_retries(invoke: Invoke) -> None:
    contained(invoke)
    with pytest.raises(BaselineDiffers):
        invoke("confirm_baseline")


def test_confirm_baseline_fails_if_the_service_never_settled(invoke: Invoke) -> None:
    contained(invoke)
    invoke("undo_role")
    undo = load("confirm_baseline")["state"]["undo"] | {"service": "UNHEALTHY"}
    with pytest.raises(ServiceNotSettled, match="The policies are off"):
        invoke("confirm_baseline", event_of("confirm_baseline", undo=undo))


def counted(printed: str) -> list[tuple[str, list[float], list[float]]]:
    """Outcome, runs and seconds of each metric that was printed."""
    metrics = [json.loads(line) for line in printed.splitlines() if "_aws" in line]
    return [(metric["outcome"], metric["Runs"], metric["RunSeconds"]) for metric in metrics]


def test_close_incident_reports_and_counts(invoke: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    invoke("open_incident")
    contained(invoke)
    report = invoke("close_incident")
    assert (report["outcome"], report["health"]["verdict"]) == ("CONTAINED", "HEALTHY")
    assert [change["value"] for change in report["changes"]] == [RECEIVE]
    assert counted(capsys.readouterr().out) == [("CONTAINED", [1.0], [239.728])]
    assert lease(f"service/{WORKER}")["ends_at"] == load("close_incident")["now"]


def test_close_incident_says_how_to_start_a_run_again_that_could_not_be_opened(invoke: Invoke) -> None:
    failure = {"Error": "AwsRefused", "Cause": "User is not authorized to perform: dynamodb:Query"}
    given = load("console-rollback")
    event = {"state": failure, "now": at(0), "input": given, "execution": "undo-worker-1"}
    report = invoke("close_incident", event)
    assert (report["outcome"], report["mode"]) == ("REFUSED", "rollback")
    assert report["next"].endswith(json.dumps(given))
    ((subject, message),) = sent()
    assert subject == "NOT_OPENED undo-worker-1"
    assert INCIDENT in message and '"mode": "rollback"' in message
    assert ROLE_NAME not in message


def test_page_operator_reports_what_is_left_and_counts(
    invoke: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    journal().keep_baseline(INCIDENT, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    journal().intend(INCIDENT, Change("attach", OLD_ROLE, RECEIVE, at(3), done_at=at(3)))
    client("iam").attach_role_policy(RoleName=ROLE_NAME, PolicyArn=RECEIVE)
    report = invoke("page_operator")
    assert report["outcome"] == "ROLLBACK_INCOMPLETE"
    assert f"--policy-arn {RECEIVE}" in report["next"]
    assert counted(capsys.readouterr().out) == [("ROLLBACK_INCOMPLETE", [1.0], [19.1])]


def test_what_aws_refuses_leaves_the_handler_under_our_name(invoke: Invoke) -> None:
    client("iam").delete_role_policy(RoleName=ROLE_NAME, PolicyName="retainwise-data")
    client("iam").delete_role(RoleName=ROLE_NAME)
    with pytest.raises(AwsRefused, match="NoSuchEntity"):
        invoke("attach_policies")


def test_an_event_of_another_shape_is_refused_with_the_path_of_what_is_wrong(invoke: Invoke) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.state\.incident"):
        invoke("attach_policies", load("attach_policies") | {"state": {"incident": 7}})


UNDO_ID = load("undo_role")["state"]["incident"]["id"]


@pytest.mark.parametrize(
    ("step", "keys"),
    [
        ("open_incident", {"incident": INCIDENT}),
        ("attach_policies", {"incident": INCIDENT, "subject": INCIDENT}),
        ("close_incident", {"incident": INCIDENT, "subject": INCIDENT}),
        ("undo_role", {"incident": UNDO_ID, "subject": INCIDENT}),
    ],
)
def test_every_line_of_the_log_names_the_run_and_its_incident(
    step: str, keys: dict[str, str], invoke: Invoke
) -> None:
    contained(invoke)
    if step != "attach_policies":
        invoke(step)
    known = logger.get_current_keys()
    assert {name: known[name] for name in ("incident", "subject") if name in known} == keys


def test_the_result_is_in_the_log(invoke: Invoke, caplog: pytest.LogCaptureFixture) -> None:
    contained(invoke)
    undo = invoke("undo_role")
    logged = [vars(record) for record in caplog.records]
    last = [line["result"] for line in logged if line["msg"] == "done"][-1]
    assert json.loads(json.dumps(last)) == undo
