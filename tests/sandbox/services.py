"""A cluster with one Fargate service, for the stories about ECS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.account import LocalAccount

CLUSTER, SERVICE, GROUP, ROLE = "shop", "orders", "/ecs/orders", "orders-task-role"
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


class Shop:
    """`account` with a cluster, a task role and a log group in it."""

    def __init__(self, account: LocalAccount) -> None:
        self.account = account
        self.ecs = self.client("ecs")
        self.ecs.create_cluster(clusterName=CLUSTER)
        self.subnet = self.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        self.role_arn = self.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=document)[
            "Role"
        ]["Arn"]
        self.client("logs").create_log_group(logGroupName=GROUP)

    def client(self, service: str) -> Any:
        return self.account.client(service)

    def register(self, image: str = "shop/orders:1", **environment: str) -> str:
        """A revision whose container hangs, unless the environment says otherwise. Returns its ARN."""
        arn: str = self.ecs.register_task_definition(
            family=SERVICE,
            taskRoleArn=self.role_arn,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": "app",
                    "image": image,
                    "command": ["python", "-m", "sandbox.workloads.worker"],
                    "environment": [
                        {"name": k, "value": v} for k, v in ({"HANG": "1"} | environment).items()
                    ],
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": GROUP,
                            "awslogs-region": "us-east-1",
                            "awslogs-stream-prefix": "ecs",
                        },
                    },
                }
            ],
        )["taskDefinition"]["taskDefinitionArn"]
        return arn

    def create(self, *, settled: bool = True, desired: int = 2, **parameters: Any) -> dict[str, Any]:
        if not parameters.get("taskDefinition"):
            parameters["taskDefinition"] = self.register()
        parameters.setdefault("deploymentConfiguration", BREAKER)
        with self.account.ecs.settled() if settled else _as_it_is():
            made: dict[str, Any] = self.ecs.create_service(
                cluster=CLUSTER,
                serviceName=SERVICE,
                desiredCount=desired,
                launchType="FARGATE",
                networkConfiguration={
                    "awsvpcConfiguration": {"subnets": [self.subnet], "securityGroups": []}
                },
                **parameters,
            )["service"]
        return made

    def update(self, **parameters: Any) -> dict[str, Any]:
        service: dict[str, Any] = self.ecs.update_service(cluster=CLUSTER, service=SERVICE, **parameters)[
            "service"
        ]
        return service

    def describe(self) -> dict[str, Any]:
        service: dict[str, Any] = self.ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][
            0
        ]
        return service

    def shown(self) -> list[tuple[str, str, int]]:
        """(status, rolloutState, runningCount) of each deployment."""
        return [(d["status"], d["rolloutState"], d["runningCount"]) for d in self.describe()["deployments"]]

    def messages(self) -> list[str]:
        return [event["message"].removeprefix(f"(service {SERVICE}) ") for event in self.describe()["events"]]

    def tasks(self, **filters: Any) -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster=CLUSTER, **filters)["taskArns"]
        if not arns:
            return []
        found: list[dict[str, Any]] = self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
        return found

    def wait(self, seconds: float) -> None:
        self.account.clock.run_for(seconds)

    def settle(self) -> float:
        """Waits till the PRIMARY is COMPLETED; simulated seconds that it took."""
        began = self.account.clock.elapsed()
        assert self.account.clock.run(lambda: self.shown()[0][1] == "COMPLETED", 3600)
        return self.account.clock.elapsed() - began

    def until(self, state: str, limit: float = 3600) -> bool:
        return self.account.clock.run(lambda: self.shown()[0][1] == state, limit)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield
