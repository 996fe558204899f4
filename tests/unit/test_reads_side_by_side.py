"""What a run reads before its grant is read side by side: the reads meet, which reads in turn cannot."""

from __future__ import annotations

from threading import Barrier
from typing import Any

from regrant.aws.roles import IamRoles
from regrant.baseline.capture import capture
from regrant.diagnosis.diagnose import diagnose
from tests.unit.fakes import INCIDENT_OF_WORKER, OLD_ROLE, RECEIVE, SEND, SETTINGS, World, at, diagnosed

PATIENCE = 10  # seconds until a barrier that nobody else comes to breaks


def meet(barrier: Barrier, thing: Any, *methods: str) -> None:
    """Each of the thing's methods waits until as many reads are under way as the barrier asks for."""
    for name in methods:
        method = getattr(thing, name)

        def waiting(*args: Any, method: Any = method) -> Any:
            barrier.wait(PATIENCE)
            return method(*args)

        setattr(thing, name, waiting)


def test_diagnose_reads_role_log_and_queues_at_the_same_time() -> None:
    world, barrier = World(), Barrier(5)
    meet(barrier, world.roles, "permissions")
    meet(barrier, world.logs, "search")  # of what is recent and of what is not
    meet(barrier, world.queues, "exists")  # of two queues
    found = diagnose(
        INCIDENT_OF_WORKER,
        world.services,
        world.roles,
        world.logs,
        world.queues,
        world.holds,
        SETTINGS,
        at(1),
    )
    assert found.decision == "CONTAIN"


def test_the_baseline_reads_role_service_and_queues_at_the_same_time() -> None:
    world, barrier = World(), Barrier(4)
    meet(barrier, world.roles, "read")
    meet(barrier, world.services, "describe")
    meet(barrier, world.queues, "depth")  # of two queues
    mark = capture(
        INCIDENT_OF_WORKER,
        diagnosed(world.roles.role),
        world.services,
        world.roles,
        world.queues,
        world.holds,
        world.journal,
        at(2),
    )
    assert mark.sha256


class Iam:
    """IAM for a role with one inline policy, one attached and one declared: five reads come first, then
    the two documents that were not known of."""

    def __init__(self) -> None:
        self.first, self.second = Barrier(5), Barrier(2)

    def get_role(self, RoleName: str) -> dict[str, Any]:  # noqa: N803  boto3's names
        self.first.wait(PATIENCE)
        return {"Role": {"Arn": OLD_ROLE, "AssumeRolePolicyDocument": {}}}

    def get_paginator(self, operation: str) -> Iam:
        return self

    def paginate(self, **query: str) -> list[dict[str, Any]]:
        self.first.wait(PATIENCE)
        return [{"AttachedPolicies": [{"PolicyArn": SEND}], "PolicyNames": ["data"]}]

    def get_account_summary(self) -> dict[str, Any]:
        self.first.wait(PATIENCE)
        return {"SummaryMap": {"AttachedPoliciesPerRoleQuota": 10}}

    def get_policy(self, PolicyArn: str) -> dict[str, Any]:  # noqa: N803
        (self.first if PolicyArn == RECEIVE else self.second).wait(PATIENCE)
        return {"Policy": {"DefaultVersionId": "v1"}}

    def get_policy_version(self, PolicyArn: str, VersionId: str) -> dict[str, Any]:  # noqa: N803
        return {"PolicyVersion": {"Document": {"Statement": []}}}

    def get_role_policy(self, RoleName: str, PolicyName: str) -> dict[str, Any]:  # noqa: N803
        self.second.wait(PATIENCE)
        return {"PolicyDocument": {"Statement": []}}


def test_a_roles_policies_and_the_declared_ones_are_read_at_the_same_time() -> None:
    read = IamRoles(Iam()).permissions(OLD_ROLE, (RECEIVE,))
    assert [policy.arn for policy in (*read.identity, *read.declared)] == [SEND, "data", RECEIVE]
