"""propose: what to import and which roles to declare, for a person or the machine to look at."""

from __future__ import annotations

from dataclasses import asdict

from regrant_terraform.config import Config
from regrant_terraform.propose import propose as matched
from regrant_terraform.running.cli import Terraform
from regrant_terraform.running.commands import make_plan, scratch


def propose(terraform: Terraform, config: Config) -> dict[str, object]:
    """It plans without a lock and without reading what is in the state, and changes nothing."""
    assert config.facts is not None  # which NEEDS says
    with scratch() as folder:
        made = make_plan(terraform, folder / "propose.tfplan", "-lock=false", "-refresh=false")
    return asdict(matched(made.plan, config.facts))
