"""The incident that Regrant automates: RetainWise's services run with an old task role that lost its SQS
permissions.

Both task definitions name `retainwise-ecs-task-role`; the roles made for them, with the right policies, are
used by nobody. So the backend cannot publish predictions and the worker cannot receive them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from moto.ec2.models import subnets

from sandbox.scenarios import approver
from sandbox.scenarios.seeds import storm

if TYPE_CHECKING:
    from sandbox.account import LocalAccount

ACCOUNT, REGION = "123456789012", "us-east-1"
CLUSTER = "retainwise-cluster"
BACKEND, WORKER = "retainwise-backend", "retainwise-worker"
SECOND_WORKER = "retainwise-worker-premium"
OLD_ROLE = "retainwise-ecs-task-role"
BACKEND_ROLE, WORKER_ROLE = "prod-retainwise-backend-task-role", "prod-retainwise-worker-task-role"
EXECUTION_ROLE = "retainwise-ecs-execution-role"
QUEUE_READER_ROLE = "retainwise-queue-reader"
BOUNDARY, FREEZE, DATA = "retainwise-boundary", "incident-2025-10-freeze", "retainwise-data"
SEND, RECEIVE = "prod-retainwise-sqs-send", "prod-retainwise-sqs-worker"
QUEUE = "prod-retainwise-predictions-queue"
DEAD_LETTER_QUEUE = f"{QUEUE}-dlq"
SUBNET = "subnet-0189734441f381dcf"
"""The tasks' subnet. Its id is always the same, since the HCL beside this file names it, too."""
QUEUE_BYTES = "262144"
"""The largest message of a queue that was made before August 2025 (API reference, SetQueueAttributes)."""
BUCKET, TABLE = "prod-retainwise-uploads", "prod-retainwise-predictions"
STATE = "arn:aws:s3:::retainwise-terraform-state/prod/terraform.tfstate"
"""Where the owner's Terraform has its state, as far as a test puts one there."""
ENROLMENT = Path(__file__).resolve().parents[3] / "enrol" / "service.yaml"


def policy_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/retainwise/{name}"


def _role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def _queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


PARAMETERS = {
    "ManagedRoleArns": ",".join(map(_role_arn, (OLD_ROLE, BACKEND_ROLE, WORKER_ROLE))),
    "GrantablePolicyArns": ",".join(map(policy_arn, (SEND, RECEIVE))),
    "ExecutionRoleArns": _role_arn(EXECUTION_ROLE),
    "ManagedClusterArns": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
    "AlarmNamePrefix": "regrant/",
    "NotifyEmail": "",
    "ApproverArns": _role_arn(approver.ROLE),
    "TerraformStateObjectArns": STATE,
}
"""Parameters of template.yaml for this account."""
ABOUT = "two ECS services that run with an old role, which lost its SQS permissions"

ACTIONS = {
    SEND: ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"],
    RECEIVE: [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueUrl",
        "sqs:GetQueueAttributes",
    ],
}


def _statement(effect: str, actions: str | list[str], resource: str = "*") -> dict[str, Any]:
    return {"Effect": effect, "Action": actions, "Resource": resource}


FILES = _statement("Allow", ["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{BUCKET}/*")
PREDICTIONS = _statement(
    "Allow",
    ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Scan"],
    f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}",
)
DATA_ACCESS = [FILES, PREDICTIONS]


@dataclass(frozen=True)
class Role:
    """Who may assume a role, and its policies, `attached` by name, `inline` as statements."""

    attached: tuple[str, ...] = ()
    inline: Mapping[str, list[dict[str, Any]]] = field(default_factory=lambda: {DATA: DATA_ACCESS})
    trusts: str = "ecs-tasks.amazonaws.com"


@dataclass(frozen=True)
class Variant:
    """What is wrong in the account. Policies are the old role's: `attached` by name, `inline` as statements,
    `boundary` as those of a customer managed policy.

    backend_role: what the backend runs with. worker_role: the role that the worker is to run with, and does
    not yet. worker: variables of the worker's container. second_worker: whether there is one more service
    that takes predictions from the queue. storm: denials that are in the worker's log already.
    """

    attached: tuple[str, ...] = ()
    inline: Mapping[str, list[dict[str, Any]]] = field(default_factory=lambda: {DATA: DATA_ACCESS})
    boundary: list[dict[str, Any]] | None = None
    backend_role: str = OLD_ROLE
    worker_role: Role = field(default_factory=lambda: Role((RECEIVE,)))
    worker: Mapping[str, str] = field(default_factory=dict)
    second_worker: bool = False
    storm: int = 0


VARIANTS = {
    # Both services lost SQS.
    "broken": Variant(),
    # Only the worker did.
    "worker-lost": Variant(attached=(SEND,)),
    # Only the worker did, and its own role was made for EC2, without the queue's policy.
    "new-role-broken": Variant(attached=(SEND,), worker_role=Role(trusts="ec2.amazonaws.com")),
    # Only the worker did, and nobody thought of the table for its own role.
    "new-role-short": Variant(attached=(SEND,), worker_role=Role((RECEIVE,), {DATA: [FILES]})),
    # Two services of workers did, on the role that they share.
    "two-workers": Variant(attached=(SEND,), second_worker=True),
    # Only the worker did, and its image lacks the model, so that no grant makes it work.
    "model-missing": Variant(attached=(SEND,), worker={"MODEL_PATH": "/srv/models/churn-2025-11.json"}),
    # Both did, and a Deny that was left from another incident defeats any grant.
    "explicit-deny": Variant(
        inline={DATA: DATA_ACCESS, FREEZE: [_statement("Deny", "sqs:*", _queue_arn(QUEUE))]}
    ),
    # Both have it, and the boundary of the role they share does not.
    "boundary": Variant(
        attached=(SEND, RECEIVE), boundary=[_statement("Allow", "s3:*"), _statement("Allow", "dynamodb:*")]
    ),
    # The worker reads the queue as another role, and that one may not.
    "other-principal": Variant(
        attached=(SEND,),
        inline={
            DATA: DATA_ACCESS,
            "assume-queue-reader": [_statement("Allow", "sts:AssumeRole", _role_arn(QUEUE_READER_ROLE))],
        },
        worker={"QUEUE_ROLE_ARN": _role_arn(QUEUE_READER_ROLE)},
    ),
    # What the worker lost is the table, which is no matter of its catalogue entry. The backend has moved on.
    "table-lost": Variant(attached=(SEND, RECEIVE), inline={DATA: [FILES]}, backend_role=BACKEND_ROLE),
    # Nobody lost anything, but the worker's own role lacks the queue's policy.
    "new-role-denied": Variant(
        attached=(SEND, RECEIVE), worker_role=Role(), worker={"FAILURES_TO_EXIT": "4"}
    ),
    # Only the worker lost SQS, and has been trying again without a pause.
    "storm": Variant(attached=(SEND,), storm=100_000),
}


def create(
    account: LocalAccount,
    *,
    variant: str = "broken",
    upload_seconds: int = 15,
    poll_seconds: int = 10,
    redeploy: str = "if-needed",
) -> None:
    """The account of one of VARIANTS, running. redeploy: what the enrolments say of it."""
    if variant not in VARIANTS:
        raise ValueError(f"no such variant: {variant}")
    chosen = VARIANTS[variant]
    queue_url = _data(account)
    _roles(account, chosen)
    shared = {"QUEUE_URL": queue_url, "PREDICTIONS_TABLE": TABLE}
    uploads = {"UPLOADS_BUCKET": BUCKET, "UPLOAD_SECONDS": str(upload_seconds)}
    _client(account, "ecs").create_cluster(clusterName=CLUSTER)
    _subnet(account)
    _service(account, BACKEND, "backend", 1, chosen.backend_role, shared | uploads)
    polling = shared | {"POLL_SECONDS": str(poll_seconds), **chosen.worker}
    _service(account, WORKER, "worker", 2, OLD_ROLE, polling)
    # The backend does not answer for the queue: it fills for as long as the worker is broken.
    more = {"Redeploy": redeploy}
    _enrol(account, BACKEND, BACKEND_ROLE, SEND, "Successfully published", more)
    more |= {"QueueArn": _queue_arn(QUEUE), "DeadLetterQueueArn": _queue_arn(DEAD_LETTER_QUEUE)}
    _enrol(account, WORKER, WORKER_ROLE, RECEIVE, "Successfully received", more)
    if chosen.second_worker:
        _service(account, SECOND_WORKER, "worker", 1, OLD_ROLE, polling)
        _enrol(account, SECOND_WORKER, WORKER_ROLE, RECEIVE, "Successfully received", more)
    if chosen.storm:
        # After the metric filter, which does not look back.
        storm.write(
            account,
            chosen.storm,
            group=f"/ecs/{WORKER}",
            prefix="ecs/worker",
            role=OLD_ROLE,
            queue=_queue_arn(QUEUE),
            service=WORKER,
        )


def _client(account: LocalAccount, service: str) -> Any:
    return account.client(service)


def _data(account: LocalAccount) -> str:
    _client(account, "s3").create_bucket(Bucket=BUCKET)
    _client(account, "dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "prediction_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "prediction_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    sqs = _client(account, "sqs")
    sqs.create_queue(QueueName=DEAD_LETTER_QUEUE, Attributes={"MaximumMessageSize": QUEUE_BYTES})
    redrive = {"deadLetterTargetArn": _queue_arn(DEAD_LETTER_QUEUE), "maxReceiveCount": 3}
    attributes = {
        "VisibilityTimeout": "30",
        "MaximumMessageSize": QUEUE_BYTES,
        "RedrivePolicy": json.dumps(redrive),
    }
    url: str = sqs.create_queue(QueueName=QUEUE, Attributes=attributes)["QueueUrl"]
    return url


def _subnet(account: LocalAccount) -> None:
    ec2 = _client(account, "ec2")
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    with patch.object(subnets, "random_subnet_id", lambda: SUBNET):
        ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="172.31.128.0/20")


def _roles(account: LocalAccount, variant: Variant) -> None:
    iam = _client(account, "iam")
    for policy, actions in ACTIONS.items():
        statement = _statement("Allow", actions, _queue_arn(QUEUE))
        iam.create_policy(PolicyName=policy, Path="/retainwise/", PolicyDocument=_document(statement))
    logs = [_statement("Allow", ["logs:CreateLogStream", "logs:PutLogEvents"])]
    _service_role(account, OLD_ROLE, Role(variant.attached, variant.inline))
    _service_role(account, BACKEND_ROLE, Role((SEND,)))
    _service_role(account, WORKER_ROLE, variant.worker_role)
    _service_role(account, EXECUTION_ROLE, Role((), {"logs": logs}))
    approver.create(account)
    if "QUEUE_ROLE_ARN" in variant.worker:
        _role(account, QUEUE_READER_ROLE, {"AWS": _role_arn(OLD_ROLE)}, (), {})
    if variant.boundary:
        iam.create_policy(
            PolicyName=BOUNDARY, Path="/retainwise/", PolicyDocument=_document(*variant.boundary)
        )
        iam.put_role_permissions_boundary(RoleName=OLD_ROLE, PermissionsBoundary=policy_arn(BOUNDARY))


def _service_role(account: LocalAccount, name: str, role: Role) -> None:
    _role(account, name, {"Service": role.trusts}, role.attached, role.inline)


def _role(
    account: LocalAccount,
    name: str,
    trusted: dict[str, str],
    attached: tuple[str, ...],
    inline: Mapping[str, list[dict[str, Any]]],
) -> None:
    iam = _client(account, "iam")
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))
    for policy, statements in inline.items():
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=_document(*statements))
    for policy in attached:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy_arn(policy))


def move_worker(account: LocalAccount) -> None:
    """As a colleague's Terraform does: a revision with the worker's own role, and the service on that."""
    client = _client(account, "ecs")
    old = client.describe_task_definition(taskDefinition=WORKER)["taskDefinition"]
    taken = client.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    copy = {name: value for name, value in old.items() if name in taken}
    new = client.register_task_definition(**copy | {"taskRoleArn": _role_arn(WORKER_ROLE)})
    client.update_service(
        cluster=CLUSTER, service=WORKER, taskDefinition=new["taskDefinition"]["taskDefinitionArn"]
    )


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _service(
    account: LocalAccount, name: str, workload: str, desired: int, role: str, environment: dict[str, str]
) -> None:
    """A service that has been running for a while."""
    client = _client(account, "ecs")
    group = f"/ecs/{name}"
    _client(account, "logs").create_log_group(logGroupName=group)
    container = {
        "name": name.removeprefix("retainwise-"),
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}:2025.11",
        "essential": True,
        "command": ["python", "-m", f"sandbox.workloads.{workload}"],
        "environment": [{"name": key, "value": value} for key, value in environment.items()],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": group, "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"},
        },
    }
    definition = client.register_task_definition(
        family=name,
        taskRoleArn=_role_arn(role),
        executionRoleArn=_role_arn(EXECUTION_ROLE),
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[container],
    )["taskDefinition"]
    with account.settled():
        client.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=definition["taskDefinitionArn"],
            desiredCount=desired,
            launchType="FARGATE",
            platformVersion="1.4.0",
            networkConfiguration={"awsvpcConfiguration": {"subnets": [SUBNET], "securityGroups": []}},
            # As a service that is older than the default ENABLED.
            availabilityZoneRebalancing="DISABLED",
            deploymentConfiguration={
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "maximumPercent": 200,
                "minimumHealthyPercent": 100,
            },
        )


def _enrol(
    account: LocalAccount, service: str, role: str, policy: str, success: str, more: dict[str, str]
) -> None:
    """The stack that a user deploys for each service: catalogue entry, metric filter, alarm."""
    account.deploy(
        ENROLMENT,
        {
            "Cluster": CLUSTER,
            "Service": service,
            "TaskRoleArn": _role_arn(role),
            "PolicyArns": policy_arn(policy),
            "LogGroupName": f"/ecs/{service}",
            "SuccessText": success,
            **more,
        },
        stack=f"regrant-{service}",
    )
