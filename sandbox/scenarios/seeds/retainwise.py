"""The incident that Regrant automates: RetainWise's services run with an old task role that lost its SQS
permissions.

Both task definitions name `retainwise-ecs-task-role`; the roles made for them, with the right policies, are
used by nobody. So the backend cannot publish predictions and the worker cannot receive them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.scenarios import approver

if TYPE_CHECKING:
    pass

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


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


PARAMETERS = {
    "ManagedRoleArns": ",".join(map(role_arn, (OLD_ROLE, BACKEND_ROLE, WORKER_ROLE))),
    "GrantablePolicyArns": ",".join(map(policy_arn, (SEND, RECEIVE))),
    "ExecutionRoleArns": role_arn(EXECUTION_ROLE),
    "ManagedClusterArns": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
    "AlarmNamePrefix": "regrant/",
    "NotifyEmail": "",
    "ApproverArns": role_arn(approver.ROLE),
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


def statement(effect: str, actions: str | list[str], resource: str = "*") -> dict[str, Any]:
    return {"Effect": effect, "Action": actions, "Resource": resource}


FILES = statement("Allow", ["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{BUCKET}/*")
PREDICTIONS = statement(
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
        inline={DATA: DATA_ACCESS, FREEZE: [statement("Deny", "sqs:*", queue_arn(QUEUE))]}
    ),
    # Both have it, and the boundary of the role they share does not.
    "boundary": Variant(
        attached=(SEND, RECEIVE), boundary=[statement("Allow", "s3:*"), statement("Allow", "dynamodb:*")]
    ),
    # The worker reads the queue as another role, and that one may not.
    "other-principal": Variant(
        attached=(SEND,),
        inline={
            DATA: DATA_ACCESS,
            "assume-queue-reader": [statement("Allow", "sts:AssumeRole", role_arn(QUEUE_READER_ROLE))],
        },
        worker={"QUEUE_ROLE_ARN": role_arn(QUEUE_READER_ROLE)},
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
