"""Diagnose, by the run's mode; for contain: what the catalogue declares against what the role in use has."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from regrant.baseline.drift import ROUNDS, changes_on, digest_of_entry, planned_against
from regrant.baseline.facts import granted_by_others
from regrant.clock import earlier, seconds_between
from regrant.denials.calls import DeniedCall, calls_from_trigger, read_calls
from regrant.denials.own import is_ignored
from regrant.denials.search import DENIAL_TERM, Found, find_lines, joined, read_depths, tasks_of
from regrant.diagnosis.cause import IGNORED, Judgement, cause_of
from regrant.diagnosis.choice import choose, nonexistent
from regrant.diagnosis.eligibility import judge_role, judge_service
from regrant.diagnosis.findings import (
    MISSING_STATEMENT,
    Judged,
    denial_findings,
    missing_findings,
    ranked,
    role_findings,
    taken_off_findings,
)
from regrant.diagnosis.no_grant import own_trial, ruled_out
from regrant.diagnosis.replaceable import as_far_as_replaceable
from regrant.diagnosis.staying import KINDS, LOOK_BACK, with_staying
from regrant.diagnosis.unread import elsewhere, no_log, unread
from regrant.grants import is_lost
from regrant.iam.permissions import RolePermissions
from regrant.model.aws import LogLines, ServiceState, TaskDefinition, name_of
from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.results import Refusal
from regrant.model.run import Decision, Diagnosis, Finding, Incident, Plan, RunState
from regrant.opening.catalogue import read_entry
from regrant.parallel import all_three, both
from regrant.ports import Account
from regrant.settings import Allowed, ListName

# CloudWatch Logs answers oldest first and reads are bounded, so what is denied now is read on its own.
_RECENT = 120.0
# What an entry and a plan are judged by.
_LISTS: tuple[ListName, ...] = ("roles", "policies", "clusters", "execution_roles")
# What a statement in one more policy would repair. Of the others something else is in the way.
_STATEMENT_HELPS = ("NOT_DECLARED", "POLICY_MISSING")


def diagnose(state: RunState, aws: Account, now: str) -> Diagnosis:
    """What is missing (contain), whether the declared role is fit (cure), which grant has expired (expire) or
    is to stay (keep).

    Findings, and the plan if there is one, by the catalogue entry as it is now. Reads only. A run whose
    account changes after each plan ends after ROUNDS. Raises AwsUnavailable, AwsRefused.
    """
    before, service = state.diagnosis, state.incident.service
    assert service is not None  # OpenIncident refused everything else
    found, (text, allowed) = both(
        lambda: aws.services.describe(service), lambda: aws.allowed.read_with_entry(service, now, *_LISTS)
    )
    incident, refusal = _by_entry(
        state.incident, read_entry(text, service, allowed, aws.settings.catalogue_prefix)
    )
    diagnosis = _refused(refusal, now) if refusal else _make_plan(incident, found, allowed, aws, now)
    if incident.mode in ("cure", "expire"):
        diagnosis = with_staying(diagnosis, incident, aws, now)
    if against := diagnosis.planned_against:
        diagnosis = replace(diagnosis, planned_against=replace(against, entry=digest_of_entry(text)))
    # The state machine has the incident as it was opened, and loses the earlier diagnosis with its entry.
    if incident.entry != state.incident.entry or (before and before.entry is not UNSET):
        diagnosis = replace(diagnosis, entry=incident.entry)
    checks = before.checks + 1 if before else 1
    if checks > ROUNDS and diagnosis.plan:
        refusal = changes_on(diagnosis.plan.role)
        return replace(diagnosis, next="REFUSE", plan=None, refusal=refusal, checks=checks)
    return replace(diagnosis, checks=checks)


def _by_entry(incident: Incident, entry: CatalogueEntry | Refusal) -> tuple[Incident, Refusal | None]:
    """The incident with the entry as it is now, or why it cannot go on with that.

    A run that ends a grant goes on without one: the grant would outlive its time.
    """
    if isinstance(entry, CatalogueEntry):
        return replace(incident, entry=entry, no_entry=None), None
    if incident.mode not in ("expire", "keep"):
        return incident, entry
    return replace(incident, entry=None, no_entry=entry), None


def _make_plan(
    incident: Incident, state: ServiceState | None, allowed: Allowed, aws: Account, now: str
) -> Diagnosis:
    # Imported here: a run of one mode needs none of the others' code at its cold start.
    if incident.mode == "cure":
        from regrant.diagnosis.cure import plan_cure as make_plan
    elif incident.mode == "expire":
        from regrant.diagnosis.expiry import plan_expiry as make_plan
    elif incident.mode == "keep":
        from regrant.diagnosis.keep import plan_keep as make_plan
    else:
        make_plan = plan_containment
    return make_plan(incident, state, allowed, aws, now)


def plan_containment(
    incident: Incident, state: ServiceState | None, allowed: Allowed, aws: Account, now: str
) -> Diagnosis:
    """What the catalogue declares against what the role in use has, and the denials that show it."""
    service, entry = incident.service, incident.entry
    assert service is not None and entry is not None  # `diagnose` refused everything else
    refusal = judge_service(service, state)
    if refusal or state is None:
        return _refused(refusal, now)
    definition = aws.services.task_definition(state.task_definition)
    refusal = judge_role(definition, allowed)
    if refusal or definition.task_role is None:
        return _refused(refusal, now)
    role = definition.task_role
    since = _begin_of_window(state, now)
    (permissions, held), found, depths = all_three(
        lambda: both(
            lambda: aws.roles.permissions(role, tuple(dict.fromkeys(entry.policies))),
            lambda: aws.holds.of(role),
        ),
        lambda: _denials(aws, service, definition, since, now),
        lambda: read_depths(aws.queues, entry.health),
    )
    if isinstance(depths, str):
        return _refused(_queue_missing(depths), now)
    if refusal := no_log(definition.arn, found):
        return _refused(refusal, now)
    # What another service was granted goes with its incident, so this one has to hold it as well.
    standing = tuple(hold for hold in held if not is_lost(hold, permissions.shown, now))
    own = {hold.policy for hold in standing if hold.service == str(service)}
    granted = {hold.policy for hold in standing} - own
    log = found.log
    read = replace(definition, logs=found.routes)
    diagnosis = conclude(incident, read, permissions.without(granted), log, now)
    if diagnosis.next == "NOTHING_TO_FIX" and (refusal := own_trial(incident, standing, log)):
        diagnosis = replace(diagnosis, refusal=refusal)
    diagnosis = as_far_as_replaceable(diagnosis, service, state, definition, allowed)
    findings = diagnosis.findings
    if any(finding.code == MISSING_STATEMENT for finding in findings):
        from regrant.diagnosis.missing import on_other_roles

        findings = (*findings, *on_other_roles(findings, definition, entry, allowed, aws))
    return replace(
        diagnosis,
        depths=depths,
        granted=granted_by_others(standing, incident.id),
        findings=(
            *findings,
            *taken_off_findings(role, held, permissions.attached),
            *elsewhere(definition),
            *unread(found),
        ),
    )


def _denials(aws: Account, service: Service, definition: TaskDefinition, since: str, now: str) -> Found:
    tasks = tasks_of(aws.services, service)
    found = find_lines(aws.logs, definition.logs, tasks, DENIAL_TERM, since, now)
    recent = earlier(now, _RECENT)
    if found.log.complete or seconds_between(since, recent) <= 0:
        return found
    older = tuple(line for line in found.log.lines if seconds_between(line.at, recent) >= 0)
    lately = find_lines(aws.logs, found.routes, tasks, DENIAL_TERM, recent, now)
    return found._replace(log=joined(LogLines(older, complete=False), lately.log))


def _begin_of_window(state: ServiceState, now: str) -> str:
    """Fifteen minutes ago, or when the deployment in use began: what came before it says nothing of it."""
    begin, began = earlier(now, LOOK_BACK), state.primary.created_at if state.primary else ""
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
    complete = log.complete and len(logged) <= KINDS
    calls = (*calls_from_trigger(incident, logged), *logged[:KINDS])
    judged = ranked((call, _judge(call, entry.ignore_actions, permissions)) for call in calls)
    attach, stays_denied, refusal = choose(judged, permissions)
    if barred := ruled_out(judged, log):
        attach, stays_denied, refusal = (), (), barred
    refusal = refusal or _cannot_attach(attach, permissions)
    by_catalogue = attach and not any(judgement.covering for _, judgement in judged)
    findings = (
        *denial_findings(judged, complete, goes_on=not refusal),
        *_statement(judged, permissions, refusal),
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
        _decide(incident),
        now,
        findings,
        plan=plan,
        logs=definition.logs,
        planned_against=against,
        stays_denied=stays_denied,
    )


def _statement(
    judged: tuple[Judged, ...], permissions: RolePermissions, refusal: Refusal | None
) -> tuple[Finding, ...]:
    undeclared = tuple(one for one in judged if one[1].cause == "NOT_DECLARED")
    if not undeclared or (refusal and refusal.code not in _STATEMENT_HELPS):
        return ()
    from regrant.diagnosis.missing import statement_findings

    return statement_findings(undeclared, permissions)


def _judge(call: DeniedCall, ignored: tuple[str, ...], permissions: RolePermissions) -> Judgement:
    return IGNORED if is_ignored(call.denial, ignored) else cause_of(call.denial, permissions)


def _decide(incident: Incident) -> Decision:
    if incident.mode == "plan":
        return "PLAN"
    return "ASK" if incident.entry and incident.entry.approval == "required" else "CHANGE"


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
