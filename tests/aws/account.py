"""The seed's account in moto, as far as the adapters and the handlers read it."""

from __future__ import annotations

import json
from typing import Any

import boto3
import msgspec
from moto.iam.models import iam_backends

from regrant.aws.allowed import EMPTY
from regrant.model.catalogue import CatalogueEntry
from regrant.settings import Allowed
from tests.unit.fakes import (
    ACCOUNT,
    ALLOWED,
    CLUSTER,
    DEAD_LETTERS,
    DOCUMENTS,
    ENTRY,
    OLD_ROLE,
    POLICY_IDS,
    QUEUE,
    RECEIVE,
    REGION,
    ROLE,
    ROUTE,
    SETTINGS,
    WORKER,
    WORKER_ROLE,
)

_session = boto3.Session("testing", "testing", "testing", REGION)
TABLE = SETTINGS.journal_table
# Where the template puts the owner's lists.
ALLOWED_PREFIX = "/regrant/allowed/regrant/"
ROLE_NAME = OLD_ROLE.rsplit("/", 1)[-1]
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "JOURNAL_TABLE": TABLE,
    "STATE_MACHINE_ARN": SETTINGS.state_machine,
    "TOPIC_ARN": SETTINGS.topic,
    "ALLOWED_PREFIX": ALLOWED_PREFIX,
    "SCHEDULE_GROUP": SETTINGS.schedule_group,
    "EXPIRY_WINDOW": "always",
    "REQUIRE_APPROVAL": "none",
    "SCHEDULE_ROLE_ARN": SETTINGS.schedule_role,
    "ALARM_NAME_PREFIX": SETTINGS.alarm_prefix,
    "ALARM_RULE": SETTINGS.alarm_rule,
    "APPROVERS": SETTINGS.approvers,
    "CATALOGUE_PREFIX": SETTINGS.catalogue_prefix,
    "STATE_BUCKET": "retainwise-terraform-state",
    "STATE_KEY": "prod/terraform.tfstate",
    "STATE_LOCK_TABLE": "retainwise-terraform-locks",
    "BUILD_PROJECT": "regrant-handover",
    "WORK_BUCKET": "regrant-work",
    "POWERTOOLS_SERVICE_NAME": "regrant",
    "POWERTOOLS_METRICS_NAMESPACE": "Regrant",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}


def client(service: str) -> Any:
    """A new one. All come from one session, which has read the service's description by the second time."""
    return _session.client(service)


def create_journal() -> Any:
    dynamodb = client("dynamodb")
    keys = ("incident", "HASH"), ("entry", "RANGE")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb


def create_topic() -> Any:
    sns = client("sns")
    assert sns.create_topic(Name=SETTINGS.topic.rsplit(":", 1)[-1])["TopicArn"] == SETTINGS.topic
    return sns


def create_role() -> Any:
    """The old role with its inline policy, and the policies that may be granted."""
    iam = client("iam")
    trust = json.dumps(ROLE.trust)
    tags = [{"Key": key, "Value": value} for key, value in ROLE.tags.items()]
    iam.create_role(RoleName=ROLE_NAME, AssumeRolePolicyDocument=trust, Tags=tags)
    for name, document in ROLE.inline.items():
        iam.put_role_policy(RoleName=ROLE_NAME, PolicyName=name, PolicyDocument=json.dumps(document))
    for arn in sorted(ALLOWED.policies):
        create_policy(iam, arn.rsplit("/", 1)[-1])
    _have_ids_of_events()
    return iam


def _have_ids_of_events() -> None:
    """moto's own are random."""
    backend = iam_backends[ACCOUNT]["aws"]
    role = backend.get_role(ROLE_NAME)
    backend.roles[ROLE.id] = backend.roles.pop(role.id)
    role.id = ROLE.id
    for arn in ALLOWED.policies:
        backend.managed_policies[arn].id = POLICY_IDS[arn]


def create_policy(iam: Any, name: str) -> str:
    """That of the seed, if it has one of that name."""
    arn = f"arn:aws:iam::{ACCOUNT}:policy/retainwise/{name}"
    document = DOCUMENTS.get(arn, DOCUMENTS[RECEIVE])
    iam.create_policy(PolicyName=name, Path="/retainwise/", PolicyDocument=json.dumps(document))
    return arn


def create_new_role() -> Any:
    """The role that the catalogue declares, with its policy."""
    iam = client("iam")
    name = WORKER_ROLE.rpartition("/")[2]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(ROLE.trust))
    iam.attach_role_policy(RoleName=name, PolicyArn=RECEIVE)
    return iam


def create_schedules() -> Any:
    scheduler = client("scheduler")
    scheduler.create_schedule_group(Name=SETTINGS.schedule_group)
    return scheduler


def create_service(**changed: Any) -> Any:
    """The worker, on revision 1, with its log group. `changed` goes to CreateService."""
    ecs = client("ecs")
    ecs.create_cluster(clusterName=CLUSTER)
    register(ecs)
    ecs.create_service(
        **{
            "cluster": CLUSTER,
            "serviceName": WORKER.name,
            "taskDefinition": f"{WORKER.name}:1",
            "desiredCount": 2,
        }
        | changed
    )
    client("logs").create_log_group(logGroupName=ROUTE.group)
    return ecs


def register(ecs: Any, *containers: dict[str, Any], **changed: Any) -> str:
    options = {"awslogs-group": ROUTE.group, "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"}
    worker = container("worker", {"logDriver": "awslogs", "options": options})
    answer = ecs.register_task_definition(
        **{
            "family": WORKER.name,
            "taskRoleArn": OLD_ROLE,
            "containerDefinitions": list(containers) or [worker],
        }
        | changed
    )
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def container(name: str, logging: dict[str, Any] | None) -> dict[str, Any]:
    shape: dict[str, Any] = {"name": name, "image": "worker", "memory": 256, "essential": True}
    return shape | ({"logConfiguration": logging} if logging else {})


def create_queues() -> Any:
    sqs = client("sqs")
    for arn in (QUEUE, DEAD_LETTERS):
        sqs.create_queue(QueueName=arn.rsplit(":", 1)[-1])
    return sqs


def enrol(entry: CatalogueEntry = ENTRY) -> Any:
    ssm = client("ssm")
    ssm.put_parameter(
        Name=f"/regrant/services/{WORKER}", Type="String", Value=json.dumps(msgspec.to_builtins(entry))
    )
    return ssm


def create_lists(allowed: Allowed = ALLOWED) -> Any:
    """The owner's lists, as the template makes them."""
    ssm = client("ssm")
    for name, arns in msgspec.to_builtins(allowed).items():
        text = ",".join(sorted(arns)) or EMPTY
        ssm.put_parameter(Name=ALLOWED_PREFIX + name, Type="StringList", Value=text, Overwrite=True)
    return ssm
