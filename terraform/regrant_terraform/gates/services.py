"""A declared service's part of the role gate: it takes its task definition's new revision, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from regrant_terraform.gates import common
from regrant_terraform.plans.plan import Change, Plan

TAKES = "task_definition"


def service(plan: Plan, change: Change, declared: str) -> Iterator[str]:
    """`declared` is the address of the service's task definition."""
    definition = plan.at(declared)
    if definition is None:
        return  # which is an objection of its own
    if common.idle(change):
        yield from _stays(change, definition)
    elif change.provider != common.AWS:
        yield change.says(f"is of another provider, {change.provider}")
    elif change.actions != ("update",):
        yield from common.left_alone(change)
    else:
        yield from common.provisioners(plan, change)
        for name in sorted(change.differing() - {TAKES}):
            yield change.says(f"would change {name}")
        if definition.idle:
            yield from _takes_known(change, definition)
        else:
            yield from _takes_new(plan, change, definition)


def _stays(change: Change, definition: Change) -> Iterator[str]:
    runs = change.before.get(TAKES)
    if not definition.idle:
        yield change.says(f"stays on {short(runs)}: does it ignore_changes of task_definition?")
    elif not names(runs, definition):
        yield change.says(f"stays on {short(runs)}, which is not the revision of {definition.address}")


def _takes_new(plan: Plan, change: Change, definition: Change) -> Iterator[str]:
    """The new revision has no name before the apply, so the HCL has to say where the service gets it from."""
    runs = change.before.get(TAKES)
    if change.unknown.get(TAKES) is not True or TAKES in change.after:
        to = short(change.after.get(TAKES))
        yield change.says(f"would take {to}, not the new revision of {definition.address}")
        return
    if not names(runs, definition):
        replaced = short(definition.before.get("arn"))
        yield change.says(f"runs {short(runs)}, but {replaced} is replaced: somebody has deployed since")
    expression = (common.configured(plan, change).get("expressions") or {}).get(TAKES) or {}
    if not _refers(expression, change, definition):
        said = ", ".join(map(str, expression.get("references") or ["nothing"]))
        yield change.says(f"its task_definition refers to {said}: name {definition.address}.arn there")


def _takes_known(change: Change, definition: Change) -> Iterator[str]:
    """What is left to do after an apply that died halfway, or that ECS has rolled back."""
    runs, to = change.before.get(TAKES), change.after.get(TAKES)
    if change.unknown.get(TAKES) or not names(to, definition):
        yield change.says(f"would take {short(to)}, not the revision of {definition.address}")
        return
    (family, old), (other, new) = _revision(runs), _revision(to)
    if family != other or old >= new:
        yield change.says(f"would go from {short(runs)} to {short(to)}: somebody has deployed since")


def _refers(expression: Mapping[str, Any], change: Change, definition: Change) -> bool:
    """Whether the expression names the definition alone. References are written without the module, and a
    computed index as `each.key` beside the block, which then is the service's own index."""
    own = local(definition)
    block, index = own.split("[")[0], own.removeprefix(own.split("[")[0])
    said = set(map(str, expression.get("references") or []))
    direct = {own, *(f"{own}.{attribute}" for attribute in ("arn", "family", "revision"))}
    if change.module != definition.module:
        return False
    if said & direct:
        return said <= direct | {block}
    same_index = bool(index) and local(change).endswith(index)
    return same_index and said in ({block, "each.key"}, {block, "count.index"})


def local(change: Change) -> str:
    return change.address.removeprefix(f"{change.module}." if change.module else "")


def names(revision: object, definition: Change) -> bool:
    """Whether it is the revision that the state has, by its ARN or as family:revision."""
    arn = str(definition.before.get("arn"))
    return str(revision) in (arn, arn.rpartition("/")[2])


def _revision(named: object) -> tuple[str, int]:
    family, _, number = short(named).rpartition(":")
    return family, int(number) if number.isdigit() else 0


def short(revision: object) -> str:
    return str(revision).rpartition("/")[2] if revision else "no revision"
