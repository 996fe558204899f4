"""The mapping that is proposed for the seed's HCL is the one that was measured to work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from regrant_terraform.config import Facts, parse
from regrant_terraform.plans.plan import read
from regrant_terraform.propose import Proposal, propose
from tests.terraform import recorded as r
from tests.terraform.acting import RAW, result
from tests.terraform.fake import Fake, shown

ACCOUNT = "123456789012"
FACTS: dict[str, Any] = {
    "account": ACCOUNT,
    "region": "us-east-1",
    "services": [
        {
            "cluster": "retainwise-cluster",
            "service": f"retainwise-{name}",
            "task_definition": f"{r.NAMED}retainwise-{name}:1",
            "role": f"{r.ROLE}prod-retainwise-{name}-task-role",
        }
        for name in ("backend", "worker")
    ],
}
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/retainwise/prod-retainwise-sqs-"
QUEUE = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/prod-retainwise-predictions-queue"
IMPORTS = {
    "aws_iam_role.backend_task_role": "prod-retainwise-backend-task-role",
    "aws_iam_role.worker_task_role": "prod-retainwise-worker-task-role",
    "aws_iam_role.old_task_role": "retainwise-ecs-task-role",
    'aws_iam_role_policy.data["backend"]': "prod-retainwise-backend-task-role:retainwise-data",
    'aws_iam_role_policy.data["worker"]': "prod-retainwise-worker-task-role:retainwise-data",
    'aws_iam_role_policy.data["old"]': "retainwise-ecs-task-role:retainwise-data",
    "aws_iam_policy.sqs_send": f"{POLICY}send",
    "aws_iam_policy.sqs_worker": f"{POLICY}worker",
    "aws_iam_role_policy_attachment.backend_send": f"prod-retainwise-backend-task-role/{POLICY}send",
    "aws_iam_role_policy_attachment.worker_sqs": f"prod-retainwise-worker-task-role/{POLICY}worker",
    "aws_sqs_queue.predictions_queue": QUEUE,
    "aws_sqs_queue.predictions_dlq": f"{QUEUE}-dlq",
    "aws_ecs_cluster.main": "retainwise-cluster",
    r.BACKEND: f"{r.NAMED}retainwise-backend:1",
    r.WORKER: f"{r.NAMED}retainwise-worker:1",
    r.BACKEND_SERVICE: "retainwise-cluster/retainwise-backend",
    r.WORKER_SERVICE: "retainwise-cluster/retainwise-worker",
}
UNKNOWN = {
    "aws_iam_role_policy_attachment": ("policy_arn",),
    "aws_ecs_service": ("cluster", "task_definition"),
    "aws_ecs_task_definition": ("task_role_arn",),
}
"""What a plan without a state does not know, beside arn and id: ARNs of what is not there yet."""


def created() -> r.Raw:
    """The plan of the seed's HCL without a state."""
    plan = r.recorded()
    for each in plan["resource_changes"]:
        r.as_it_runs(plan, each["address"])
        values = each["change"]["before"]
        gone = [name for name in ("arn", "id", "url", *UNKNOWN.get(each["type"], ())) if name in values]
        for name in gone:
            values.pop(name)
        each["change"] |= {
            "actions": ["create"],
            "after": values,
            "before": None,
            "after_unknown": dict.fromkeys(gone, True),
        }
    return plan


def facts(**more: Any) -> Facts:
    found = parse({"directory": "x", "facts": {**FACTS, **more}}, "propose").facts
    assert found is not None
    return found


def proposed(plan: r.Raw, **more: Any) -> Proposal:
    return propose(read(json.dumps(plan)), facts(**more))


def test_the_seeds_mapping_is_found_whole() -> None:
    found = proposed(created())
    assert found == Proposal(IMPORTS, r.ROLES, r.SERVICES, [])


def test_what_is_in_the_state_is_not_imported_and_declared_all_the_same() -> None:
    found = proposed(r.recorded())
    assert found == Proposal({}, r.ROLES, r.SERVICES, [])


def test_what_cannot_be_matched_is_listed() -> None:
    plan = created()
    r.after("aws_iam_role.old_task_role", name=None)(plan)
    r.another("aws_sqs_queue.predictions_dlq", "aws_s3_bucket.x", actions=["create"], type="aws_s3_bucket")(
        plan
    )
    r.after(r.WORKER, family="other")(plan)
    r.refers(r.WORKER_SERVICE, "local.revision")(plan)
    services = [*FACTS["services"], {**FACTS["services"][0], "service": "retainwise-third"}]
    found = proposed(plan, services=services)
    assert sorted(found.unmatched) == [
        f"{r.WORKER_SERVICE}: its task_definition names no aws_ecs_task_definition of the HCL",
        f"{r.WORKER}: no revision of other in use at enrolled services",
        "aws_iam_role.old_task_role: its name is not said in the HCL: give its id yourself",
        "aws_s3_bucket.x: what imports an aws_s3_bucket is not known here: give its id yourself",
        "retainwise-cluster/retainwise-third: no aws_ecs_service in the HCL has this name",
    ]
    assert (r.WORKER in found.roles, r.WORKER_SERVICE in found.services) == (False, False)


def test_two_roles_for_one_definition_are_no_mapping() -> None:
    plan = created()
    r.refers(r.WORKER_SERVICE, f"{r.BACKEND}.arn", r.BACKEND)(plan)
    (said,) = proposed(plan).unmatched
    assert said.startswith(f"{r.BACKEND}: two services run it")


def test_the_action_asks_for_no_lock_and_changes_nothing(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.answer(plan={"rc": 2}, show=shown(created()))
    done = result(fake, "propose", facts=FACTS)
    assert (done["status"], done["imports"], done["unmatched"]) == ("DONE", IMPORTS, [])
    assert {"-lock=false", "-refresh=false"} <= set(fake.calls[1]["argv"])
    assert parse({**RAW, "directory": "x", **{k: done[k] for k in ("imports", "roles", "services")}}, "plan")
