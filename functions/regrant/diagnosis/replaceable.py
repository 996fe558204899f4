"""Whether the tasks may be replaced at all: by a rolling update, which passes the execution role, too."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.diagnosis.eligibility import judge_strategy
from regrant.model.aws import ServiceState, TaskDefinition, name_of
from regrant.model.catalogue import Service
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis, Finding
from regrant.settings import Allowed


def as_far_as_replaceable(
    diagnosis: Diagnosis,
    service: Service,
    state: ServiceState,
    definition: TaskDefinition,
    allowed: Allowed,
) -> Diagnosis:
    """Without a deployment that AWS would refuse: it passes the execution role to ECS, too. A plan that may
    need one of another strategy than a rolling update is refused."""
    plan, role = diagnosis.plan, definition.execution_role
    if plan is None:
        return diagnosis
    if plan.redeploy or plan.redeploy_if_needed:
        by_hand = (
            "Enrol the service with Redeploy=never: then its running tasks have to recover by the grant."
        )
        if refusal := judge_strategy(service, state, by_hand):
            return diagnosis.refused(refusal)
    if role is None or role in allowed.execution_roles:
        return diagnosis
    unlisted = f"The execution role {name_of(role)} is not in ExecutionRoleArns"
    if plan.redeploy:
        refusal = Refusal(
            "EXECUTION_ROLE_NOT_PASSABLE",
            f"{unlisted}, so the service may not be redeployed, as its entry asks (redeploy: always).",
            f"The stack's owner adds {role} to ExecutionRoleArns; or enrol the service with Redeploy=never.",
        )
        return diagnosis.refused(refusal)
    if not plan.redeploy_if_needed:
        return diagnosis
    text = f"{unlisted}, so the tasks may not be replaced: those that run now have to recover by the grant."
    return replace(
        diagnosis,
        findings=(*diagnosis.findings, Finding("EXECUTION_ROLE_NOT_PASSABLE", text, (role,))),
        plan=replace(plan, redeploy_if_needed=False),
    )
