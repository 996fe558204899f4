"""heal: opens a lock if a run of ours held it that is known to have ended. None is opened for its age."""

from __future__ import annotations

import re

from regrant_terraform.config import Config, EndedRun
from regrant_terraform.errors import Refused
from regrant_terraform.running.cli import Terraform

OPERATIONS = frozenset({
    *("OperationTypePlan", "OperationTypeApply", "state-rm"),
    *("migration source state", "migration destination state"),
})  # fmt: skip
"""What Terraform calls the operations of this runner in a lock."""
NOBODYS = "00000000-0000-0000-0000-000000000000"
NONE_THERE = ("unexpected end of JSON input", "NoSuchKey", "no lock info found")
"""What there is to read of a lock that nobody holds: an empty row of the table, or no object."""
_CREATED = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? \+0000 UTC")


def heal(terraform: Terraform, config: Config) -> dict[str, object]:
    assert config.ended_run is not None  # which NEEDS says
    lock = _lock(terraform)
    if lock is None:
        return {"healed": False, "lock": None}
    if why := foreign(lock, config.ended_run):
        raise Refused("FOREIGN_LOCK", why, {"lock": lock})
    try:
        # Terraform compares the ID, so a lock that was taken since is not opened.
        terraform.run("force-unlock", "-force", "-no-color", lock["id"])
    except Refused as refused:
        # With half a lock it opens that half, and fails all the same: what counts is what is left.
        if refused.code == "INTERRUPTED":
            raise
    if (left := _lock(terraform)) is not None:
        raise Refused("FOREIGN_LOCK", f"after it, {_holder(left)}", {"lock": left})
    return {"healed": True, "lock": lock}


def foreign(lock: dict[str, str], run: EndedRun) -> str:
    """Why the lock is not that run's; empty if it is."""
    created = _CREATED.fullmatch(lock.get("created", ""))
    if lock.get("who") != run.who:
        return f"{_holder(lock)}, and the run that has ended was {run.who}"
    if created is None or not run.began[:19] <= "T".join(created.groups()) <= run.ended[:19]:
        return f"{_holder(lock)}, and the run that has ended went on from {run.began} to {run.ended}"
    if lock.get("operation") not in OPERATIONS:
        return f"{_holder(lock)}, with an operation that is none of Regrant's"
    return ""


def _holder(lock: dict[str, str]) -> str:
    return (
        f"{lock.get('who', 'somebody')} holds lock {lock.get('id', '?')} since {lock.get('created', '?')} "
        f"({lock.get('operation', '?')})"
    )


def _lock(terraform: Terraform) -> dict[str, str] | None:
    """The lock as Terraform shows it to who would open another one: that opens none, and takes none."""
    try:
        terraform.run("force-unlock", "-force", "-no-color", NOBODYS)
    except Refused as refused:
        lock = refused.more.get("lock")
        if isinstance(lock, dict):
            return {str(name): str(value) for name, value in lock.items()}
        if not any(text in refused.reason for text in NONE_THERE):
            raise
    return None
