"""The account of the incident, made: data, roles, services and enrolments, with what is wrong in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from sandbox.scenarios import approver
from sandbox.scenarios.seeds import storm
from sandbox.scenarios.seeds.retainwise import (
    ACCOUNT,
    ACTIONS,
    BACKEND,
    BACKEND_ROLE,
    BOUNDARY,
    BUCKET,
    CLUSTER,
    DEAD_LETTER_QUEUE,
    ENROLMENT,
    EXECUTION_ROLE,
    OLD_ROLE,
    QUEUE,
    QUEUE_BYTES,
    QUEUE_READER_ROLE,
    RECEIVE,
    REGION,
    SECOND_WORKER,
    SEND,
    SUBNET,
    TABLE,
    VARIANTS,
    WORKER,
    WORKER_ROLE,
    Role,
    Variant,
    policy_arn,
    queue_arn,
    role_arn,
    statement,
)

if TYPE_CHECKING:
    from sandbox.account import LocalAccount


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
    more |= {"QueueArn": queue_arn(QUEUE), "DeadLetterQueueArn": queue_arn(DEAD_LETTER_QUEUE)}
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
            queue=queue_arn(QUEUE),
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
    redrive = {"deadLetterTargetArn": queue_arn(DEAD_LETTER_QUEUE), "maxReceiveCount": 3}
    attributes = {
        "VisibilityTimeout": "30",
        "MaximumMessageSize": QUEUE_BYTES,
        "RedrivePolicy": json.dumps(redrive),
    }
    url: str = sqs.create_queue(QueueName=QUEUE, Attributes=attributes)["QueueUrl"]
    return url


def _subnet(account: LocalAccount) -> None:
    from moto.ec2.models import subnets  # takes a second, for which a list of scenarios need not wait

    ec2 = _client(account, "ec2")
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    with patch.object(subnets, "random_subnet_id", lambda: SUBNET):
        ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="172.31.128.0/20")


def _roles(account: LocalAccount, variant: Variant) -> None:
    iam = _client(account, "iam")
    for policy, actions in ACTIONS.items():
        allowed = statement("Allow", actions, queue_arn(QUEUE))
        iam.create_policy(PolicyName=policy, Path="/retainwise/", PolicyDocument=_document(allowed))
    logs = [statement("Allow", ["logs:CreateLogStream", "logs:PutLogEvents"])]
    _service_role(account, OLD_ROLE, Role(variant.attached, variant.inline))
    _service_role(account, BACKEND_ROLE, Role((SEND,)))
    _service_role(account, WORKER_ROLE, variant.worker_role)
    _service_role(account, EXECUTION_ROLE, Role((), {"logs": logs}))
    approver.create(account)
    if "QUEUE_ROLE_ARN" in variant.worker:
        _role(account, QUEUE_READER_ROLE, {"AWS": role_arn(OLD_ROLE)}, (), {})
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
    new = client.register_task_definition(**copy | {"taskRoleArn": role_arn(WORKER_ROLE)})
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
        taskRoleArn=role_arn(role),
        executionRoleArn=role_arn(EXECUTION_ROLE),
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
            "TaskRoleArn": role_arn(role),
            "PolicyArns": policy_arn(policy),
            "LogGroupName": f"/ecs/{service}",
            "SuccessText": success,
            **more,
        },
        stack=f"regrant-{service}",
    )
