"""Diagnose: what the catalogue declares against what the role in use really has."""

from __future__ import annotations

from datetime import datetime, timedelta

from regrant.concurrency import all_three, each
from regrant.evidence import DENIAL_TERM, SENTENCE, read_lines
from regrant.models import CatalogueEntry, Decision, Diagnosis, Finding, Incident, Plan, Refusal, Service
from regrant.ports import Logs, Queues, Roles, Services
from regrant.resources import Attachments, LogLines, ServiceState, TaskDefinition, name_of
from regrant.settings import Settings

_LOOK_BACK = timedelta(minutes=15)
_SAMPLES = 3


def diagnose(
    incident: Incident,
    services: Services,
    roles: Roles,
    logs: Logs,
    queues: Queues,
    settings: Settings,
    now: str,
) -> Diagnosis:
    """Findings, and the plan if a grant can help. Reads only."""
    service, entry = incident.service, incident.entry
    assert service is not None and entry is not None  # OpenIncident refused everything else
    state = services.describe(service)
    refusal = judge_service(service, state)
    if refusal or state is None:
        return _refused(refusal, now)
    definition = services.task_definition(state.task_definition)
    refusal = judge_role(definition, settings)
    if refusal or definition.task_role is None:
        return _refused(refusal, now)
    role = definition.task_role
    since = (datetime.fromisoformat(now) - _LOOK_BACK).isoformat()
    watched = tuple(q for q in (entry.health.queue, entry.health.dead_letter_queue) if q)
    attachments, denials, there = all_three(
        lambda: roles.attachments(role, entry.policies),
        lambda: read_lines(logs, definition.logs, DENIAL_TERM, since, now),
        lambda: each(queues.exists, watched),
    )
    if not all(there):
        return _refused(_queue_missing(watched[there.index(False)]), now)
    return conclude(incident, role, definition, attachments, denials, now)


def judge_service(service: Service, state: ServiceState | None) -> Refusal | None:
    """Why this service cannot be contained now, if so. Each case is one that AWS would reject or confuse."""
    if state is None:
        return Refusal(
            "UNKNOWN_SERVICE",
            f"ECS knows no service {service} in this account and Region.",
            "Check the cluster's and the service's name.",
        )
    if state.status != "ACTIVE":
        return Refusal(
            "SERVICE_INACTIVE", f"{service} is {state.status}, not ACTIVE.", "Create the service again first."
        )
    if state.controller != "ECS":
        return Refusal(
            "UNSUPPORTED_CONTROLLER",
            f"{service} is deployed by {state.controller}; ECS lets only that controller redeploy it.",
            "Redeploy it there. Regrant works with the ECS deployment controller.",
        )
    if state.desired_count == 0:
        return Refusal(
            "DESIRED_COUNT_ZERO",
            f"{service} has a desired count of 0: no task runs, so nothing could be verified.",
            "Scale it up and start again.",
        )
    if not state.settled:
        return Refusal(
            "DEPLOYMENT_IN_FLIGHT",
            f"{service} has another deployment in flight: {_deployments(state)}.",
            "Wait until it is completed, or roll it back, and start again.",
        )
    return None


def judge_role(definition: TaskDefinition, settings: Settings) -> Refusal | None:
    """Why this task definition's role cannot be granted anything, if so."""
    if definition.task_role is None:
        return Refusal(
            "NO_TASK_ROLE",
            f"{definition.arn} has no task role, so there is nothing to attach a policy to.",
            "Register a revision with the service's task role and deploy it.",
        )
    if definition.task_role not in settings.roles:
        return Refusal(
            "ROLE_NOT_MANAGED",
            f"The role in use, {definition.task_role}, is not one that this stack may change.",
            "If it should be, the stack's owner adds it to ManagedRoleArns.",
        )
    if not definition.logs:
        return Refusal(
            "NO_LOGS",
            f"{definition.arn} has no container that logs with awslogs, so a fix could not be verified.",
            "Give a container the awslogs log driver with a stream prefix.",
        )
    return None


def _queue_missing(queue: str) -> Refusal:
    return Refusal(
        "QUEUE_MISSING",
        f"The catalogue names a queue that does not exist: {queue}.",
        "Create it, or correct the catalogue entry.",
    )


def conclude(
    incident: Incident,
    role: str,
    definition: TaskDefinition,
    attachments: Attachments,
    denials: LogLines,
    now: str,
) -> Diagnosis:
    """Findings and decision from what was read."""
    entry = incident.entry
    assert entry is not None
    missing = tuple(p for p in dict.fromkeys(entry.policies) if p not in attachments.attached)
    findings = (*_denial_findings(denials), *_role_findings(entry, role), *_missing_findings(role, missing))
    refusal = _cannot_attach(role, missing, attachments)
    if refusal:
        return Diagnosis("REFUSE", now, findings, logs=definition.logs, refusal=refusal)
    if not missing:
        nothing = Finding("ALREADY_GRANTED", f"{name_of(role)} has every declared policy attached.")
        return Diagnosis("NOTHING_TO_FIX", now, (*findings, nothing), logs=definition.logs)
    plan = Plan(role=role, attach=missing, redeploy=entry.redeploy == "always")
    decision: Decision = "PLAN" if incident.mode == "plan" else "CONTAIN"
    return Diagnosis(decision, now, findings, plan=plan, logs=definition.logs)


def _denial_findings(denials: LogLines) -> tuple[Finding, ...]:
    lines = denials.lines
    if not lines:
        return ()
    count = f"{len(lines)}" if denials.complete else f"At least {len(lines)}"
    text = f"{count} denied calls logged since {lines[0].at}."
    sample = tuple(dict.fromkeys(line.message[:SENTENCE] for line in reversed(lines)))[:_SAMPLES]
    return (Finding("DENIED", text, sample),)


def _role_findings(entry: CatalogueEntry, role: str) -> tuple[Finding, ...]:
    if role == entry.task_role:
        return ()
    text = f"The tasks run as {name_of(role)}; the catalogue declares {name_of(entry.task_role)}."
    return (Finding("WRONG_TASK_ROLE", text, (role, entry.task_role)),)


def _missing_findings(role: str, missing: tuple[str, ...]) -> tuple[Finding, ...]:
    return tuple(
        Finding("MISSING_ATTACHMENT", f"{name_of(role)} lacks {name_of(policy)}.", (policy,))
        for policy in missing
    )


def _cannot_attach(role: str, missing: tuple[str, ...], attachments: Attachments) -> Refusal | None:
    if attachments.nonexistent:
        return Refusal(
            "POLICY_MISSING",
            f"The catalogue declares policies that do not exist: {', '.join(attachments.nonexistent)}.",
            "Create them, or correct the catalogue entry.",
        )
    if len(attachments.attached) + len(missing) > attachments.quota:
        return Refusal(
            "POLICY_LIMIT",
            f"{name_of(role)} has {len(attachments.attached)} policies attached and needs {len(missing)}"
            f" more; the account's limit is {attachments.quota}.",
            "Detach a policy that is not needed, or raise the quota 'Managed policies per role'.",
        )
    return None


def _refused(refusal: Refusal | None, now: str) -> Diagnosis:
    return Diagnosis("REFUSE", now, refusal=refusal)


def _deployments(state: ServiceState) -> str:
    return ", ".join(f"{d.id} {d.status} {d.rollout_state}" for d in state.deployments)
