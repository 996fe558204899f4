"""How many requests an account may send: token buckets of its operations, on simulated time.

A bucket holds so many tokens, each request takes one, and so many come back a second; a request that finds
none is refused. The numbers are those of this account's Region, us-east-1, from:

- ECS: developer guide, "Request throttling for the Amazon ECS API".
- CloudWatch Logs: user guide, "CloudWatch Logs quotas". It gives requests a second; one second's are held.
- Step Functions: "Limits Related to API Action Throttling", as awsdocs/aws-step-functions-developer-guide has
  it (doc_source/limits.md). The guide says that the numbers may grow, and they have.
- CloudTrail: API reference, LookupEvents.
- IAM: AWS publishes none. AWS Support said that it has such buckets, and several that may apply to a request
  (hashicorp/terraform-provider-aws#44853); requests were refused to whoever attached or read in a loop
  (#7945 there, gruntwork-io/cloud-nuke#371). The numbers here are modest guesses.

The administrator, who builds this account and watches it, takes no token. Requests take no time here, so what
a function sends between two waits of its SDK is sent in one moment, which is harder than AWS.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Family(NamedTuple):
    """Operations that share a bucket, the tokens that it holds, and those that come back each second."""

    service: str
    operations: str
    size: float
    rate: float


FAMILIES = (
    Family("ecs", "CreateService DeleteService UpdateService", 50, 5),
    Family("ecs", "DescribeServices ListServices", 100, 20),
    Family("ecs", "RegisterTaskDefinition DeregisterTaskDefinition", 20, 1),
    Family("ecs", "DescribeTaskDefinition ListTaskDefinitions ListTaskDefinitionFamilies", 50, 20),
    Family("ecs", "DescribeTasks ListTasks DescribeContainerInstances ListContainerInstances", 100, 20),
    Family("ecs", "RunTask StartTask StopTask ExecuteCommand", 100, 40),
    Family("ecs", "DescribeClusters ListClusters", 50, 20),
    Family("ecs", "TagResource UntagResource", 20, 10),
    Family("ecs", "ListTagsForResource", 50, 20),
    Family("ecs", "DeleteTaskDefinitions", 5, 1),
    Family("logs", "FilterLogEvents", 25, 25),
    Family("logs", "GetLogEvents", 25, 25),
    Family("logs", "DescribeLogStreams", 25, 25),
    Family("states", "StartExecution", 1_000, 200),
    Family("states", "DescribeExecution", 200, 2),
    Family("states", "GetExecutionHistory", 250, 5),
    Family("cloudtrail", "LookupEvents", 2, 2),
    Family("iam", "AttachRolePolicy DetachRolePolicy PutRolePolicy DeleteRolePolicy", 20, 5),
    Family("iam", "GetRole GetRolePolicy ListRolePolicies ListAttachedRolePolicies", 60, 15),
    Family("iam", "GetPolicy GetPolicyVersion ListPolicyVersions GetAccountSummary", 60, 15),
)


@dataclass
class _Bucket:
    size: float
    rate: float
    level: float
    chance: random.Random
    at: float = 0

    def take(self, at: float) -> bool:
        if at > self.at:
            self.level = min(self.size, self.level + (at - self.at) * self.rate)
            self.at = at
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Rates:
    """`now` gives simulated seconds. What is drawn by chance is the same for one `seed`."""

    def __init__(self, now: Callable[[], float], seed: int) -> None:
        self.others: float = 0
        """For each token that comes back, how many requests others in this account send: above 1 every bucket
        is empty, and who gets the next token is chance."""
        self._now = now
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        for family in FAMILIES:
            chance = random.Random(f"{seed} {family.service} {family.operations}")
            bucket = _Bucket(family.size, family.rate, family.size, chance)
            self._buckets.update(
                dict.fromkeys(((family.service, o) for o in family.operations.split()), bucket)
            )

    def lift(self) -> None:
        """Every request finds a token from now on: while a clock stands still none comes back."""
        self._buckets.clear()

    def take(self, service: str, operation: str) -> bool:
        """Whether the request finds a token. For an operation of no family there always is one."""
        bucket = self._buckets.get((service, operation))
        if bucket is None:
            return True
        if self.others > 1:
            bucket.level, bucket.at = 0, self._now()
            return bucket.chance.random() < 1 / self.others
        return bucket.take(self._now())
