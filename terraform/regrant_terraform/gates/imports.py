"""The import gate: only what was asked for is imported, and nothing changes at AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from regrant_terraform.gates import common
from regrant_terraform.plans.plan import Change, Plan

ONLY_TERRAFORM_KNOWS: Mapping[str, frozenset[str]] = {
    "aws_ecs_service": frozenset({"wait_for_steady_state", "force_delete", "force_new_deployment"}),
    "aws_ecs_task_definition": frozenset({"skip_destroy", "track_latest"}),
    "aws_iam_role": frozenset({"force_detach_policies"}),
}
"""Arguments that no API gives back: an import leaves them empty, and the same apply fills them in."""
WITH_BEFORE = "import with the HCL as things run now, and change the role after it"


def objections(plan: Plan, wanted: Mapping[str, str]) -> list[str]:
    found = list(common.objections(plan))
    for change in plan.changes:
        found += _import(change, wanted) if change.importing is not None else common.left_alone(change)
        if change.importing is not None:
            found += common.provisioners(plan, change)
    there = {change.address for change in plan.changes if change.importing is not None}
    found += [f"{address}: is not in the HCL" for address in wanted if address not in there]
    return common.limited(found)


def _import(change: Change, wanted: Mapping[str, str]) -> Iterator[str]:
    identity = (change.importing or {}).get("id")
    if change.address not in wanted:
        yield change.says(f"imports {identity}, which nobody asked for")
    elif identity != wanted[change.address]:
        yield change.says(f"imports {identity}, asked for was {wanted[change.address]}")
    if change.previous_address:
        yield change.says(f"would be moved from {change.previous_address}")
    elif change.deposed:
        yield change.says(f"has a left-over object {change.deposed}")
    elif change.provider != common.AWS:
        yield change.says(f"is imported by another provider, {change.provider}")
    elif change.actions == ("update",):
        yield from _update(change)
    elif not change.idle:
        why = f"would {'/'.join(change.actions)} ({', '.join(sorted(change.differing()))[:200]})"
        replaced = set(change.actions) == {"create", "delete"} and change.replace_paths == [["task_role_arn"]]
        yield change.says(f"{why}: {WITH_BEFORE}" if replaced else why)
    elif differing := sorted(change.differing()):
        yield change.says(f"is called unchanged, but {', '.join(differing)} differs")


def _update(change: Change) -> Iterator[str]:
    for name in sorted(change.differing() - ONLY_TERRAFORM_KNOWS.get(change.type, frozenset())):
        if change.type != "aws_ecs_service" or name != "task_definition":
            yield change.says(f"would change {name}")
        elif not _one_revision(change):
            yield change.says(f"would deploy {change.after.get(name) or 'a new revision'}: {WITH_BEFORE}")
    if change.after.get("force_new_deployment"):
        yield change.says("would deploy, because of force_new_deployment")


def _one_revision(change: Change) -> bool:
    """family:revision and the ARN are one revision, written in two ways: that of the own account."""
    runs, to = (str(side.get("task_definition")) for side in (change.before, change.after))
    own = str(change.before.get("cluster")).split(":cluster/")[0]
    return ":" in runs and to in (runs, runs.rpartition("/")[2], f"{own}:task-definition/{runs}")
