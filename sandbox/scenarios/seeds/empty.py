"""An account with nothing in it but a cluster, for those who bring their own services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.account import LocalAccount


CLUSTER = "demo-cluster"
PARAMETERS = {
    "ManagedRoleArns": "arn:aws:iam::123456789012:role/demo-task-role",
    "GrantablePolicyArns": "arn:aws:iam::123456789012:policy/demo-policy",
    "ManagedClusterArns": f"arn:aws:ecs:us-east-1:123456789012:cluster/{CLUSTER}",
    "AlarmNamePrefix": "regrant/",
    "NotifyEmail": "",
}


def create(account: LocalAccount) -> None:
    ecs: Any = account.client("ecs")
    ecs.create_cluster(clusterName=CLUSTER)
