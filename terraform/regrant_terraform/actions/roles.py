"""plan and apply: the declared roles, through the gate, bound to the plan file that was approved."""

from __future__ import annotations

import hashlib
from pathlib import Path

from regrant_terraform.config import Config
from regrant_terraform.errors import Refused, refuse_if
from regrant_terraform.gates import roles as gate
from regrant_terraform.plans.plan import Change
from regrant_terraform.running.cli import Terraform
from regrant_terraform.running.commands import apply as apply_file
from regrant_terraform.running.commands import describe, make_plan, must_be_empty, scratch, show

ROLE = "task_role_arn"


def plan(terraform: Terraform, config: Config) -> dict[str, object]:
    file = terraform.directory / config.plan_file
    try:
        made = make_plan(terraform, file.absolute(), f"-lock-timeout={config.lock_seconds}s")
        refuse_if("PLAN_REFUSED", gate.objections(made.plan, config.roles, config.services))
    except Refused:
        # A plan that was refused is not left lying for somebody to apply.
        file.unlink(missing_ok=True)
        raise
    return {
        "sha256": hashlib.sha256(_bytes(file)).hexdigest(),
        "empty": made.empty,
        "changes": [_described(change) for change in made.plan.active],
        "warnings": gate.warnings(made.plan, config.roles, config.services),
    }


def apply(terraform: Terraform, config: Config) -> dict[str, object]:
    """The file comes from storage, so what was approved is gated again. What is looked at is a copy that
    nobody else can write, and that copy is applied."""
    file = terraform.directory / config.plan_file
    content = _bytes(file)
    if (found := hashlib.sha256(content).hexdigest()) != config.approved:
        raise Refused("NOT_APPROVED", f"{file.name} has SHA-256 {found}, approved is {config.approved}")
    waiting = f"-lock-timeout={config.lock_seconds}s"
    with scratch() as folder:
        copy = folder / config.plan_file
        copy.write_bytes(content)
        refuse_if("PLAN_REFUSED", gate.objections(show(terraform, copy), config.roles, config.services))
        apply_file(terraform, copy, waiting)
    must_be_empty(terraform, waiting)
    file.unlink(missing_ok=True)  # it has the state's values in the clear, and is stale
    return {"applied": config.approved}


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise Refused(
            "NOT_APPROVED", f"{file.name} is not there: no plan was made, or it was applied"
        ) from None


def _described(change: Change) -> dict[str, object]:
    role = {ROLE: [change.before.get(ROLE), change.after.get(ROLE)]} if ROLE in change.differing() else {}
    return {**describe(change), **role}
