"""Plan the end of a grant's time: take it off and watch the service, or say why that cannot be tried now."""

from __future__ import annotations

from regrant.baseline.drift import planned_against
from regrant.clock import seconds_between
from regrant.denials.search import read_depths
from regrant.diagnosis.eligibility import judge_role, judge_service
from regrant.model.aws import ServiceState, TaskDefinition, name_of
from regrant.model.journal import Hold
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis, Finding, Incident, Plan
from regrant.ports import Account
from regrant.settings import Allowed

# Where no task of the service can depend on the grant.
_IDLE = ("UNKNOWN_SERVICE", "SERVICE_INACTIVE", "DESIRED_COUNT_ZERO")


def plan_expiry(
    incident: Incident, state: ServiceState | None, allowed: Allowed, aws: Account, now: str
) -> Diagnosis:
    """The plan, or NOTHING_TO_FIX where nothing is left of the grant. Reads only.

    An expiry is never refused for the state that the service is in: the grant would outlive its time. It is
    tried again later instead (`postpone`). Raises AwsUnavailable, AwsRefused.
    """
    role = incident.role
    assert role is not None  # OpenIncident has it from the journal
    own = [hold for hold in aws.holds.of(role) if hold.incident == incident.expires]
    if refusal := _out_of_reach(own, role, allowed):
        return Diagnosis("REFUSE", now, (_expired(own, role, now),), refusal=refusal)
    was = aws.roles.read(role) if own else None
    if not own or was is None:
        gone = Finding("NO_GRANT", f"Nothing is left of the grant of run {incident.expires}.")
        return Diagnosis("NOTHING_TO_FIX", now, (gone,))
    definition = aws.services.task_definition(state.task_definition) if state else None
    depends, postpone = _judge(incident, role, state, definition, allowed, aws)
    plan = Plan(
        role=role,
        attach=(),
        redeploy=False,
        task_definition=state.task_definition if state else None,
        withdraw=tuple(sorted(hold.policy for hold in own)),
        postpone=postpone,
        watch=depends,
    )
    findings = (_expired(own, role, now), *_use(depends, definition, role))
    routes = definition.logs if definition else ()
    return Diagnosis("CHANGE", now, findings, plan, routes, planned_against=planned_against(was))


def _out_of_reach(own: list[Hold], role: str, allowed: Allowed) -> Refusal | None:
    """A grant that this stack may not take off any more."""
    out = [hold.policy for hold in own if role not in allowed.roles or hold.policy not in allowed.policies]
    if not out:
        return None
    arguments = [f"--role-name {name_of(role)} --policy-arn {policy}" for policy in out]
    commands = "; ".join(f"aws iam detach-role-policy {each}" for each in arguments)
    return Refusal(
        "GRANT_OUT_OF_REACH",
        f"{', '.join(map(name_of, out))} on {name_of(role)} is no longer in this stack's lists.",
        f"When the service does not need it, detach it by hand: {commands}. Or let the stack's owner add it"
        " to ManagedRoleArns and GrantablePolicyArns again, and start the expiry again.",
    )


def _judge(
    incident: Incident,
    role: str,
    state: ServiceState | None,
    definition: TaskDefinition | None,
    allowed: Allowed,
    aws: Account,
) -> tuple[bool, str | None]:
    """Whether the service depends on the grant, and why it cannot be tried now, if so."""
    assert incident.service is not None
    refusal = judge_service(incident.service, state)
    if refusal and refusal.code in _IDLE:
        return False, None
    if refusal:
        return True, refusal.message
    if definition is None or definition.task_role != role:
        return False, None
    if incident.entry is None:
        # Whoever took the service out of the catalogue wants nothing proved of it any more.
        return False, None
    refusal = judge_role(definition, allowed)
    if refusal:
        return True, refusal.message
    depths = read_depths(aws.queues, incident.entry.health)
    return True, f"The queue {depths} does not exist." if isinstance(depths, str) else None


def _expired(own: list[Hold], role: str, now: str) -> Finding:
    names = ", ".join(sorted(name_of(hold.policy) for hold in own))
    first = min(own, key=lambda hold: hold.held_at)
    ends = max(hold.expires_at or "" for hold in own)
    how = "is ended before its time" if ends and seconds_between(now, ends) > 60 else "has expired"
    text = f"The grant of {names} to {name_of(role)} by run {first.incident} {how}"
    return Finding("GRANT_EXPIRED", f"{text}; it was made at {first.held_at}.", (first.why,))


def _use(depends: bool, definition: TaskDefinition | None, role: str) -> tuple[Finding, ...]:
    if depends:
        return (Finding("NOT_CURED", f"The service still runs with {name_of(role)}."),)
    used = definition.task_role if definition else None
    text = (
        f"The service runs with {name_of(used)} now." if used and used != role else "No task depends on it."
    )
    return (Finding("NOT_IN_USE", text),)
