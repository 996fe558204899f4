"""The account of the incident, as a story begins in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.account import LocalAccount
from sandbox.scenarios.seeds import empty, retainwise, retainwise_account

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_multi_constructor("!", lambda loader, suffix, node: suffix)


@pytest.fixture
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        retainwise_account.create(account)
        account.clock.run_for(150)
        yield account


def client(account: LocalAccount, service: str) -> Any:
    return account.client(service)


def attached(account: LocalAccount, role: str) -> list[str]:
    policies = client(account, "iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return [policy["PolicyName"] for policy in policies]


def test_both_services_run_settled_on_the_old_role(account: LocalAccount) -> None:
    ecs = client(account, "ecs")
    names = [retainwise.BACKEND, retainwise.WORKER]
    services = ecs.describe_services(cluster=retainwise.CLUSTER, services=names)["services"]
    for service, desired in zip(services, (1, 2), strict=True):
        definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        assert definition["taskRoleArn"].endswith(f"role/{retainwise.OLD_ROLE}")
        assert (service["launchType"], service["runningCount"]) == ("FARGATE", desired)
        assert [d["rolloutState"] for d in service["deployments"]] == ["COMPLETED"]


def test_the_right_roles_have_the_policies_that_the_old_one_lacks(account: LocalAccount) -> None:
    assert attached(account, retainwise.OLD_ROLE) == []
    assert attached(account, retainwise.BACKEND_ROLE) == [retainwise.SEND]
    assert attached(account, retainwise.WORKER_ROLE) == [retainwise.RECEIVE]


def test_the_catalogue_names_role_policy_and_health(account: LocalAccount) -> None:
    ssm = client(account, "ssm")
    name = f"/regrant/services/{retainwise.CLUSTER}/{retainwise.WORKER}"
    entry = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    assert entry["task_role"].endswith(f"role/{retainwise.WORKER_ROLE}")
    assert entry["policies"] == ["arn:aws:iam::123456789012:policy/retainwise/prod-retainwise-sqs-worker"]
    assert entry["health"]["success"] == "Successfully received"
    assert entry["health"]["dead_letter_queue"].endswith(":prod-retainwise-predictions-queue-dlq")


def test_the_alarms_of_both_services_go_off(account: LocalAccount) -> None:
    alarms = client(account, "cloudwatch").describe_alarms(AlarmNamePrefix="regrant/")["MetricAlarms"]
    assert {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms} == {
        "regrant/retainwise-cluster/retainwise-backend": "ALARM",
        "regrant/retainwise-cluster/retainwise-worker": "ALARM",
    }


def test_the_queue_gives_up_after_three_receives(account: LocalAccount) -> None:
    sqs = client(account, "sqs")
    url = sqs.get_queue_url(QueueName=retainwise.QUEUE)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(f":{retainwise.DEAD_LETTER_QUEUE}")
    assert (int(redrive["maxReceiveCount"]), attributes["VisibilityTimeout"]) == (3, "30")


def test_what_a_terraform_provider_compares_is_shown_as_aws_shows_it(account: LocalAccount) -> None:
    """A blank in a text, or an attribute that is missing, would be a change of every plan."""
    sqs = client(account, "sqs")
    shown = {}
    for queue in (retainwise.QUEUE, retainwise.DEAD_LETTER_QUEUE):
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        shown[queue] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert [each["MaximumMessageSize"] for each in shown.values()] == ["262144", "262144"]
    queue_arn = f"arn:aws:sqs:us-east-1:123456789012:{retainwise.DEAD_LETTER_QUEUE}"
    redrive = f'{{"deadLetterTargetArn":"{queue_arn}","maxReceiveCount":3}}'
    assert shown[retainwise.QUEUE]["RedrivePolicy"] == redrive
    services = client(account, "ecs").describe_services(
        cluster=retainwise.CLUSTER, services=[retainwise.BACKEND, retainwise.WORKER]
    )["services"]
    assert {each["availabilityZoneRebalancing"] for each in services} == {"DISABLED"}


def test_with_the_model_missing_only_the_worker_is_denied() -> None:
    with LocalAccount() as account:
        retainwise_account.create(account, variant="model-missing")
        account.clock.run_for(150)
        alarms = client(account, "cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
        assert [alarm["AlarmName"] for alarm in alarms] == ["regrant/retainwise-cluster/retainwise-worker"]


def role(account: LocalAccount, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client(account, "iam").get_role(RoleName=name)["Role"]
    return found


def test_an_explicit_deny_stands_in_the_way_of_what_the_role_lacks() -> None:
    with LocalAccount() as account:
        retainwise_account.create(account, variant="explicit-deny")
        assert attached(account, retainwise.OLD_ROLE) == []
        document = client(account, "iam").get_role_policy(
            RoleName=retainwise.OLD_ROLE, PolicyName="incident-2025-10-freeze"
        )["PolicyDocument"]
        (statement,) = document["Statement"]
        assert (statement["Effect"], statement["Action"]) == ("Deny", "sqs:*")
        assert statement["Resource"].endswith(f":{retainwise.QUEUE}")


def test_a_boundary_leaves_out_what_the_policies_allow() -> None:
    with LocalAccount() as account:
        retainwise_account.create(account, variant="boundary")
        assert attached(account, retainwise.OLD_ROLE) == [retainwise.SEND, retainwise.RECEIVE]
        boundary = role(account, retainwise.OLD_ROLE)["PermissionsBoundary"]["PermissionsBoundaryArn"]
        assert boundary.endswith(":policy/retainwise/retainwise-boundary")
        version = client(account, "iam").get_policy_version(PolicyArn=boundary, VersionId="v1")
        statements = version["PolicyVersion"]["Document"]["Statement"]
        assert [statement["Action"] for statement in statements] == ["s3:*", "dynamodb:*"]


def test_the_queue_reader_trusts_the_old_role_and_may_do_nothing() -> None:
    with LocalAccount() as account:
        retainwise_account.create(account, variant="other-principal")
        reader = role(account, retainwise.QUEUE_READER_ROLE)
        (statement,) = reader["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"AWS": role(account, retainwise.OLD_ROLE)["Arn"]}
        inline = client(account, "iam").list_role_policies(RoleName=retainwise.QUEUE_READER_ROLE)
        assert (attached(account, retainwise.QUEUE_READER_ROLE), inline["PolicyNames"]) == ([], [])


def test_with_the_table_lost_only_the_worker_is_left_on_the_old_role() -> None:
    with LocalAccount() as account:
        retainwise_account.create(account, variant="table-lost")
        assert attached(account, retainwise.OLD_ROLE) == [retainwise.SEND, retainwise.RECEIVE]
        data = client(account, "iam").get_role_policy(
            RoleName=retainwise.OLD_ROLE, PolicyName="retainwise-data"
        )["PolicyDocument"]
        assert "dynamodb" not in json.dumps(data)
        definitions = {
            name: client(account, "ecs").describe_task_definition(taskDefinition=name)["taskDefinition"]
            for name in (retainwise.BACKEND, retainwise.WORKER)
        }
        roles = {name: found["taskRoleArn"].rpartition("/")[2] for name, found in definitions.items()}
        assert roles == {
            retainwise.BACKEND: retainwise.BACKEND_ROLE,
            retainwise.WORKER: retainwise.OLD_ROLE,
        }


def test_a_storm_is_in_the_log_before_the_alarm_goes_off() -> None:
    with LocalAccount() as account:
        retainwise_account.create(account, variant="storm")
        now = int(account.clock.now().timestamp() * 1000)
        events = [
            event
            for page in client(account, "logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=f"/ecs/{retainwise.WORKER}",
                logStreamNamePrefix="ecs/worker/",
                filterPattern='"is not authorized to perform"',
            )
            for event in page["events"]
        ]
        assert len({event["message"] for event in events}) == 100_000
        streams = {event["logStreamName"] for event in events}
        assert len(streams) == 8
        ecs, known = client(account, "ecs"), [stream.rpartition("/")[2] for stream in streams]
        tasks = ecs.describe_tasks(cluster=retainwise.CLUSTER, tasks=known)["tasks"]
        assert {(task["lastStatus"], task["group"]) for task in tasks} == {
            ("STOPPED", f"service:{retainwise.WORKER}")
        }
        assert now - 300_000 < events[0]["timestamp"] < events[-1]["timestamp"] < now
        batches = [call for call in account.calls if call.operation == "PutLogEvents"]
        assert len(batches) == len([call for call in batches if call.error is None]) < 100


def test_a_variant_that_does_not_exist_is_refused(account: LocalAccount) -> None:
    with pytest.raises(ValueError, match="no such variant: cured"):
        retainwise_account.create(account, variant="cured")


@pytest.mark.parametrize("parameters", [retainwise.PARAMETERS, empty.PARAMETERS])
def test_the_stack_parameters_are_those_of_the_template(parameters: dict[str, str]) -> None:
    known = yaml.load(TEMPLATE.read_text(), _Loader)["Parameters"]
    required = {name for name, parameter in known.items() if "Default" not in parameter}
    assert required <= set(parameters) <= set(known)


def test_the_empty_seed_holds_a_cluster() -> None:
    with LocalAccount() as account:
        empty.create(account)
        clusters = client(account, "ecs").list_clusters()["clusterArns"]
        assert clusters == [empty.PARAMETERS["ManagedClusterArns"]]
