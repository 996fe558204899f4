"""The calls that are denied before a cure or the end of a grant, and after it: its proof must not fail for
them."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from regrant.clock import earlier
from regrant.denials.calls import read_calls
from regrant.denials.own import is_ignored, is_other_principal
from regrant.denials.search import DENIAL_TERM, find_lines, of_its_tasks, tasks_of
from regrant.diagnosis.cause import IGNORED, Judgement, cause_of
from regrant.diagnosis.choice import bounded, kinds_of
from regrant.diagnosis.findings import denial_findings, ranked
from regrant.diagnosis.unread import no_log, other_streams, unread
from regrant.iam.permissions import RolePermissions
from regrant.model.denial import Denial
from regrant.model.run import Diagnosis, Incident
from regrant.parallel import each
from regrant.ports import Account

LOOK_BACK = 15 * 60.0
"""Seconds of the log in which denied calls are looked for."""
KINDS = 2_000
"""Denied calls that are judged; a storm on S3 makes every object a call of its own."""


def with_staying(diagnosis: Diagnosis, incident: Incident, aws: Account, now: str) -> Diagnosis:
    """The plan of a cure or an expiry, with the denied calls that nobody declared and that it leaves so.

    A cure whose service has no log that can be read is refused, and an expiry tried again later. Only a call
    that neither the role in use nor the one that the tasks will have may make: what works now has to work
    then. Raises AwsUnavailable, AwsRefused.
    """
    plan, entry = diagnosis.plan, incident.entry
    if plan is None or entry is None or not plan.watch or plan.postpone:
        return diagnosis
    assert incident.service is not None  # it has an entry
    tasks = tasks_of(aws.services, incident.service)
    every = find_lines(aws.logs, diagnosis.logs, tasks, DENIAL_TERM, earlier(now, LOOK_BACK), now)
    found = of_its_tasks(every, aws.services, incident.service)
    if (refusal := no_log(plan.task_definition or "", found)) and incident.mode == "expire":
        return replace(diagnosis, plan=replace(plan, postpone=refusal.message))
    if refusal:
        return diagnosis.refused(refusal)
    log, findings = found.log, (*diagnosis.findings, *unread(found), *other_streams(found))
    diagnosis = replace(diagnosis, logs=found.routes, findings=findings)
    then = entry.task_role if incident.mode == "cure" else plan.role
    used = plan.role if plan.new_role else then
    calls = [call for call in read_calls(log.lines) if not is_other_principal(call.denial, used)][:KINDS]
    if not calls:
        return diagnosis
    policies = tuple(dict.fromkeys(entry.policies))
    roles = each(lambda role: aws.roles.permissions(role, policies), tuple({used, then}))
    judged = ranked((call, _judge(call.denial, entry.ignore_actions, roles)) for call in calls)
    staying = bounded([one for one in judged if one[1].cause == "NOT_DECLARED"], judged)
    ignored = [one for one in judged if one[1].cause == "IGNORED"]
    findings = denial_findings((*staying, *ignored), log.complete, goes_on=True)
    if staying:
        from regrant.barred.stack import stack_at
        from regrant.diagnosis.missing import statement_findings

        lacking = next(role for role in roles if role.role == then)
        findings += statement_findings(staying, lacking, stack_at(aws.settings, then))
    return replace(diagnosis, findings=(*diagnosis.findings, *findings), stays_denied=kinds_of(staying))


def _judge(denial: Denial, ignored: tuple[str, ...], roles: Collection[RolePermissions]) -> Judgement:
    """NOT_DECLARED if it is so for each role."""
    if is_ignored(denial, ignored):
        return IGNORED
    anybodys = replace(denial, principal_arn=None, role_name=None)
    found = [cause_of(anybodys, permissions) for permissions in roles]
    return next((each for each in found if each.cause != "NOT_DECLARED"), found[0])
