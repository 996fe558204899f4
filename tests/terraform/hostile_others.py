"""Plans that do more to a service, or to anything else, than a change of roles needs."""

from __future__ import annotations

from tests.terraform import recorded as r
from tests.terraform.hostile_definitions import PROVISIONER, gone, idle
from tests.terraform.recorded import BACKEND, NAMED, OLD_ROLE, WORKER, WORKER_SERVICE, Bend, Raw

EVIL = "aws_iam_role.evil"


def swapped(plan: Raw) -> None:
    r.refers(WORKER_SERVICE, f"{BACKEND}.arn", BACKEND)(plan)


def newer(plan: Raw) -> None:
    """After a rolled back apply somebody deployed a third revision; the plan would take it back."""
    r.rolled_back(plan)
    r.before(WORKER_SERVICE, task_definition=f"{NAMED}retainwise-worker:3")(plan)


def other_family(plan: Raw) -> None:
    r.rolled_back(plan)
    r.before(WORKER_SERVICE, task_definition=f"{NAMED}other:1")(plan)


def wrong_known(plan: Raw) -> None:
    r.rolled_back(plan)
    r.after(WORKER_SERVICE, task_definition=f"{NAMED}retainwise-backend:2")(plan)


OTHERS: dict[str, tuple[Bend, str]] = {
    # the service
    "a service deleted": (
        r.change(WORKER_SERVICE, actions=["delete"]),
        "aws_ecs_service.worker: would delete",
    ),
    "a service replaced": (
        r.change(WORKER_SERVICE, actions=["delete", "create"]),
        "aws_ecs_service.worker: would delete/create",
    ),
    "a service forgotten": (
        r.change(WORKER_SERVICE, actions=["forget"]),
        "aws_ecs_service.worker: would forget",
    ),
    "a service scaled to nothing": (r.after(WORKER_SERVICE, desired_count=0), "would change desired_count"),
    "other subnets": (
        r.after(WORKER_SERVICE, network_configuration=[]),
        "would change network_configuration",
    ),
    "no circuit breaker": (
        r.after(WORKER_SERVICE, deployment_circuit_breaker=[{"enable": False, "rollback": False}]),
        "would change deployment_circuit_breaker",
    ),
    "a forced deployment": (
        r.after(WORKER_SERVICE, force_new_deployment=True),
        "would change force_new_deployment",
    ),
    "true in the place of 1": (
        r.both(r.before(WORKER_SERVICE, desired_count=1), r.after(WORKER_SERVICE, desired_count=True)),
        "would change desired_count",
    ),
    "another controller, not known yet": (
        r.unknown(WORKER_SERVICE, deployment_controller=[{"type": True}]),
        "would change deployment_controller",
    ),
    "a shell into the tasks": (
        r.after(WORKER_SERVICE, enable_execute_command=True),
        "would change enable_execute_command",
    ),
    "a service that keeps its revision": (
        idle(WORKER_SERVICE),
        "stays on retainwise-worker:1: does it ignore_changes",
    ),
    "a service that takes its old revision": (
        r.after(WORKER_SERVICE, task_definition=f"{NAMED}retainwise-worker:1"),
        "would take retainwise-worker:1, not the new",
    ),
    "a service that takes any revision": (
        r.after(WORKER_SERVICE, task_definition=f"{NAMED}evil:7"),
        "would take evil:7, not the new",
    ),
    "a service that takes the other's definition": (swapped, "refers to aws_ecs_task_definition.backend.arn"),
    "a service that takes something not named": (
        r.refers(WORKER_SERVICE, "local.revision"),
        "refers to local.revision: name",
    ),
    "a service that takes one of two": (
        r.refers(WORKER_SERVICE, f"{WORKER}.arn", WORKER, f"{BACKEND}.arn"),
        "aws_ecs_task_definition.worker, aws_ecs_task_definition.backend.arn: name aws_ecs",
    ),
    "a service that somebody has deployed since": (
        r.before(WORKER_SERVICE, task_definition=f"{NAMED}retainwise-worker:9"),
        "runs retainwise-worker:9, but retainwise-worker:1 is replaced",
    ),
    "a service of another provider": (
        r.entry(WORKER_SERVICE, provider_name="example.com/evil/aws"),
        "aws_ecs_service.worker: is of another provider",
    ),
    "a command beside a service": (
        r.configured(WORKER_SERVICE, provisioners=PROVISIONER),
        "aws_ecs_service.worker: would run a provisioner",
    ),
    "a service left out": (gone(WORKER_SERVICE), "aws_ecs_service.worker: is neither in the HCL"),
    "a third revision taken back": (newer, "would go from retainwise-worker:3 to retainwise-worker:2"),
    "another family's revision replaced": (other_family, "would go from other:1 to retainwise-worker:2"),
    "the other's revision, known": (wrong_known, "would take retainwise-backend:2, not the revision of"),
    # everything else
    "a role updated": (
        r.both(r.change(OLD_ROLE, actions=["update"]), r.after(OLD_ROLE, path="/x/")),
        "old_task_role: would update (path)",
    ),
    "a role deleted": (r.change(OLD_ROLE, actions=["delete"]), "old_task_role: would delete"),
    "a role that is called unchanged": (
        r.after(OLD_ROLE, assume_role_policy="{}"),
        "is called unchanged, but assume_role_policy differs",
    ),
    "a grant taken off": (
        r.change("aws_iam_role_policy_attachment.worker_sqs", actions=["delete"]),
        "worker_sqs: would delete",
    ),
    "a new resource": (r.another(OLD_ROLE, EVIL, actions=["create"]), "aws_iam_role.evil: would create"),
    "another definition": (
        r.another(WORKER, "aws_ecs_task_definition.other", actions=["delete", "create"]),
        "aws_ecs_task_definition.other: would delete/create",
    ),
    "another service": (
        r.another(WORKER_SERVICE, "aws_ecs_service.other", actions=["update"]),
        "aws_ecs_service.other: would update (task_definition)",
    ),
    "an import": (r.change(OLD_ROLE, importing={"id": "x"}), "old_task_role: would be imported as x"),
    "an import of a definition": (
        r.change(WORKER, importing={"id": "x"}),
        "definition.worker: would be imported as x",
    ),
    "an import that is not known yet": (
        r.change(OLD_ROLE, importing={"unknown": True}),
        "old_task_role: would be imported as None",
    ),
    "a move": (
        r.entry(OLD_ROLE, previous_address="aws_iam_role.x"),
        "old_task_role: would be moved from aws_iam_role.x",
    ),
    "a move of a service": (
        r.entry(WORKER_SERVICE, previous_address="aws_ecs_service.x"),
        "worker: would be moved from aws_ecs_service.x",
    ),
    "data that is read late": (
        r.another(OLD_ROLE, "data.aws_lambda_invocation.x", actions=["read"], mode="data"),
        "data.aws_lambda_invocation.x: would be read during the apply",
    ),
    "not complete": (r.whole(complete=False), "the plan is not complete"),
    "completeness not said": (lambda plan: plan.pop("complete"), "the plan is not complete"),
    "ended in an error": (r.whole(errored=True), "the plan has ended in an error"),
    "something deferred": (
        r.whole(deferred_changes=[{"reason": "x", "resource_change": {"address": "aws_iam_role.x"}}]),
        "aws_iam_role.x: its change is deferred",
    ),
    "an output": (r.whole(output_changes={"x": {"actions": ["create"]}}), "output.x: would create"),
    "a check that fails": (
        r.whole(checks=[{"address": {"to_display": "check.x"}, "status": "fail"}]),
        "check.x: its check says fail",
    ),
    "a check that cannot be made": (
        r.whole(checks=[{"address": {"to_display": "check.x"}, "status": "error"}]),
        "check.x: its check says error",
    ),
    "an action of a later Terraform": (
        r.whole(action_invocations=[{"address": "action.aws_lambda_invoke.x"}]),
        "the plan has action_invocations",
    ),
}
