"""Plan to leave a temporary grant for good: its owner has attached the policy where the role is managed, or
wants it where it is."""

from __future__ import annotations

from regrant.barred.policy import judge_policies
from regrant.barred.role import judge_role
from regrant.barred.stack import stack_at
from regrant.baseline.drift import planned_against
from regrant.diagnosis.expiry import nothing_left, out_of_reach
from regrant.grants import attachments_of, is_lost, is_there
from regrant.model.aws import Attachments, ServiceState, name_of
from regrant.model.journal import Hold
from regrant.model.run import Diagnosis, Finding, Incident, Plan
from regrant.ports import Account
from regrant.settings import Allowed


def plan_keep(
    incident: Incident, state: ServiceState | None, allowed: Allowed, aws: Account, now: str
) -> Diagnosis:
    """The plan, or NOTHING_TO_FIX where nothing is left of the grant. Reads only. Raises AwsUnavailable,
    AwsRefused.

    Nothing is left only of what is lost for certain. What one read does not show is kept like the rest:
    WithdrawGrants looks at it again, and takes nothing off. What is never granted is not kept, either: its
    text may have changed since, and it ends with its time.
    """
    role = incident.role
    assert role is not None  # OpenIncident has it from the journal
    own = [hold for hold in aws.holds.of(role) if hold.incident == incident.expires]
    if refusal := out_of_reach(own, role, allowed, aws.settings.region):
        return Diagnosis("REFUSE", now, refusal=refusal)
    was = aws.roles.read(role) if own else None
    there = attachments_of(was) if was else None
    left = [hold for hold in own if not is_lost(hold, there, now)]
    if was is None or not left:
        return Diagnosis("NOTHING_TO_FIX", now, tuple(nothing_left(incident, own, was)))
    findings = tuple(
        Finding("TEMPORARY_GRANT", _temporary(role, hold, there), (hold.policy,)) for hold in left
    )
    plan = Plan(
        role,
        (),
        redeploy=False,
        keep=tuple(sorted(hold.policy for hold in own)),
        watch=False,
    )
    policies = aws.roles.read_policies(plan.keep)
    stack = stack_at(aws.settings, role)
    if refusal := judge_role(role, was.trust, stack.name) or judge_policies(policies, stack):
        return Diagnosis("REFUSE", now, findings, refusal=refusal)
    return Diagnosis("CHANGE", now, findings, plan, planned_against=planned_against(was, policies))


def _temporary(role: str, hold: Hold, there: Attachments | None) -> str:
    what = f"{name_of(hold.policy)} is on {name_of(role)} as the temporary grant of run {hold.incident}"
    unshown = "" if is_there(hold, there) else " IAM did not show it in this read, which can be stale."
    return f"{what}, until {hold.expires_at or 'no time'}.{unshown}"
