"""prepare: the backend file, and `terraform init`. A local state that is there already goes with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regrant_terraform import files, hcl
from regrant_terraform.config import Config
from regrant_terraform.errors import Refused
from regrant_terraform.running.cli import Terraform
from regrant_terraform.running.commands import PLAIN, scratch

LOCAL = "terraform.tfstate"
POINTER = Path(".terraform", "terraform.tfstate")
"""Where Terraform notes which backend a directory was initialized for."""


def prepare(terraform: Terraform, config: Config) -> dict[str, object]:
    if elsewhere := hcl.backends_elsewhere(terraform.directory):
        raise Refused("BACKEND_ELSEWHERE", f"{', '.join(elsewhere)} has a backend or cloud block already")
    assert config.state is not None  # which NEEDS says
    text = files.backend_text(config.state, config.region)
    local = _state((terraform.directory / LOCAL).read_text("utf-8") if _exists(terraform) else "")
    migrated = bool(local.get("resources"))
    if migrated:
        _one_state(terraform, text, local)
    files.write(terraform.directory, files.BACKEND, text)
    if migrated:
        # In a directory that has been initialized for the bucket, Terraform sees nothing to migrate.
        (terraform.directory / POINTER).unlink(missing_ok=True)
    _init(terraform, *(("-migrate-state", "-force-copy") if migrated else ("-reconfigure",)))
    return {"backend": files.BACKEND, "migrated": migrated}


def _init(terraform: Terraform, *how: str) -> None:
    # A lock file that is there is the owner's, and says which provider the plan is made with.
    locked = (terraform.directory / ".terraform.lock.hcl").exists()
    terraform.run("init", *PLAIN, *(("-lockfile=readonly",) if locked else ()), *how)


def _one_state(terraform: Terraform, backend: str, local: Mapping[str, Any]) -> None:
    """Raises Refused TWO_STATES where -force-copy would write the local state over another one. The state
    in the bucket is looked at from another directory: here Terraform would ask about the local one."""
    with scratch() as folder:
        (folder / files.BACKEND).write_text(backend, "utf-8")
        terraform.run("init", *PLAIN, inside=folder)
        there = _state(terraform.run("state", "pull", inside=folder).out)
    # A migration that was killed has copied it already. Its lineage is another: Terraform makes a new one.
    if there.get("resources") and there["resources"] != local["resources"]:
        raise Refused(
            "TWO_STATES", f"{LOCAL} beside the HCL has resources, and so has the state in the bucket"
        )


def _exists(terraform: Terraform) -> bool:
    return (terraform.directory / LOCAL).is_file()


def _state(text: str) -> dict[str, Any]:
    try:
        state = json.loads(text or "{}")
    except ValueError:
        raise Refused("TERRAFORM_FAILED", f"{LOCAL} is no JSON, so it is no state") from None
    return state if isinstance(state, dict) else {}
