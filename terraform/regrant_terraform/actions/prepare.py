"""prepare: the backend file, and `terraform init`. A local state that is there already goes with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from regrant_terraform import files, hcl
from regrant_terraform.cli import Terraform
from regrant_terraform.commands import PLAIN
from regrant_terraform.config import Config
from regrant_terraform.errors import Refused

LOCAL = "terraform.tfstate"
POINTER = Path(".terraform", "terraform.tfstate")
"""Where Terraform notes which backend a directory was initialized for."""


def prepare(terraform: Terraform, config: Config) -> dict[str, object]:
    if elsewhere := hcl.backends_elsewhere(terraform.directory):
        raise Refused("BACKEND_ELSEWHERE", f"{', '.join(elsewhere)} has a backend or cloud block already")
    assert config.state is not None  # which NEEDS says
    files.write(terraform.directory, files.BACKEND, files.backend_text(config.state, config.region))
    _init(terraform, "-reconfigure")
    return {"backend": files.BACKEND, "migrated": _migrate(terraform)}


def _init(terraform: Terraform, *how: str) -> None:
    # A lock file that is there is the owner's, and says which provider the plan is made with.
    locked = (terraform.directory / ".terraform.lock.hcl").exists()
    terraform.run("init", *PLAIN, *(("-lockfile=readonly",) if locked else ()), *how)


def _migrate(terraform: Terraform) -> bool:
    """Whether a local state was copied. After it Terraform leaves an empty file of that name behind."""
    local = _state((terraform.directory / LOCAL).read_text("utf-8") if _exists(terraform) else "")
    if not local.get("resources"):
        return False
    there = _state(terraform.run("state", "pull").out)
    if there.get("lineage") == local.get("lineage"):
        return False
    if there.get("resources"):
        # -force-copy would write the one over the other.
        raise Refused(
            "TWO_STATES", f"{LOCAL} beside the HCL has resources, and so has the state in the bucket"
        )
    # For a directory that has been initialized for the bucket Terraform sees nothing to migrate.
    (terraform.directory / POINTER).unlink(missing_ok=True)
    _init(terraform, "-migrate-state", "-force-copy")
    return True


def _exists(terraform: Terraform) -> bool:
    return (terraform.directory / LOCAL).is_file()


def _state(text: str) -> dict[str, Any]:
    try:
        state = json.loads(text or "{}")
    except ValueError:
        raise Refused("TERRAFORM_FAILED", f"{LOCAL} is no JSON, so it is no state") from None
    return state if isinstance(state, dict) else {}
