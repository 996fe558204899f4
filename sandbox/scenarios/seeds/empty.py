"""An account with nothing in it but a cluster, for those who bring their own services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.scenarios import approver

if TYPE_CHECKING:
    from sandbox.account import LocalAccount


CLUSTER = "demo-cluster"
PARAMETERS = {
    "ManagedRoleArns": "arn:aws:iam::123456789012:role/demo-task-role",
    "GrantablePolicyArns": "arn:aws:iam::123456789012:policy/demo-policy",
    "ManagedClusterArns": f"arn:aws:ecs:us-east-1:123456789012:cluster/{CLUSTER}",
    "AlarmNamePrefix": "regrant/",
    "NotifyEmail": "",
    "ApproverArns": f"arn:aws:iam::123456789012:role/{approver.ROLE}",
}


ABOUT = "the runbook and an empty cluster; the role and the policy in its lists are yours to make"


def create(account: LocalAccount, cluster_arns: str = PARAMETERS["ManagedClusterArns"]) -> None:
    """With those clusters (ARNs with commas between them), and somebody who may approve."""
    approver.create(account)
    ecs: Any = account.client("ecs")
    for arn in cluster_arns.split(","):
        ecs.create_cluster(clusterName=arn.strip().rpartition("/")[2])
