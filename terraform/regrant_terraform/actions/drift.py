"""drift: what a plan would change now. It writes nothing, waits for nobody, and takes no lock."""

from __future__ import annotations

from regrant_terraform.config import Config
from regrant_terraform.plans.plan import Change
from regrant_terraform.running.cli import Terraform
from regrant_terraform.running.commands import describe, make_plan, scratch

MAY_NOT_READ = "may the credentials not read it (ecs:DescribeTaskDefinition)? A denial looks like this"
MOST = 300
"""Changes that a result has."""


def drift(terraform: Terraform, config: Config) -> dict[str, object]:
    with scratch() as folder:
        made = make_plan(terraform, folder / "drift.tfplan", "-lock=false")
    active = made.plan.active
    return {
        "empty": made.empty,
        "changes": [_noted(change) for change in active[:MOST]],
        "more": max(0, len(active) - MOST),
        # What differs from the state but not from the HCL: somebody else's change, or an attribute's noise.
        "noticed": [describe(change) for change in made.plan.drift[:MOST]],
    }


def _noted(change: Change) -> dict[str, object]:
    """Provider aws takes a definition that it may not read as gone, and does not say so."""
    denied = change.type == "aws_ecs_task_definition" and change.actions == ("create",)
    return {**describe(change), **({"note": MAY_NOT_READ} if denied else {})}
