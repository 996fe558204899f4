"""Diagnose, by the run's mode; for contain: what the catalogue declares against what the role in use has."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from regrant.baseline.drift import ROUNDS, changes_on, planned_against
from regrant.baseline.facts import granted_by_others
from regrant.clock import earlier, seconds_between
from regrant.denials.calls import DeniedCall, calls_from_trigger, read_calls
from regrant.denials.search import DENIAL_TERM, joined, read_depths, read_lines
from regrant.diagnosis.cause import IN_THE_WAY, Judgement, asked_resource, cause_of
from regrant.diagnosis.eligibility import judge_role, judge_service
from regrant.diagnosis.findings import Judged, denial_findings, missing_findings, ranked, role_findings
from regrant.iam.cover import least_cover
from regrant.iam.permissions import RolePermissions
from regrant.model.aws import LogLines, ServiceState, TaskDefinition, name_of
from regrant.model.results import Refusal
from regrant.model.run import Decision, Diagnosis, Finding, Incident, Plan, RunState
from regrant.parallel import all_three, both
from regrant.ports import Account, Logs
from regrant.settings import Allowed

_LOOK_BACK = 15 * 60.0  # seconds
# CloudWatch Logs answers oldest first and reads are bounded, so what is denied now is read on its own.
_RECENT = 120.0
# Kinds of denied calls that are judged; a storm on S3 makes every object a kind of its own.
_KINDS = 2_000


def diagnose(state: RunState, aws: Account, now: str) -> Diagnosis:
    """What is missing (contain), whether the declared role is fit (cure), whose grant has expired (expire).

    Findings, and the plan if there is one. Reads only. A run whose account changes after each plan ends after
    ROUNDS. Raises AwsUnavailable, AwsRefused.
    """
    # Imported here: a run of one mode needs none of the others' code at its cold start.
    if state.incident.mode == "cure":
        from regrant.diagnosis.cure import plan_cure as make_plan
    elif state.incident.mode == "expire":
        from regrant.diagnosis.expiry import plan_expiry as make_plan
    else:
        make_plan = plan_containment
    diagnosis = make_plan(state.incident, aws, now)
    checks = state.diagnosis.checks + 1 if state.diagnosis else 1
    if checks > ROUNDS and diagnosis.plan:
        refusal = changes_on(diagnosis.plan.role)
        return replace(diagnosis, next="REFUSE", plan=None, refusal=refusal, checks=checks)
    return replace(diagnosis, checks=checks)


def plan_containment(incident: Incident, aws: Account, now: str) -> Diagnosis:
    """What the catalogue declares against what the role in use has, and the denials that show it."""
    service, entry = incident.service, incident.entry
    assert service is not None and entry is not None  # OpenIncident refused everything else
    state, allowed = both(
        lambda: aws.services.describe(service), lambda: aws.allowed.read(now, "roles", "execution_roles")
    )
    refusal = judge_service(service, state)
    if refusal or state is None:
        return _refused(refusal, now)
    definition = aws.services.task_definition(state.task_definition)
    refusal = judge_role(definition, allowed)
    if refusal or definition.task_role is None:
        return _refused(refusal, now)
    role = definition.task_role
    since = _begin_of_window(state, now)
    (permissions, held), log, depths = all_three(
        lambda: both(
            lambda: aws.roles.permissions(role, tuple(dict.fromkeys(entry.policies))),
            lambda: aws.holds.of(role),
        ),
        lambda: _denials(aws.logs, definition, since, now),
        lambda: read_depths(aws.queues, entry.health),
    )
    if isinstance(depths, str):
        return _refused(_queue_missing(depths), now)
    # What another service was granted goes with its incident, so this one has to hold it as well.
    own = {hold.policy for hold in held if hold.service == str(service)}
    granted = {hold.policy for hold in held} - own
    diagnosis = conclude(incident, definition, permissions.without(granted), log, now)
    diagnosis = as_far_as_replaceable(diagnosis, definition, allowed)
    return replace(diagnosis, depths=depths, granted=granted_by_others(held, incident.id))


def _denials(logs: Logs, definition: TaskDefinition, since: str, now: str) -> LogLines:
    found = read_lines(logs, definition.logs, DENIAL_TERM, since, now)
    recent = earlier(now, _RECENT)
    if found.complete or seconds_between(since, recent) <= 0:
        return found
    older = tuple(line for line in found.lines if seconds_between(line.at, recent) >= 0)
    return joined(
        LogLines(older, complete=False), read_lines(logs, definition.logs, DENIAL_TERM, recent, now)
    )


def _begin_of_window(state: ServiceState, now: str) -> str:
    """Fifteen minutes ago, or when the deployment in use began: what came before it says nothing of it."""
    begin, began = earlier(now, _LOOK_BACK), state.primary.created_at if state.primary else ""
    return began if began and seconds_between(begin, began) > 0 else begin


def _queue_missing(queue: str) -> Refusal:
    return Refusal(
        "QUEUE_MISSING",
        f"The catalogue names a queue that does not exist: {queue}.",
        "Create it, or correct the catalogue entry.",
    )


def conclude(
    incident: Incident,
    definition: TaskDefinition,
    permissions: RolePermissions,
    log: LogLines,
    now: str,
) -> Diagnosis:
    """Findings and decision from what was read."""
    entry = incident.entry
    assert entry is not None
    logged = read_calls(log.lines)
    complete = log.complete and len(logged) <= _KINDS
    calls = (*calls_from_trigger(incident, logged), *logged[:_KINDS])
    judged = ranked((call, cause_of(call.denial, permissions)) for call in calls)
    attach, refusal = choose(judged, permissions)
    by_catalogue = attach and not any(judgement.covering for _, judgement in judged)
    findings = (
        *denial_findings(judged, complete),
        *_nonexistent(permissions),
        *role_findings(permissions.role, entry.task_role),
        *(missing_findings(permissions) if by_catalogue else ()),
    )
    refusal = refusal or _cannot_attach(attach, permissions)
    if refusal:
        return Diagnosis("REFUSE", now, findings, logs=definition.logs, refusal=refusal)
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
        _decide(incident), now, findings, plan=plan, logs=definition.logs, planned_against=against
    )


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


def _decide(incident: Incident) -> Decision:
    if incident.mode == "plan":
        return "PLAN"
    return "ASK" if incident.entry and incident.entry.approval == "required" else "CHANGE"


def choose(
    judged: tuple[Judged, ...], permissions: RolePermissions
) -> tuple[tuple[str, ...], Refusal | None]:
    """The policies (ARNs) to attach, or why none will do. `judged` is ranked.

    Where no call can be read, what the catalogue declares and the role lacks is the plan.
    """
    absent = [_policy_missing(finding) for finding in _nonexistent(permissions)]
    own = [j for j in judged if j[1].cause not in ("OTHER_PRINCIPAL", "UNREADABLE", "ALREADY_GRANTED")]
    # Tasks of an earlier role may still be in the log, so another principal counts only if it is alone.
    hopeless = [j for j in judged if j[1].cause in (IN_THE_WAY if own else (*IN_THE_WAY, "OTHER_PRINCIPAL"))]
    if hopeless:
        # A policy that does not exist may be the one that would allow it.
        undeclared = hopeless[0][1].cause == "NOT_DECLARED"
        return (), absent[0] if absent and undeclared else _hopeless(*hopeless[0])
    fixable = [call.denial for call, judgement in own if judgement.covering]
    if fixable:
        wanted = tuple((denial.action or "", asked_resource(denial)) for denial in fixable)
        attach = least_cover(permissions.missing, wanted)
        if not attach:
            return (), _contradiction(permissions)
        return tuple(sorted({*attach, *_for_any_resource(own)})), None
    if absent:
        return (), absent[0]
    if judged and all(judgement.cause == "ALREADY_GRANTED" for _, judgement in judged):
        return (), None
    if judged and not permissions.missing:
        return (), _hopeless(*judged[0])
    return tuple(policy.arn for policy in permissions.missing), None


def _for_any_resource(judged: list[Judged]) -> Iterator[str]:
    """Whichever policy may allow a call whose resource is not known, so that one run is enough."""
    for call, judgement in judged:
        if not judgement.certain and asked_resource(call.denial) is None:
            yield from judgement.covering


def _nonexistent(permissions: RolePermissions) -> tuple[Finding, ...]:
    if not permissions.nonexistent:
        return ()
    text = f"The catalogue declares policies that do not exist: {', '.join(permissions.nonexistent)}."
    return (Finding("POLICY_MISSING", text),)


def _policy_missing(finding: Finding) -> Refusal:
    return Refusal("POLICY_MISSING", finding.text, "Create them, or correct the catalogue entry.")


def _hopeless(call: DeniedCall, judgement: Judgement) -> Refusal:
    what = call.denial.action or "a call"
    on = f" on {call.denial.resource}" if call.denial.resource else ""
    return Refusal(judgement.cause, f"{judgement.reason}: {what}{on}.", judgement.next)


def _contradiction(permissions: RolePermissions) -> Refusal:
    names = ", ".join(name_of(policy.arn) for policy in permissions.missing)
    return Refusal(
        "POLICIES_CONFLICT",
        f"Of the declared policies {names}, those that allow one denied call deny another.",
        "Take the Deny out of them, or declare other policies.",
    )


def _cannot_attach(attach: tuple[str, ...], permissions: RolePermissions) -> Refusal | None:
    if len(permissions.attached) + len(attach) <= permissions.quota or not attach:
        return None
    return Refusal(
        "POLICY_LIMIT",
        f"{name_of(permissions.role)} has {len(permissions.attached)} policies attached and needs"
        f" {len(attach)} more; the account's limit is {permissions.quota}.",
        "Detach a policy that is not needed, or raise the quota 'Managed policies per role'.",
    )


def _refused(refusal: Refusal | None, now: str) -> Diagnosis:
    return Diagnosis("REFUSE", now, refusal=refusal)
