"""The Terraform configuration of RetainWise's owner for the seed's account, before and after the repair.

`terraform/` beside this file says what runs: both task definitions name the old role. After the repair each
names the role that was made for it, and nothing else differs. No state belongs to it: what is there was made
before anybody wrote it down, and is imported.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from sandbox.scenarios.seeds import retainwise as seed

FOLDER = Path(__file__).with_name("terraform")
BACKEND, WORKER = "aws_ecs_task_definition.backend", "aws_ecs_task_definition.worker"
ROLES = {
    BACKEND: f"arn:aws:iam::{seed.ACCOUNT}:role/{seed.BACKEND_ROLE}",
    WORKER: f"arn:aws:iam::{seed.ACCOUNT}:role/{seed.WORKER_ROLE}",
}
"""The role that each task definition is to have, by its address."""
SERVICES = {"aws_ecs_service.backend": BACKEND, "aws_ecs_service.worker": WORKER}
"""The task definition that each service runs, by their addresses."""
OLD_REVISIONS = {
    BACKEND: f"arn:aws:ecs:{seed.REGION}:{seed.ACCOUNT}:task-definition/{seed.BACKEND}:1",
    WORKER: f"arn:aws:ecs:{seed.REGION}:{seed.ACCOUNT}:task-definition/{seed.WORKER}:1",
}
"""What the services run before the repair."""


def before() -> dict[str, str]:
    """What runs: file name to text."""
    return {file.name: file.read_text("utf-8") for file in sorted(FOLDER.glob("*.tf"))}


def after() -> dict[str, str]:
    """The same, with the right role in each task definition."""
    files = before()
    for address in ROLES:
        name = address.rpartition(".")[2]
        block = rf'(resource "aws_ecs_task_definition" "{name}" {{.*?task_role_arn\s*=\s*aws_iam_role\.)\w+'
        files["services.tf"], changed = re.subn(
            block, rf"\g<1>{name}_task_role", files["services.tf"], flags=re.DOTALL
        )
        if changed != 1:
            raise ValueError(f"{address} is not in services.tf any more")
    return files


def imports() -> dict[str, str]:
    """What exists already: address to id, as the provider's `import` takes it.

    Queues are imported by URL, policies by ARN, services by cluster and name.
    """
    roles = {"old": seed.OLD_ROLE, "backend": seed.BACKEND_ROLE, "worker": seed.WORKER_ROLE}
    send, receive = seed.policy_arn(seed.SEND), seed.policy_arn(seed.RECEIVE)
    queues = f"https://sqs.{seed.REGION}.amazonaws.com/{seed.ACCOUNT}"
    return {
        **{f"aws_iam_role.{name}_task_role": role for name, role in roles.items()},
        **{f'aws_iam_role_policy.data["{name}"]': f"{role}:{seed.DATA}" for name, role in roles.items()},
        "aws_iam_policy.sqs_send": send,
        "aws_iam_policy.sqs_worker": receive,
        "aws_iam_role_policy_attachment.backend_send": f"{seed.BACKEND_ROLE}/{send}",
        "aws_iam_role_policy_attachment.worker_sqs": f"{seed.WORKER_ROLE}/{receive}",
        "aws_sqs_queue.predictions_queue": f"{queues}/{seed.QUEUE}",
        "aws_sqs_queue.predictions_dlq": f"{queues}/{seed.DEAD_LETTER_QUEUE}",
        "aws_ecs_cluster.main": seed.CLUSTER,
        **OLD_REVISIONS,
        "aws_ecs_service.backend": f"{seed.CLUSTER}/{seed.BACKEND}",
        "aws_ecs_service.worker": f"{seed.CLUSTER}/{seed.WORKER}",
    }


def archive(files: dict[str, str]) -> bytes:
    """As a zip file, the same bytes for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, text in sorted(files.items()):
            zipped.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()
