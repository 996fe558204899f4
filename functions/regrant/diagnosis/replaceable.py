"""Whether the tasks may be replaced at all: a deployment passes the execution role to ECS, too."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.model.aws import TaskDefinition, name_of
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis, Finding
from regrant.settings import Allowed


def as_far_as_replaceable(diagnosis: Diagnosis, definition: TaskDefinition, allowed: Allowed) -> Diagnosis:
    """Without a deployment that AWS would refuse: it passes the execution role to ECS, too."""
    plan, role = diagnosis.plan, definition.execution_role
    if plan is None or role is None or role in allowed.execution_roles:
        return diagnosis
    unlisted = f"The execution role {name_of(role)} is not in ExecutionRoleArns"
    if plan.redeploy:
        refusal = Refusal(
            "EXECUTION_ROLE_NOT_PASSABLE",
            f"{unlisted}, so the service may not be redeployed, as its entry asks (redeploy: always).",
            f"The stack's owner adds {role} to ExecutionRoleArns; or enrol the service with Redeploy=never.",
        )
        return replace(diagnosis, next="REFUSE", plan=None, planned_against=None, refusal=refusal)
    if not plan.redeploy_if_needed:
        return diagnosis
    text = f"{unlisted}, so the tasks may not be replaced: those that run now have to recover by the grant."
    return replace(
        diagnosis,
        findings=(*diagnosis.findings, Finding("EXECUTION_ROLE_NOT_PASSABLE", text, (role,))),
        plan=replace(plan, redeploy_if_needed=False),
    )
