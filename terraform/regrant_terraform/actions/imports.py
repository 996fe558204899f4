"""import and undo: what is in the state is changed, and nothing at AWS."""

from __future__ import annotations

from collections.abc import Mapping

from regrant_terraform import files
from regrant_terraform.config import Config
from regrant_terraform.errors import Refused, refuse_if
from regrant_terraform.gates import imports as gate
from regrant_terraform.plans.plan import Plan
from regrant_terraform.running.cli import Terraform
from regrant_terraform.running.commands import (
    apply,
    in_state,
    make_plan,
    must_be_empty,
    refuse_what_is_left,
    scratch,
)


def import_(terraform: Terraform, config: Config) -> dict[str, object]:
    """What is in the state already is not asked for again. If all of it is, the HCL may say the new roles by
    now, so nothing is planned."""
    have = in_state(terraform)
    wanted = {address: identity for address, identity in config.imports.items() if address not in have}
    if wanted:
        _import(terraform, wanted, f"-lock-timeout={config.lock_seconds}s")
    return {"imported": sorted(wanted), "already": len(config.imports) - len(wanted)}


def undo(terraform: Terraform, config: Config) -> dict[str, object]:
    """The state's task definitions are the old revisions again, without a deployment.

    The services must run the old revisions, and the HCL must name the old roles. Reverting the HCL and
    applying it would register a third revision and deploy it.
    """
    waiting = f"-lock-timeout={config.lock_seconds}s"
    with scratch() as folder:
        made = make_plan(terraform, folder / "undo.tfplan", waiting)
    refuse_if("UNDO_REFUSED", [line for each in config.undo.items() if (line := _blocked(made.plan, *each))])
    there = {address: _held(made.plan, address) for address in config.undo}
    # An apply that was stopped before it could register has put the old revision aside, and nothing in its
    # place: what was put aside leaves the state with its address.
    aside = {change.address for change in made.plan.changes if change.deposed}
    wanted = {a: old for a, old in config.undo.items() if there[a] != old or a in aside}
    if not wanted:
        refuse_what_is_left(made)
    else:
        out = [address for address in wanted if there[address] or address in aside]
        _exchange(terraform, wanted, out, waiting)
    return {"imported": sorted(wanted), "already": len(config.undo) - len(wanted)}


def _blocked(plan: Plan, address: str, old: str) -> str:
    """Said before anything is taken out of the state."""
    change = plan.at(address)
    if change is None:
        return f"{address}: is not in the HCL"
    if change.actions == ("create",) or (change.idle and change.before.get("arn") == old):
        return ""
    if change.idle:
        return change.says(
            f"the HCL still names the role that is undone, {change.before.get('task_role_arn')}"
        )
    if change.before.get("arn") == old or set(change.actions) != {"create", "delete"}:
        return change.says(
            f"would {'/'.join(change.actions)} ({', '.join(sorted(change.differing()))[:200]})"
        )
    return ""


def _held(plan: Plan, address: str) -> str:
    change = plan.at(address)
    return str(change.before.get("arn") or "") if change else ""


def _exchange(terraform: Terraform, wanted: Mapping[str, str], out: list[str], waiting: str) -> None:
    if out:
        terraform.run("state", "rm", waiting, *out)
    try:
        _import(terraform, wanted, waiting)
    except Refused as refused:
        if refused.code == "NOT_EMPTY":
            raise
        missing = f"Until undo has run again, the state lacks: {', '.join(sorted(wanted))}"
        raise Refused(refused.code, f"{refused.reason}\n{missing}", refused.more) from None


def _import(terraform: Terraform, wanted: Mapping[str, str], waiting: str) -> None:
    with scratch() as folder, files.imports_file(terraform.directory, wanted):
        made = make_plan(terraform, folder / "import.tfplan", waiting)
        refuse_if("IMPORT_REFUSED", gate.objections(made.plan, wanted))
        apply(terraform, made.file, waiting)
    must_be_empty(terraform, waiting)
