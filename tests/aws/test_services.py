"""ECS services as the domain sees them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.services import EcsServices
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import LogRoute, StoppedTask
from regrant.model.catalogue import Service
from tests.aws.account import client, container, create_service, register
from tests.unit.fakes import CLUSTER, DEFINITION, EXECUTION_ROLE, OLD_ROLE, RECEIVE, ROUTE, WORKER

# DescribeServices's answer, cut to what a service without optional parts has.
BARE: dict[str, Any] = {
    "serviceArn": f"arn:aws:ecs:us-east-1:123456789012:service/{WORKER}",
    "status": "ACTIVE",
    "taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/retainwise-worker:1",
    "desiredCount": 2,
}


def described(shape: dict[str, Any]) -> Any:
    ecs = client("ecs")
    with Stubber(ecs) as stub:
        stub.add_response("describe_services", {"services": [shape], "failures": []})
        return EcsServices(ecs).describe(WORKER)


def test_a_service_is_described() -> None:
    state = EcsServices(create_service()).describe(WORKER)
    assert state is not None
    assert (state.arn, state.status, state.controller) == (BARE["serviceArn"], "ACTIVE", "ECS")
    assert (state.task_definition, state.desired_count) == (BARE["taskDefinition"], 2)
    assert state.primary is not None and state.primary.task_definition == BARE["taskDefinition"]


def test_an_unknown_cluster_is_no_service() -> None:
    assert EcsServices(client("ecs")).describe(Service("nowhere", "x")) is None


def test_an_unknown_service_is_no_service() -> None:
    services = EcsServices(create_service())
    assert services.describe(Service(CLUSTER, "nothing")) is None


def test_another_refusal_is_not_an_unknown_service() -> None:
    ecs = client("ecs")
    with Stubber(ecs) as stub:
        stub.add_client_error("describe_services", "AccessDeniedException")
        with pytest.raises(AwsRefused):
            EcsServices(ecs).describe(WORKER)


def test_a_service_that_names_no_controller_has_ecs_own() -> None:
    assert described(BARE).controller == "ECS"


def test_a_controller_is_reported() -> None:
    assert described(BARE | {"deploymentController": {"type": "CODE_DEPLOY"}}).controller == "CODE_DEPLOY"


def test_a_service_of_task_sets_names_its_revisions_there_and_has_no_deployments() -> None:
    """API reference, CreateService (an EXTERNAL controller takes no task definition) and TaskSet."""
    revision = BARE["taskDefinition"]
    sets = [{"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": revision}, {"id": "ecs-svc/2"}]
    shape = {name: value for name, value in BARE.items() if name != "taskDefinition"}
    state = described(shape | {"deploymentController": {"type": "EXTERNAL"}, "taskSets": sets})
    assert (state.controller, state.task_definition, state.deployments) == ("EXTERNAL", "", ())
    assert state.revisions == (revision,)


@pytest.mark.parametrize(("managed", "express"), [({}, False), ("CUSTOMER", False), ("ECS", True)])
def test_a_service_whose_resources_ecs_manages_is_an_express_service(managed: Any, express: bool) -> None:
    """API reference, Service: resourceManagementType."""
    shape = {"resourceManagementType": managed} if managed else {}
    assert described(BARE | shape).express is express


@pytest.mark.parametrize("strategy", [None, "ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"])
def test_a_service_that_names_no_strategy_is_updated_by_rolling(strategy: str | None) -> None:
    configuration = {"strategy": strategy} if strategy else {}
    assert described(BARE | {"deploymentConfiguration": configuration}).strategy == (strategy or "ROLLING")


def test_a_service_without_deployments_is_not_settled() -> None:
    state = described(BARE)
    assert state.primary is None and not state.steady_state


def test_a_deployment_without_a_rollout_state_is_not_completed() -> None:
    deployment = {
        "id": "ecs-svc/1",
        "status": "PRIMARY",
        "taskDefinition": BARE["taskDefinition"],
        "desiredCount": 2,
        "runningCount": 2,
    }
    assert not described(BARE | {"deployments": [deployment]}).steady_state


def test_the_deployment_configuration_is_kept_whole() -> None:
    configuration = {"maximumPercent": 200, "deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    state = described(BARE | {"deploymentConfiguration": configuration})
    assert state.deployment_configuration == configuration


def test_only_the_last_events_are_kept() -> None:
    events = [{"id": str(n), "message": f"event {n}"} for n in range(9)]
    assert described(BARE | {"events": events}).last_events == ("event 0", "event 1", "event 2")


def test_a_redeploy_gives_the_id_of_the_new_primary() -> None:
    ecs = create_service()
    services = EcsServices(ecs, lambda: ecs)
    before = services.describe(WORKER)
    new = services.redeploy(WORKER)
    after = services.describe(WORKER)
    assert before is not None and before.primary is not None and before.primary.id != new
    assert after is not None and after.primary is not None and after.primary.id == new


def test_a_redeploy_names_no_revision_so_that_it_cannot_bring_back_an_old_one() -> None:
    ecs = client("ecs")
    deployment = {
        "id": "ecs-svc/2",
        "status": "PRIMARY",
        "taskDefinition": "x",
        "desiredCount": 0,
        "runningCount": 0,
    }
    with Stubber(ecs) as stub:
        stub.add_response(
            "update_service",
            {"service": BARE | {"deployments": [deployment]}},
            {"cluster": CLUSTER, "service": WORKER.name, "forceNewDeployment": True},
        )
        assert EcsServices(client("ecs"), lambda: ecs).redeploy(WORKER) == "ecs-svc/2"


def test_a_revision_that_was_deregistered_is_refused_with_ecs_own_words() -> None:
    ecs = client("ecs")
    with Stubber(ecs) as stub:
        stub.add_client_error("update_service", "ClientException", "TaskDefinition is inactive")
        with pytest.raises(AwsRefused, match="TaskDefinition is inactive"):
            EcsServices(client("ecs"), lambda: ecs).redeploy(WORKER)


def test_a_throttled_redeploy_is_unavailable() -> None:
    ecs = client("ecs")
    with Stubber(ecs) as stub:
        stub.add_client_error("update_service", "ThrottlingException", "Rate exceeded")
        with pytest.raises(AwsUnavailable):
            EcsServices(client("ecs"), lambda: ecs).redeploy(WORKER)


def test_the_client_that_sends_once_is_made_when_something_is_sent() -> None:
    ecs, made = create_service(), []

    def once() -> Any:
        made.append("ecs")
        return ecs

    services = EcsServices(ecs, once)
    services.describe(WORKER)
    assert made == []
    services.redeploy(WORKER)
    assert made == ["ecs"]


def test_tasks_of_a_deployment_are_asked_for_by_startedby_alone() -> None:
    ecs = client("ecs")
    arns = [f"arn:aws:ecs:us-east-1:123456789012:task/{CLUSTER}/{task}" for task in ("aa", "bb")]
    with Stubber(ecs) as stub:
        asked = {"cluster": CLUSTER, "startedBy": "ecs-svc/2"}
        stub.add_response("list_tasks", {"taskArns": arns[:1], "nextToken": "more"}, asked)
        stub.add_response("list_tasks", {"taskArns": arns[1:]}, asked | {"nextToken": "more"})
        assert EcsServices(ecs).task_ids(WORKER, "ecs-svc/2") == ("aa", "bb")


def test_without_a_deployment_the_services_tasks_are_asked_for() -> None:
    ecs = client("ecs")
    with Stubber(ecs) as stub:
        stub.add_response("list_tasks", {"taskArns": []}, {"cluster": CLUSTER, "serviceName": WORKER.name})
        assert EcsServices(ecs).task_ids(WORKER, None) == ()


def test_a_task_definition_has_its_role_and_where_it_logs() -> None:
    definition = EcsServices(create_service()).task_definition(BARE["taskDefinition"])
    assert (definition.arn, definition.task_role) == (BARE["taskDefinition"], OLD_ROLE)
    assert definition.logs == (ROUTE,)


def test_a_task_definition_without_roles_has_none() -> None:
    ecs = client("ecs")
    definition = EcsServices(ecs).task_definition(register(ecs, taskRoleArn=""))
    assert (definition.task_role, definition.execution_role) == (None, None)


def test_a_task_definition_has_the_execution_role_that_every_deployment_passes() -> None:
    ecs = client("ecs")
    arn = register(ecs, executionRoleArn=EXECUTION_ROLE)
    assert EcsServices(ecs).task_definition(arn).execution_role == EXECUTION_ROLE


GROUP, PREFIX = {"awslogs-group": "/ecs/x"}, {"awslogs-stream-prefix": "ecs"}


@pytest.mark.parametrize(
    ("logging", "routes"),
    [
        ({"logDriver": "awslogs", "options": {**GROUP, **PREFIX}}, (LogRoute("/ecs/x", "ecs/app"),)),
        ({"logDriver": "awslogs", "options": GROUP}, ()),
        ({"logDriver": "awslogs", "options": PREFIX}, ()),
        ({"logDriver": "awsfirelens", "options": {**GROUP, **PREFIX}}, ()),
        ({"logDriver": "awslogs"}, ()),
        (None, ()),
    ],
)
def test_only_awslogs_with_group_and_prefix_is_a_route(logging: Any, routes: tuple[LogRoute, ...]) -> None:
    ecs = client("ecs")
    assert EcsServices(ecs).task_definition(register(ecs, container("app", logging))).logs == routes


def test_a_route_of_another_region_is_said_apart() -> None:
    """ECS developer guide, awslogs log driver: awslogs-region."""
    ecs = client("ecs")

    def logging(region: str) -> Any:
        options = {
            "awslogs-group": f"/ecs/{region}",
            "awslogs-region": region,
            "awslogs-stream-prefix": "ecs",
        }
        return {"logDriver": "awslogs", "options": options}

    here, there = (container(f"at-{region}", logging(region)) for region in ("us-east-1", "eu-west-1"))
    definition = EcsServices(ecs).task_definition(register(ecs, here, there))
    assert definition.logs == (LogRoute("/ecs/us-east-1", "ecs/at-us-east-1"),)
    assert definition.elsewhere == ("/ecs/eu-west-1 of at-eu-west-1 (eu-west-1)",)


def test_a_policy_is_no_task_definition() -> None:
    with pytest.raises(AwsRefused):
        EcsServices(client("ecs")).task_definition(RECEIVE)


def test_a_task_knows_what_it_is_of() -> None:
    ecs = create_service()
    with Stubber(ecs) as stub:
        stub.add_response("describe_tasks", {"tasks": [{"group": "service:retainwise-worker"}]})
        assert EcsServices(ecs).task_group(CLUSTER, "t") == "service:retainwise-worker"


def test_a_task_or_a_cluster_that_is_not_known_is_none() -> None:
    ecs = create_service()
    with Stubber(ecs) as stub:
        stub.add_response("describe_tasks", {"tasks": [], "failures": [{"reason": "MISSING"}]})
        stub.add_client_error("describe_tasks", "ClusterNotFoundException", http_status_code=400)
        assert [EcsServices(ecs).task_group(CLUSTER, "t") for _ in range(2)] == [None, None]


def test_a_stopped_task_says_which_deployment_started_it_and_why_it_stopped() -> None:
    ecs, prefix = client("ecs"), f"arn:aws:ecs:us-east-1:123456789012:task/{CLUSTER}"
    asked = {"cluster": CLUSTER, "serviceName": WORKER.name, "desiredStatus": "STOPPED"}
    reason = "Essential container in task exited"
    moment = datetime(2025, 11, 11, 21, 50, tzinfo=UTC)
    crashed = {
        "taskArn": f"{prefix}/a",
        "startedBy": "ecs-svc/7",
        "stoppedReason": reason,
        "stoppedAt": moment,
        "stopCode": "EssentialContainerExited",
        "taskDefinitionArn": DEFINITION,
    }
    with Stubber(ecs) as stub:
        stub.add_response("list_tasks", {"taskArns": [f"{prefix}/{name}" for name in "ab"]}, asked)
        answer = {
            "tasks": [crashed | {"containers": [{"exitCode": 1}, {}]}],
            "failures": [{"arn": f"{prefix}/b", "reason": "MISSING"}],
        }
        stub.add_response("describe_tasks", answer, {"cluster": CLUSTER, "tasks": ["a", "b"]})
        (task,) = EcsServices(ecs).stopped_tasks(WORKER)
    stopped_at = "2025-11-11T21:50:00.000Z"
    code = "EssentialContainerExited"
    assert task == StoppedTask("a", "ecs-svc/7", f"{reason} (exit code 1)", stopped_at, code, DEFINITION)


def test_stopped_tasks_are_described_by_hundreds_and_a_thousand_at_most() -> None:
    ecs, prefix = client("ecs"), f"arn:aws:ecs:us-east-1:123456789012:task/{CLUSTER}"
    with Stubber(ecs) as stub:
        stub.add_response("list_tasks", {"taskArns": [f"{prefix}/{number}" for number in range(1_001)]})
        for first in range(0, 1_000, 100):
            ids = [str(number) for number in range(first, first + 100)]
            stub.add_response("describe_tasks", {"tasks": []}, {"cluster": CLUSTER, "tasks": ids})
        assert EcsServices(ecs).stopped_tasks(WORKER) == ()
        stub.assert_no_pending_responses()


def test_every_service_of_a_cluster_is_known_with_what_it_runs() -> None:
    ecs = create_service()
    second = register(ecs, family="reports")
    for number in range(11):  # more than DescribeServices takes
        ecs.create_service(
            cluster=CLUSTER, serviceName=f"reports-{number}", taskDefinition=second, desiredCount=1
        )
    running = EcsServices(ecs).running_in(CLUSTER)
    assert running[WORKER] == (BARE["taskDefinition"],)
    assert running[Service(CLUSTER, "reports-10")] == (second,) and len(running) == 12


def test_services_are_listed_to_the_last_page_and_described_by_tens() -> None:
    ecs = client("ecs")
    arns = [f"{BARE['serviceArn']}-{number}" for number in range(12)]
    with Stubber(ecs) as stub:
        asked = {"cluster": CLUSTER, "maxResults": 100}
        stub.add_response("list_services", {"serviceArns": arns[:11], "nextToken": "more"}, asked)
        stub.add_response("list_services", {"serviceArns": arns[11:]}, asked | {"nextToken": "more"})
        for few in (arns[:10], arns[10:]):
            answer = {"services": [], "failures": [{"arn": arn, "reason": "MISSING"} for arn in few]}
            stub.add_response("describe_services", answer, {"cluster": CLUSTER, "services": few})
        assert EcsServices(ecs).running_in(CLUSTER) == {}
        stub.assert_no_pending_responses()


def test_a_service_runs_what_its_deployments_and_its_task_sets_run() -> None:
    ecs = client("ecs")
    deployments = [{"taskDefinition": "b"}, {"taskDefinition": "a"}]
    external = {"serviceName": "external", "taskSets": [{"taskDefinition": "c"}]}
    services = [{"serviceName": "rolling", "taskDefinition": "a", "deployments": deployments}, external]
    with Stubber(ecs) as stub:
        stub.add_response("list_services", {"serviceArns": ["x", "y"]})
        stub.add_response("describe_services", {"services": services})
        assert EcsServices(ecs).running_in(CLUSTER) == {
            Service(CLUSTER, "rolling"): ("a", "b"),
            Service(CLUSTER, "external"): ("c",),
        }


def test_nothing_runs_in_a_cluster_that_is_not_known() -> None:
    assert EcsServices(client("ecs")).running_in("nowhere") == {}


def test_services_that_may_not_be_listed_are_refused() -> None:
    ecs = client("ecs")
    with Stubber(ecs) as stub:
        stub.add_client_error("list_services", "AccessDeniedException")
        with pytest.raises(AwsRefused):
            EcsServices(ecs).running_in(CLUSTER)


def test_of_the_tasks_that_streams_are_named_after_those_of_the_service_are_its_own() -> None:
    """A task of another service of the cluster, and one that there never was, are not."""
    ecs, prefix = client("ecs"), f"arn:aws:ecs:us-east-1:123456789012:task/{CLUSTER}"
    ours, theirs, forged = (digit * 32 for digit in "abc")
    answer = {
        "tasks": [
            {"taskArn": f"{prefix}/{ours}", "group": f"service:{WORKER.name}"},
            {"taskArn": f"{prefix}/{theirs}", "group": f"service:{WORKER.name}-2"},
        ],
        "failures": [{"arn": f"{prefix}/{forged}", "reason": "MISSING"}],
    }
    with Stubber(ecs) as stub:
        stub.add_response("describe_tasks", answer, {"cluster": CLUSTER, "tasks": [ours, theirs, forged]})
        found = EcsServices(ecs).own_tasks(WORKER, frozenset({ours, theirs, forged}))
    assert found == {ours}


def test_what_is_no_id_of_a_task_is_not_asked_for() -> None:
    """One such id would have the whole call refused (InvalidParameterException)."""
    ecs, ours = client("ecs"), "0f9c2f1d-7f3f-4c5e-8a6b-0f9c2f1d7f3f"
    with Stubber(ecs) as stub:
        stub.add_response("describe_tasks", {"tasks": []}, {"cluster": CLUSTER, "tasks": [ours]})
        services = EcsServices(ecs)
        assert services.own_tasks(WORKER, frozenset({ours, "x", "A" * 32, "", "../" + "a" * 32})) == set()
        assert services.own_tasks(WORKER, frozenset({"x"})) == set()
        stub.assert_no_pending_responses()


def test_of_more_than_a_hundred_the_services_tasks_are_listed() -> None:
    ecs, prefix = client("ecs"), f"arn:aws:ecs:us-east-1:123456789012:task/{CLUSTER}"
    ids = [f"{number:032x}" for number in range(101)]
    with Stubber(ecs) as stub:
        stub.add_response("list_tasks", {"taskArns": [f"{prefix}/{ids[0]}", f"{prefix}/{'f' * 32}"]})
        stub.add_response("list_tasks", {"taskArns": [f"{prefix}/{ids[1]}"]})
        assert EcsServices(ecs).own_tasks(WORKER, frozenset(ids)) == {ids[0], ids[1]}
        stub.assert_no_pending_responses()
