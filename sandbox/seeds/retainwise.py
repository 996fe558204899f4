"""The incident that Regrant automates: RetainWise's services run with an old task role that lost its SQS
permissions.

Both task definitions name `retainwise-ecs-task-role`; the roles made for them, with the right policies, are
used by nobody. So the backend cannot publish predictions and the worker cannot receive them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import ecs

if TYPE_CHECKING:
    from sandbox.account import LocalAccount

ACCOUNT, REGION = "123456789012", "us-east-1"
CLUSTER = "retainwise-cluster"
BACKEND, WORKER = "retainwise-backend", "retainwise-worker"
OLD_ROLE = "retainwise-ecs-task-role"
BACKEND_ROLE, WORKER_ROLE = "prod-retainwise-backend-task-role", "prod-retainwise-worker-task-role"
EXECUTION_ROLE = "retainwise-ecs-execution-role"
SEND, RECEIVE = "prod-retainwise-sqs-send", "prod-retainwise-sqs-worker"
QUEUE = "prod-retainwise-predictions-queue"
DEAD_LETTER_QUEUE = f"{QUEUE}-dlq"
BUCKET, TABLE = "prod-retainwise-uploads", "prod-retainwise-predictions"
ENROLMENT = Path(__file__).resolve().parents[2] / "enrol" / "service.yaml"


def _policy_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/retainwise/{name}"


def _role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def _queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


PARAMETERS = {
    "ManagedRoleArns": ",".join(map(_role_arn, (OLD_ROLE, BACKEND_ROLE, WORKER_ROLE))),
    "GrantablePolicyArns": ",".join(map(_policy_arn, (SEND, RECEIVE))),
    "ManagedClusterArns": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
    "AlarmNamePrefix": "regrant/",
    "NotifyEmail": "",
}
"""Parameters of template.yaml for this account."""

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
DATA_ACCESS = [
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{BUCKET}/*"},
    {
        "Effect": "Allow",
        "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Scan"],
        "Resource": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}",
    },
]


def create(
    account: LocalAccount,
    *,
    variant: str = "broken",
    upload_seconds: int = 15,
    poll_seconds: int = 10,
) -> None:
    """Variants: `broken`, where both services lost SQS; `model-missing`, where only the worker is denied, and
    where its image lacks the model, so that no grant makes it work."""
    if variant not in ("broken", "model-missing"):
        raise ValueError(f"no such variant: {variant}")
    queue_url = _data(account)
    _roles(account)
    if variant == "model-missing":
        _client(account, "iam").attach_role_policy(RoleName=OLD_ROLE, PolicyArn=_policy_arn(SEND))
    shared = {"QUEUE_URL": queue_url, "PREDICTIONS_TABLE": TABLE}
    uploads = {"UPLOADS_BUCKET": BUCKET, "UPLOAD_SECONDS": str(upload_seconds)}
    model = {"MODEL_PATH": "/srv/models/churn-2025-11.json"} if variant == "model-missing" else {}
    _client(account, "ecs").create_cluster(clusterName=CLUSTER)
    _service(account, BACKEND, 1, shared | uploads)
    _service(account, WORKER, 2, shared | {"POLL_SECONDS": str(poll_seconds)} | model)
    # The backend does not answer for the queue: it fills for as long as the worker is broken.
    _enrol(account, BACKEND, BACKEND_ROLE, SEND, "Successfully published", {})
    queues = {"QueueArn": _queue_arn(QUEUE), "DeadLetterQueueArn": _queue_arn(DEAD_LETTER_QUEUE)}
    _enrol(account, WORKER, WORKER_ROLE, RECEIVE, "Successfully received", queues)


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
    sqs.create_queue(QueueName=DEAD_LETTER_QUEUE)
    redrive = {"deadLetterTargetArn": _queue_arn(DEAD_LETTER_QUEUE), "maxReceiveCount": 3}
    attributes = {"VisibilityTimeout": "30", "RedrivePolicy": json.dumps(redrive)}
    url: str = sqs.create_queue(QueueName=QUEUE, Attributes=attributes)["QueueUrl"]
    return url


def _roles(account: LocalAccount) -> None:
    iam = _client(account, "iam")
    for policy, actions in ACTIONS.items():
        statement = {"Effect": "Allow", "Action": actions, "Resource": _queue_arn(QUEUE)}
        iam.create_policy(PolicyName=policy, Path="/retainwise/", PolicyDocument=_document(statement))
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    for role in (OLD_ROLE, BACKEND_ROLE, WORKER_ROLE, EXECUTION_ROLE):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=_document(trust))
    for role in (OLD_ROLE, BACKEND_ROLE, WORKER_ROLE):
        iam.put_role_policy(
            RoleName=role, PolicyName="retainwise-data", PolicyDocument=_document(*DATA_ACCESS)
        )
    iam.attach_role_policy(RoleName=BACKEND_ROLE, PolicyArn=_policy_arn(SEND))
    iam.attach_role_policy(RoleName=WORKER_ROLE, PolicyArn=_policy_arn(RECEIVE))
    logs = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
    iam.put_role_policy(RoleName=EXECUTION_ROLE, PolicyName="logs", PolicyDocument=_document(logs))


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _service(account: LocalAccount, name: str, desired: int, environment: dict[str, str]) -> None:
    """A service that has been running for a while."""
    client = _client(account, "ecs")
    group = f"/ecs/{name}"
    _client(account, "logs").create_log_group(logGroupName=group)
    container = {
        "name": name.removeprefix("retainwise-"),
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}:2025.11",
        "essential": True,
        "command": ["python", "-m", f"sandbox.workloads.{name.removeprefix('retainwise-')}"],
        "environment": [{"name": key, "value": value} for key, value in environment.items()],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": group, "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"},
        },
    }
    definition = client.register_task_definition(
        family=name,
        taskRoleArn=_role_arn(OLD_ROLE),
        executionRoleArn=_role_arn(EXECUTION_ROLE),
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[container],
    )["taskDefinition"]
    network = _client(account, "ec2").describe_subnets()["Subnets"]
    with ecs.of(account).settled():
        client.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=definition["taskDefinitionArn"],
            desiredCount=desired,
            launchType="FARGATE",
            platformVersion="1.4.0",
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": [network[0]["SubnetId"]], "securityGroups": []}
            },
            deploymentConfiguration={
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "maximumPercent": 200,
                "minimumHealthyPercent": 100,
            },
        )


def _enrol(
    account: LocalAccount, service: str, role: str, policy: str, success: str, queues: dict[str, str]
) -> None:
    """The stack that a user deploys for each service: catalogue entry, metric filter, alarm."""
    account.deploy(
        ENROLMENT,
        {
            "Cluster": CLUSTER,
            "Service": service,
            "TaskRoleArn": _role_arn(role),
            "PolicyArns": _policy_arn(policy),
            "LogGroupName": f"/ecs/{service}",
            "SuccessText": success,
            **queues,
        },
        stack=f"regrant-{service}",
    )
