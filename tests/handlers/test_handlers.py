"""Each handler with its event on the seed's account: what goes in and out, and what it changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from moto.ecs.models import ecs_backends
from moto.sns.models import sns_backends

from regrant.aws.journal import DynamoJournal
from regrant.clock import decode
from regrant.errors import AttachmentNotVisible, AwsRefused, BaselineDiffers, ServiceNotSettled
from regrant.model.aws import Baseline
from regrant.model.journal import Change
from regrant.model.run import OpenEvent, StepEvent
from regrant.report.unopened import UnopenedEvent
from tests.aws.account import ROLE_NAME, TABLE, client
from tests.handlers.conftest import EVENTS, Invoke, load
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

# audit_grants is no step of a run; tests/handlers/test_audit_grants.py has it.
STEPS = [*sorted({path.stem for path in EVENTS.glob("*_*.json")} - {"audit_grants"}), "diagnose"]


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


def log(seconds: float, message: str) -> None:
    logs = client("logs")
    stream = f"{ROUTE.stream_prefix}/task-1"
    logs.create_log_stream(logGroupName=ROUTE.group, logStreamName=stream)
    moment = round(datetime.fromisoformat(at(seconds)).timestamp() * 1000)
    event = {"timestamp": moment, "message": message}
    logs.put_log_events(logGroupName=ROUTE.group, logStreamName=stream, logEvents=[event])


def contained(invoke: Invoke) -> None:
    """The run up to its grant, by the handlers themselves."""
    for step in ("capture_baseline", "attach_policies"):
        invoke(step)


@pytest.mark.parametrize("step", STEPS)
def test_an_event_is_what_the_state_machine_passes(step: str) -> None:
    event, shape = (
        load(step),
        {"open_incident": OpenEvent, "page_unopened": UnopenedEvent}.get(step, StepEvent),
    )
    if step != "page_unopened":
        assert set(event) - {"token"} == {"state", "now", "execution"}
    decode(event, shape)


def test_open_incident_finds_the_enrolled_service(invoke: Invoke) -> None:
    incident = invoke("open_incident")["incident"]
    assert incident == load("diagnose")["state"]["incident"]


@pytest.mark.parametrize("name", ["console", "console-plan"])
def test_open_incident_takes_what_a_person_types(invoke: Invoke, name: str) -> None:
    opened = invoke("open_incident", load("open_incident") | {"state": load(name)})
    assert opened["incident"]["mode"] == load(name)["mode"]
    assert opened["incident"]["refusal"] is None


def test_open_incident_refuses_to_undo_what_it_does_not_know(invoke: Invoke) -> None:
    opened = invoke("open_incident", load("open_incident") | {"state": load("console-rollback")})
    assert opened["incident"]["refusal"]["code"] == "UNKNOWN_INCIDENT"


def test_open_incident_finds_the_service_of_the_incident_to_undo(invoke: Invoke) -> None:
    contained(invoke)
    opened = invoke("open_incident", load("open_incident") | {"state": load("console-rollback")})
    assert opened["incident"]["refusal"] is None
    assert opened["incident"]["service"] == {"cluster": CLUSTER, "name": WORKER.name}


def test_diagnose_plans_the_missing_policy(invoke: Invoke) -> None:
    settle()
    log(-60, DENIAL)
    diagnosis = invoke("diagnose")
    expected = load("capture_baseline")["state"]["diagnosis"]
    assert (diagnosis["decision"], diagnosis["plan"]) == ("CONTAIN", expected["plan"])
    assert [finding["code"] for finding in diagnosis["findings"]] == [
        finding["code"] for finding in expected["findings"]
    ]


def settle() -> None:
    """moto starts no tasks, so its deployments never complete by themselves."""
    (in_moto,) = ecs_backends[ACCOUNT][REGION].services.values()
    for deployment in in_moto.deployments:
        deployment |= {"rolloutState": "COMPLETED", "runningCount": deployment["desiredCount"]}
        deployment["createdAt"] = datetime(2025, 11, 11, 9, tzinfo=UTC)  # long before the incident


def test_ask_approval_tells_the_topic(invoke: Invoke) -> None:
    assert invoke("ask_approval") == {"until": "2025-11-11T22:52:15.402Z"}
    (topic,) = sns_backends[ACCOUNT][REGION].topics.values()
    ((_, message, subject, *_),) = topic.sent_notifications
    assert subject == f"APPROVAL NEEDED {WORKER}"
    assert load("ask_approval")["token"] in message


def test_capture_baseline_keeps_role_and_service(invoke: Invoke) -> None:
    mark = invoke("capture_baseline")
    baseline = journal().load(INCIDENT).baseline
    assert baseline is not None and baseline.role == ROLE
    assert (mark["backlog"], mark["dead_letters"]) == (0, 0)
    assert mark["primary_deployment"] == service()["deployments"][0]["id"]


def test_attach_policies_attaches_and_says_so_in_the_journal(invoke: Invoke) -> None:
    grant = invoke("attach_policies")
    assert grant == load("confirm_access")["state"]["grant"]
    assert attached() == [RECEIVE]
    (change,) = journal().load(INCIDENT).changes
    assert (change.kind, change.value, change.done_at) == ("attach", RECEIVE, load("attach_policies")["now"])


def test_confirm_access_sees_the_grant(invoke: Invoke) -> None:
    invoke("attach_policies")
    assert invoke("confirm_access") == load("redeploy_service")["state"]["access"]


def test_confirm_access_fails_by_the_name_that_the_state_machine_retries(invoke: Invoke) -> None:
    with pytest.raises(AttachmentNotVisible):
        invoke("confirm_access")


def event_of(step: str, **state: Any) -> Any:
    """The step's event with some of its state as this account has it."""
    event = load(step)
    return event | {"state": event["state"] | state}


def test_redeploy_service_starts_a_deployment(invoke: Invoke) -> None:
    before = service()
    mark = invoke("capture_baseline")
    rollout = invoke("redeploy_service", event_of("redeploy_service", baseline=mark))
    after = service()
    assert rollout["deployment"] == after["deployments"][0]["id"] != before["deployments"][0]["id"]
    assert after["taskDefinition"] == before["taskDefinition"]
    (change,) = journal().load(INCIDENT).changes
    assert (change.kind, change.value) == ("redeploy", rollout["deployment"])


def test_check_rollout_looks_for_its_own_deployment(invoke: Invoke) -> None:
    rollout = load("check_rollout")["state"]["rollout"]
    ours = rollout | {"deployment": service()["deployments"][0]["id"]}
    assert invoke("check_rollout", event_of("check_rollout", rollout=ours))["verdict"] == "PENDING"
    assert invoke("check_rollout")["verdict"] == "UNHEALTHY"


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
    rollout = load("verify_health")["state"]["rollout"] | {"deployment": ours}
    health = invoke("verify_health", event_of("verify_health", rollout=rollout))
    assert health["last"] | {"tasks": 1, "successes": 0, "denials": 0, "backlog": 0} == health["last"]
    assert (health["verdict"], health["streak"], health["checks"]) == ("HEALTHY", 3, 4)


def test_restore_service_leaves_a_service_alone_that_was_not_changed(invoke: Invoke) -> None:
    before = service()["deployments"]
    assert invoke("restore_service")["verdict"] == "HEALTHY"
    assert service()["deployments"] == before


def test_check_restore_waits_for_the_deployment_that_is_there(invoke: Invoke) -> None:
    restore = load("check_restore")["state"]["restore"] | {"task_definition": service()["taskDefinition"]}
    event = event_of("check_restore", restore=restore)
    restored = invoke("check_restore", event)
    assert (restored["verdict"], restored["checks"]) == ("PENDING", 1)
    assert restored["evidence"][0].startswith(service()["deployments"][0]["id"])
    settle()
    assert invoke("check_restore", event)["verdict"] == "HEALTHY"


def test_check_restore_does_not_wait_for_a_revision_that_somebody_else_deployed(invoke: Invoke) -> None:
    restore = load("check_restore")["state"]["restore"] | {"task_definition": NEWER_DEFINITION}
    restored = invoke("check_restore", event_of("check_restore", restore=restore))
    assert restored["verdict"] == "HEALTHY"
    assert service()["taskDefinition"] in restored["evidence"][0]


def test_detach_policies_takes_off_what_the_incident_attached(invoke: Invoke) -> None:
    contained(invoke)
    assert invoke("detach_policies")["detached"] == [RECEIVE]
    assert attached() == []
    (change,) = journal().load(INCIDENT).changes
    assert change.undone_at == load("detach_policies")["now"]


def test_confirm_baseline_gives_a_receipt_with_equal_hashes(invoke: Invoke) -> None:
    contained(invoke)
    invoke("detach_policies")
    receipt = invoke("confirm_baseline")
    assert receipt["equal"] and receipt["before"] == receipt["after"]


def test_confirm_baseline_fails_by_the_name_that_the_state_machine_retries(invoke: Invoke) -> None:
    contained(invoke)
    with pytest.raises(BaselineDiffers):
        invoke("confirm_baseline")


def test_confirm_baseline_fails_if_the_service_never_settled(invoke: Invoke) -> None:
    contained(invoke)
    invoke("detach_policies")
    restore = load("check_restore")["state"]["restore"] | {"checks": 120}
    with pytest.raises(ServiceNotSettled, match="The policies are off"):
        invoke("confirm_baseline", event_of("confirm_baseline", restore=restore))


def test_close_incident_reports_and_counts(invoke: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    contained(invoke)
    report = invoke("close_incident")
    assert (report["outcome"], report["health"]["verdict"]) == ("CONTAINED", "HEALTHY")
    assert [change["value"] for change in report["changes"]] == [RECEIVE]
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [(metric["outcome"], metric["Runs"]) for metric in metrics] == [("CONTAINED", [1.0])]


def test_page_operator_reports_what_is_left(invoke: Invoke) -> None:
    journal().keep_baseline(INCIDENT, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    journal().intend(INCIDENT, Change("attach", OLD_ROLE, RECEIVE, at(3), done_at=at(3)))
    report = invoke("page_operator")
    assert report["outcome"] == "ROLLBACK_INCOMPLETE"
    assert f"--policy-arn {RECEIVE}" in report["next"]


def test_what_aws_refuses_leaves_the_handler_under_our_name(invoke: Invoke) -> None:
    client("iam").delete_role_policy(RoleName=ROLE_NAME, PolicyName="retainwise-data")
    client("iam").delete_role(RoleName=ROLE_NAME)
    with pytest.raises(AwsRefused, match="NoSuchEntity"):
        invoke("attach_policies")


def test_an_event_of_another_shape_is_refused_with_the_path_of_what_is_wrong(invoke: Invoke) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.state\.incident"):
        invoke("attach_policies", load("attach_policies") | {"state": {"incident": 7}})
