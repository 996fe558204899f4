"""A role that is never granted anything: one that is no task's, or is of the runbook's own stack."""

from __future__ import annotations

from typing import Any

from regrant.barred.stack import CUT
from regrant.iam.trust import ECS, names
from regrant.model.aws import name_of
from regrant.model.results import Refusal

# Who may assume the roles of the stack (template.yaml).
_OURS = ("lambda.amazonaws.com", "states.amazonaws.com", "events.amazonaws.com", "scheduler.amazonaws.com")
_CORRECT = "The stack's owner takes it out of ManagedRoleArns."


def judge_role(role: str, trust: Any, stack: str) -> Refusal | None:
    """Why nothing is ever attached to this role (ARN), if so. stack: the name of the runbook's.

    CloudFormation names a role after its stack, with a hyphen, and cuts the name of a long one to fit 64
    characters. What else begins so is somebody's, if none of the services that run the stack may assume it.
    """
    name = name_of(role)
    if name.startswith(f"{stack}-"[:CUT]) and names(trust, _OURS):
        message = f"{name} is a role of the stack {stack} itself, which no run changes."
        return Refusal("OWN_ROLE", message, _CORRECT)
    if not names(trust, (ECS,)):
        return Refusal(
            "ROLE_NOT_FOR_TASKS",
            f"{name} does not let {ECS} assume it, so it is no task's role.",
            f"{_CORRECT} If it is a task's, correct its trust policy where it is managed.",
        )
    return None
