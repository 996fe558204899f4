"""What a run reads before its grant is read side by side: the reads meet, which reads in turn cannot."""

from __future__ import annotations

from threading import Barrier
from typing import Any

from msgspec.structs import replace

from regrant.aws.roles import IamRoles
from tests.unit.cure import CURE, LATER, granted
from tests.unit.fakes import OLD_ROLE, RECEIVE, SEND, World, diagnosed
from tests.unit.run import Run, contain

PATIENCE = 10  # seconds until a barrier that nobody else comes to breaks


def meet(barrier: Barrier, thing: Any, *methods: str, times: int = 1) -> None:
    """Each of the thing's methods waits, so often, until as many calls are under way as the barrier asks
    for."""
    for name in methods:
        method, left = getattr(thing, name), [None] * times

        def waiting(*args: Any, method: Any = method, left: list[None] = left) -> Any:
            if left:
                left.pop()
                barrier.wait(PATIENCE)
            return method(*args)

        setattr(thing, name, waiting)


def test_diagnose_reads_the_service_and_what_the_owner_allowed_at_the_same_time() -> None:
    world, barrier = World(), Barrier(2)
    meet(barrier, world.services, "describe")
    meet(barrier, world.allowed, "read_with_entry")
    assert Run(world).diagnose().next == "CHANGE"


def test_then_it_reads_role_holds_log_and_queues_at_the_same_time() -> None:
    world, barrier = World(), Barrier(5)
    meet(barrier, world.roles, "permissions")
    meet(barrier, world.holds, "of")
    meet(barrier, world.logs, "search")
    meet(barrier, world.queues, "find", times=2)  # of two queues
    assert Run(world).diagnose().next == "CHANGE"


def test_a_cure_reads_both_roles_their_holds_and_the_revision_at_the_same_time() -> None:
    world, barrier = granted(), Barrier(6)
    meet(barrier, world.roles, "read", times=2)
    meet(barrier, world.holds, "of", times=2)
    meet(barrier, world.revisions, "execution_role", "status")
    assert Run(world, CURE).diagnose(LATER).next == "CHANGE"


def test_the_baseline_reads_attachments_and_service_at_the_same_time() -> None:
    world, barrier = World(), Barrier(2)
    meet(barrier, world.roles, "attached")
    meet(barrier, world.services, "describe")
    assert Run(world, diagnosis=diagnosed()).capture().sha256


def test_a_baseline_that_is_read_whole_reads_everything_at_the_same_time() -> None:
    world, barrier = World(), Barrier(7)
    meet(barrier, world.roles, "read", "read_policies")
    meet(barrier, world.catalogue, "entry")
    meet(barrier, world.holds, "of")
    meet(barrier, world.services, "describe")
    meet(barrier, world.queues, "find", times=2)
    run = Run(world, diagnosis=replace(diagnosed(), next="ASK"))
    run.approve()
    assert run.capture().sha256


def test_the_end_of_a_grant_is_scheduled_while_the_attachments_are_read() -> None:
    world, barrier = World(), Barrier(2)
    run = Run(world, diagnosis=diagnosed())
    run.capture()
    meet(barrier, world.schedules, "put")
    meet(barrier, world.roles, "attached")
    assert run.attach().attached == (RECEIVE,)


def test_a_withdrawal_reads_the_catalogue_and_what_the_owner_allowed_at_the_same_time() -> None:
    world, barrier = granted(), Barrier(2)
    run = Run(world, CURE)
    run.diagnose(LATER)
    run.capture(LATER + 1)
    run.redeploy(LATER + 2)
    meet(barrier, world.catalogue, "entries")
    meet(barrier, world.allowed, "read")
    assert run.withdraw(LATER + 300).removed == (RECEIVE,)


def test_the_receipt_reads_role_service_and_holds_at_the_same_time() -> None:
    world, barrier = World(), Barrier(3)
    run = contain(world)
    run.undo()
    meet(barrier, world.roles, "read")
    meet(barrier, world.services, "describe")
    meet(barrier, world.holds, "of")
    assert run.confirm().equal


class Iam:
    """IAM for a role with one inline policy, one attached and one declared: four reads come first, then
    the two documents that were not known of."""

    def __init__(self) -> None:
        self.first, self.second = Barrier(4), Barrier(2)

    def get_role(self, RoleName: str) -> dict[str, Any]:  # noqa: N803  boto3's names
        self.first.wait(PATIENCE)
        return {"Role": {"Arn": OLD_ROLE, "RoleId": "AROA", "AssumeRolePolicyDocument": {}}}

    def get_paginator(self, operation: str) -> Iam:
        return self

    def paginate(self, **query: str) -> list[dict[str, Any]]:
        self.first.wait(PATIENCE)
        return [{"AttachedPolicies": [{"PolicyArn": SEND}], "PolicyNames": ["data"]}]

    def get_policy(self, PolicyArn: str) -> dict[str, Any]:  # noqa: N803
        (self.first if PolicyArn == RECEIVE else self.second).wait(PATIENCE)
        return {"Policy": {"PolicyId": "ANPA", "DefaultVersionId": "v1"}}

    def get_policy_version(self, PolicyArn: str, VersionId: str) -> dict[str, Any]:  # noqa: N803
        return {"PolicyVersion": {"Document": {"Statement": []}}}

    def get_role_policy(self, RoleName: str, PolicyName: str) -> dict[str, Any]:  # noqa: N803
        self.second.wait(PATIENCE)
        return {"PolicyDocument": {"Statement": []}}


def test_a_roles_policies_and_the_declared_ones_are_read_at_the_same_time() -> None:
    read = IamRoles(Iam()).permissions(OLD_ROLE, (RECEIVE,))
    assert [policy.arn for policy in (*read.identity, *read.declared)] == [SEND, "data", RECEIVE]
