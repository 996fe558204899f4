"""What the actions have in common: a plan with its gate's view of it, an apply of exactly that file."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from regrant_terraform.errors import Refused
from regrant_terraform.plans.plan import Change, Plan, read
from regrant_terraform.running.cli import Terraform

VERSION = "1.11"
"""A plan of one minor version is not read by another, and the gates know the format of this one."""
PLAIN = ("-input=false", "-no-color")


@dataclass(frozen=True)
class Made:
    """A plan file that has been made and shown."""

    file: Path
    empty: bool
    plan: Plan


def check_version(terraform: Terraform) -> str:
    said = terraform.run("version", "-json").out
    try:
        version = str(json.loads(said)["terraform_version"])
    except (ValueError, KeyError, TypeError):
        raise Refused(
            "TERRAFORM_VERSION", f"terraform version -json printed no version, but {said[:80]!r}"
        ) from None
    if not re.match(rf"{re.escape(VERSION)}\.", version):
        raise Refused("TERRAFORM_VERSION", f"terraform on the PATH is {version}, {VERSION} is needed")
    return version


def make_plan(terraform: Terraform, file: Path, *more: str) -> Made:
    done = terraform.run("plan", *PLAIN, "-detailed-exitcode", f"-out={file}", *more, good=(0, 2))
    return Made(file, done.status == 0, show(terraform, file))


def show(terraform: Terraform, file: Path) -> Plan:
    return read(terraform.run("show", "-json", str(file)).out)


def apply(terraform: Terraform, file: Path, waiting: str) -> None:
    terraform.run("apply", *PLAIN, waiting, str(file))


def must_be_empty(terraform: Terraform, waiting: str) -> None:
    with scratch() as folder:
        made = make_plan(terraform, folder / "after.tfplan", waiting)
    refuse_what_is_left(made)


def refuse_what_is_left(made: Made) -> None:
    if not made.empty:
        raise Refused("NOT_EMPTY", "\n".join(left(made.plan)), {"changes": changes(made.plan)})


def left(plan: Plan) -> list[str]:
    said = [
        change.says(f"would {'/'.join(change.actions)} ({', '.join(sorted(change.differing()))[:200]})")
        for change in plan.active[:50]
    ]
    outputs = plan.raw.get("output_changes") or {}
    return said + [
        f"output.{name}: would change" for name, each in outputs.items() if each.get("actions") != ["no-op"]
    ]


def changes(plan: Plan) -> list[Mapping[str, object]]:
    return [describe(change) for change in plan.active]


def describe(change: Change) -> Mapping[str, object]:
    return {
        "address": change.address,
        "actions": list(change.actions),
        "attributes": sorted(change.differing()),
    }


def in_state(terraform: Terraform) -> set[str]:
    """The addresses in the state. None is there before the first apply."""
    try:
        return set(terraform.run("state", "list").out.splitlines())
    except Refused as refused:
        if "No state file was found" in refused.reason:
            return set()
        raise


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for plan files: they have the state's values in the clear, so nobody else may read them."""
    with tempfile.TemporaryDirectory(prefix="regrant-") as folder:
        yield Path(folder)
