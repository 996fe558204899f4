"""Plans that do more to a task definition than give it its declared role, and what is said of each."""

from __future__ import annotations

import copy
import json

from tests.terraform import recorded as r
from tests.terraform.recorded import BACKEND, NAMED, ROLE, WORKER, WORKER_SERVICE, Bend, Raw

PROVISIONER = [{"type": "local-exec", "expressions": {"command": {"constant_value": "curl evil"}}}]


def two_containers(plan: Raw) -> None:
    values = r.at(plan, WORKER)["change"]["after"]
    values["container_definitions"] = json.dumps(json.loads(values["container_definitions"]) * 2)


def no_containers(plan: Raw) -> None:
    r.at(plan, WORKER)["change"]["after"].pop("container_definitions")


def left_over(plan: Raw) -> None:
    resource = copy.deepcopy(r.at(plan, WORKER))
    resource["change"]["actions"] = ["delete"]
    plan["resource_changes"].append({**resource, "deposed": "0a1b2c3d"})


def gone(address: str) -> Bend:
    return lambda plan: plan["resource_changes"].remove(r.at(plan, address))


def idle(address: str) -> Bend:
    return lambda plan: r.as_it_runs(plan, address)


def unset_skip(plan: Raw) -> None:
    r.before(WORKER, skip_destroy=None)(plan)
    r.after(WORKER, skip_destroy=None)(plan)


DEFINITIONS: dict[str, tuple[Bend, str]] = {
    # the role
    "the role of another": (
        r.after(WORKER, task_role_arn=f"{ROLE}admin"),
        "its role would be arn:aws:iam::123456789012:role/admin",
    ),
    "no role": (r.after(WORKER, task_role_arn=None), "its role would be none"),
    "the old role again": (
        r.after(WORKER, task_role_arn=f"{ROLE}retainwise-ecs-task-role"),
        "role/retainwise-ecs-task-role, declared is",
    ),
    "a role that is not known yet": (
        r.unknown(WORKER, task_role_arn=True),
        "none, or one that is not known yet",
    ),
    "the other service's role": (
        r.after(WORKER, task_role_arn=r.ROLES[BACKEND]),
        "prod-retainwise-backend-task-role, declared is",
    ),
    # what a definition says besides
    "another execution role": (
        r.after(WORKER, execution_role_arn=f"{ROLE}admin"),
        "worker: would change execution_role_arn",
    ),
    "another image": (r.container(WORKER, image="evil"), "worker: would change container_definitions"),
    "another command": (r.container(WORKER, command=["sh"]), "worker: would change container_definitions"),
    "an empty word in the command": (
        r.container(WORKER, command=["python", "-m", "sandbox.workloads.worker", ""]),
        "worker: would change container_definitions",
    ),
    "a privileged container": (
        r.container(WORKER, privileged=True),
        "worker: would change container_definitions",
    ),
    "a container that may die": (
        r.container(WORKER, essential=False),
        "worker: would change container_definitions",
    ),
    "a container that may not die any more": (
        r.container(WORKER, "before", essential=False),
        "worker: would change container_definitions",
    ),
    "a variable more": (
        r.container(WORKER, environment=[{"name": "X", "value": "1"}]),
        "worker: would change container_definitions",
    ),
    "a secret": (
        r.container(WORKER, secrets=[{"name": "X", "valueFrom": "y"}]),
        "worker: would change container_definitions",
    ),
    "a mount": (
        r.container(WORKER, mountPoints=[{"sourceVolume": "x"}]),
        "worker: would change container_definitions",
    ),
    "another port of the host": (
        r.both(
            r.container(WORKER, "before", portMappings=[{"containerPort": 80, "hostPort": 80}]),
            r.container(WORKER, portMappings=[{"containerPort": 80, "hostPort": 81}]),
        ),
        "worker: would change container_definitions",
    ),
    "a second container": (two_containers, "worker: would change container_definitions"),
    "no containers": (no_containers, "worker: would change container_definitions"),
    "containers that are no JSON": (
        r.after(WORKER, container_definitions="{"),
        "worker: would change container_definitions",
    ),
    "containers that are not known yet": (
        r.unknown(WORKER, container_definitions=True),
        "its container_definitions is not known",
    ),
    "more CPU": (r.after(WORKER, cpu="4096"), "worker: would change cpu"),
    "another family": (r.after(WORKER, family="x"), "worker: would change family"),
    "a volume": (r.after(WORKER, volume=[{"name": "x"}]), "worker: would change volume"),
    "a volume that is not known yet": (
        r.unknown(WORKER, volume=[{"host_path": True}]),
        "its volume is not known",
    ),
    "the host's processes": (r.after(WORKER, pid_mode="host"), "worker: would change pid_mode"),
    "the host's network": (r.after(WORKER, network_mode="host"), "worker: would change network_mode"),
    "tags": (r.after(WORKER, tags={"a": "b"}), "worker: would change tags"),
    "tags of the provider": (r.after(WORKER, tags_all={"a": "b"}), "worker: would change tags_all"),
    "a revision that is made up": (r.after(WORKER, arn=f"{NAMED}evil:1"), "worker: would change arn"),
    "fault injection": (
        r.after(WORKER, enable_fault_injection=True),
        "worker: would change enable_fault_injection",
    ),
    "an attribute that the gate has never seen": (
        r.after(WORKER, new_argument="x"),
        "worker: would change new_argument",
    ),
    # how it is replaced
    "the old revision deregistered": (
        r.after(WORKER, skip_destroy=False),
        "worker: skip_destroy is not true",
    ),
    "the old revision deregistered, since the state does not know": (
        r.before(WORKER, skip_destroy=False),
        "worker: skip_destroy is not true",
    ),
    "skip_destroy never set": (unset_skip, "worker: skip_destroy is not true"),
    "replaced for more": (
        r.change(WORKER, replace_paths=[["container_definitions"], ["task_role_arn"]]),
        "is replaced because of [['container_definitions']",
    ),
    "replaced for nothing": (r.change(WORKER, replace_paths=None), "is replaced because of None"),
    "replaced by request": (
        r.entry(WORKER, action_reason="replace_by_request"),
        "for the reason replace_by_request",
    ),
    "tainted": (
        r.entry(WORKER, action_reason="replace_because_tainted"),
        "for the reason replace_because_tainted",
    ),
    "replaced by a trigger": (
        r.entry(WORKER, action_reason="replace_by_triggers"),
        "for the reason replace_by_triggers",
    ),
    "replaced without a reason": (r.entry(WORKER, action_reason=""), "for the reason (none)"),
    "a definition deleted": (r.change(WORKER, actions=["delete"]), "worker: would delete"),
    "a definition created, since it may not be read": (
        r.change(WORKER, actions=["create"]),
        "may it not be read (ecs:DescribeTaskDefinition)",
    ),
    "a definition forgotten": (r.change(WORKER, actions=["forget"]), "worker: would forget"),
    "a definition changed in place": (r.change(WORKER, actions=["update"]), "worker: would update"),
    "a definition that keeps its role": (
        r.both(idle(WORKER), idle(WORKER_SERVICE)),
        "worker: keeps the role arn:aws:iam::123456789012:role/retainwise-ecs-task-role",
    ),
    "a definition of another provider": (
        r.entry(WORKER, provider_name="example.com/evil/aws"),
        "worker: is of another provider",
    ),
    "a command beside a definition": (
        r.configured(WORKER, provisioners=PROVISIONER),
        "worker: would run a provisioner (local-exec)",
    ),
    "a definition left out": (gone(WORKER), "worker: is neither in the HCL nor in the state"),
    "a left-over definition": (left_over, "left-over object 0a1b2c3d"),
}
