"""Policies that are never granted because of their name."""

from __future__ import annotations

import re

from regrant.model.aws import name_of

# Known by name, whatever AWS writes into them later (AWS managed policy reference; those for job functions:
# IAM user guide, "AWS managed policies for job functions"). A policy of yours that is called so is meant so.
_ADMINISTRATORS = re.compile(
    r"AdministratorAccess(-.*)?|PowerUserAccess|IAMFullAccess|AWSOrganizationsFullAccess"
    r"|(System|Database|Network)Administrator|AWSSSO(Master|Member)AccountAdministrator"
)


def is_of_administrators(policy: str) -> bool:
    """Whether the policy (ARN) is one."""
    return bool(_ADMINISTRATORS.fullmatch(name_of(policy)))
