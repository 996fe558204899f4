"""Findings and decision of a containment, once the role, its log and its queues have been read."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from regrant.barred.policy import judge_policies
from regrant.barred.role import judge_role
from regrant.barred.stack import Stack, stack_at
from regrant.baseline.drift import planned_against
from regrant.baseline.facts import granted_by_others
from regrant.denials.calls import DeniedCall, calls_from_trigger, read_calls
from regrant.denials.own import is_ignored
from regrant.denials.search import Found
from regrant.diagnosis.cause import IGNORED, Judgement, cause_of
from regrant.diagnosis.choice import choose, nonexistent
from regrant.diagnosis.findings import (
    MISSING_STATEMENT,
    Judged,
    denial_findings,
    missing_findings,
    ranked,
    role_findings,
    taken_off_findings,
)
from regrant.diagnosis.no_grant import granted_since, own_trial, ruled_out
from regrant.diagnosis.replaceable import as_far_as_replaceable
from regrant.diagnosis.staying import KINDS
from regrant.diagnosis.unread import elsewhere, other_streams, unread
from regrant.grants import is_lost
from regrant.iam.permissions import RolePermissions
from regrant.model.aws import LogLines, ServiceState, TaskDefinition, name_of
from regrant.model.journal import Hold
from regrant.model.results import Refusal
from regrant.model.run import Decision, Depths, Diagnosis, Finding, Incident, Plan
from regrant.ports import Account
from regrant.settings import Allowed

# What a statement in one more policy would repair. Of the others something else is in the way.
_STATEMENT_HELPS = ("NOT_DECLARED", "POLICY_MISSING")


class Reads(msgspec.Struct, frozen=True):
    """What a containment is judged by: the revision, its role with the holds on it, what its tasks logged,
    and the queues."""

    definition: TaskDefinition
    permissions: RolePermissions
    held: tuple[Hold, ...]
    found: Found
    depths: Depths


def judge(
    incident: Incident, state: ServiceState, reads: Reads, allowed: Allowed, aws: Account, now: str
) -> Diagnosis:
    """What the catalogue declares against what the role has, and the denials that show it."""
    service, entry = incident.service, incident.entry
    assert service is not None and entry is not None  # `diagnose` refused everything else
    definition, permissions, held, found = reads.definition, reads.permissions, reads.held, reads.found
    # What another service was granted goes with its incident, so this one has to hold it as well.
    standing = tuple(hold for hold in held if not is_lost(hold, permissions.shown, now))
    own = {hold.policy for hold in standing if hold.service == str(service)}
    granted = {hold.policy for hold in standing} - own
    read = replace(definition, logs=found.routes)
    stack = stack_at(aws.settings, permissions.role)
    diagnosis = conclude(incident, read, permissions.without(granted), found.log, now, stack, standing)
    if diagnosis.next == "NOTHING_TO_FIX" and (refusal := own_trial(incident, standing, found.log)):
        diagnosis = replace(diagnosis, refusal=refusal)
    diagnosis = _without_barred(diagnosis, permissions, stack)
    diagnosis = as_far_as_replaceable(diagnosis, service, state, definition, allowed)
    findings = diagnosis.findings
    if any(finding.code == MISSING_STATEMENT for finding in findings):
        from regrant.diagnosis.missing import on_other_roles

        findings = (*findings, *on_other_roles(findings, definition, entry, allowed, aws))
    return replace(
        diagnosis,
        depths=reads.depths,
        granted=granted_by_others(standing, incident.id),
        findings=(
            *findings,
            *taken_off_findings(permissions.role, held, permissions.attached),
            *elsewhere(definition),
            *unread(found),
            *other_streams(found),
        ),
    )


def conclude(
    incident: Incident,
    definition: TaskDefinition,
    permissions: RolePermissions,
    log: LogLines,
    now: str,
    stack: Stack,
    held: tuple[Hold, ...] = (),
) -> Diagnosis:
    """Findings and decision from what was read, with the holds on the role that stand."""
    entry = incident.entry
    assert entry is not None
    logged = read_calls(log.lines)
    complete = log.complete and len(logged) <= KINDS
    calls = (*calls_from_trigger(incident, logged), *logged[:KINDS])
    judged = ranked((call, _judge(call, entry.ignore_actions, permissions)) for call in calls)
    attach, stays_denied, refusal = choose(judged, permissions)
    if barred := ruled_out(judged, log):
        attach, stays_denied, refusal = (), (), barred
    refusal = refusal or _cannot_attach(attach, permissions)
    if not attach and not refusal:
        refusal = granted_since(judged, held, now)
    by_catalogue = attach and not any(judgement.covering for _, judgement in judged)
    findings = (
        *denial_findings(judged, complete, goes_on=not refusal),
        *_statement(judged, permissions, refusal, stack),
        *nonexistent(permissions),
        *role_findings(permissions.role, entry.task_role),
        *(missing_findings(permissions) if by_catalogue else ()),
    )
    if refusal:
        decision: Decision = "REFUSE" if refusal.outcome == "REFUSED" else "NOTHING_TO_FIX"
        return Diagnosis(decision, now, findings, logs=definition.logs, refusal=refusal)
    if not attach:
        if not judged:
            where = "is logged" if complete else "is in the part of the log that could be read"
            nothing = f"has every declared policy attached, and no denial {where}."
            findings = (*findings, Finding("ALREADY_GRANTED", f"{name_of(permissions.role)} {nothing}"))
        return Diagnosis("NOTHING_TO_FIX", now, findings, logs=definition.logs)
    plan = Plan(
        permissions.role,
        attach,
        entry.redeploy == "always",
        task_definition=definition.arn,
        redeploy_if_needed=entry.redeploy == "if-needed",
    )
    assert permissions.state is not None
    against = planned_against(permissions.state, tuple(p for p in permissions.missing if p.arn in attach))
    return Diagnosis(
        "PLAN" if incident.mode == "plan" else "CHANGE",
        now,
        findings,
        plan=plan,
        logs=definition.logs,
        planned_against=against,
        stays_denied=stays_denied,
    )


def _statement(
    judged: tuple[Judged, ...], permissions: RolePermissions, refusal: Refusal | None, stack: Stack
) -> tuple[Finding, ...]:
    undeclared = tuple(one for one in judged if one[1].cause == "NOT_DECLARED")
    if not undeclared or (refusal and refusal.code not in _STATEMENT_HELPS):
        return ()
    from regrant.diagnosis.missing import statement_findings

    return statement_findings(undeclared, permissions, stack)


def _judge(call: DeniedCall, ignored: tuple[str, ...], permissions: RolePermissions) -> Judgement:
    return IGNORED if is_ignored(call.denial, ignored) else cause_of(call.denial, permissions)


def _without_barred(diagnosis: Diagnosis, permissions: RolePermissions, stack: Stack) -> Diagnosis:
    """Without a plan that attaches what is never granted, or to whom nothing is."""
    plan, role = diagnosis.plan, permissions.state
    if plan is None or role is None:
        return diagnosis
    attach = (policy for policy in permissions.declared if policy.arn in plan.attach)
    refusal = judge_role(role.arn, role.trust, stack.name) or judge_policies(attach, stack)
    if refusal is None:
        return diagnosis
    return diagnosis.refused(refusal)


def _cannot_attach(attach: tuple[str, ...], permissions: RolePermissions) -> Refusal | None:
    if len(permissions.attached) + len(attach) <= permissions.quota or not attach:
        return None
    return Refusal(
        "POLICY_LIMIT",
        f"{name_of(permissions.role)} has {len(permissions.attached)} policies attached and needs"
        f" {len(attach)} more; the account's limit is {permissions.quota}.",
        "Detach a policy that is not needed, or raise the quota 'Managed policies per role'.",
    )
