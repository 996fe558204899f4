"""Plan the end of a grant's time: take it off and watch the service, or say why that cannot be tried now."""

from __future__ import annotations

from collections.abc import Iterator

from regrant.baseline.drift import planned_against
from regrant.clock import seconds_between
from regrant.denials.search import read_depths
from regrant.diagnosis.eligibility import judge_role, judge_service
from regrant.diagnosis.unread import elsewhere
from regrant.expiry_window import closed_until
from regrant.grants import attachments_of, is_lost
from regrant.iam.keep_tag import is_kept_by_tag
from regrant.model.aws import RoleState, ServiceState, TaskDefinition, name_of
from regrant.model.catalogue import CatalogueEntry
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
    tried again later instead (`postpone`), as where its schedule is of another ExpiryWindow than the stack's
    is now; a person's run is not held to the window. What the role's tag `regrant:keep` names stays for good.
    Raises AwsUnavailable, AwsRefused.
    """
    role = incident.role
    assert role is not None  # OpenIncident has it from the journal
    own = [hold for hold in aws.holds.of(role) if hold.incident == incident.expires]
    if refusal := out_of_reach(own, role, allowed, aws.settings.region):
        return Diagnosis("REFUSE", now, (_expired(own, role, now),), refusal=refusal)
    was = aws.roles.read(role) if own else None
    if was is None or all(is_lost(hold, attachments_of(was), now) for hold in own):
        return Diagnosis("NOTHING_TO_FIX", now, tuple(nothing_left(incident, own, was)))
    definition = (
        aws.services.task_definition(state.task_definition) if state and state.task_definition else None
    )
    depends, postpone = _judge(incident, role, state, definition, allowed, aws)
    if depends and postpone is None and _is_closed(own, incident, aws, now):
        postpone = "the stack's ExpiryWindow has changed, and is closed now"
    keep = tuple(sorted(hold.policy for hold in own if is_kept_by_tag(hold.policy, was)))
    plan = Plan(
        role=role,
        attach=(),
        redeploy=False,
        task_definition=(state.task_definition or None) if state else None,
        withdraw=tuple(sorted(hold.policy for hold in own if hold.policy not in keep)),
        keep=keep,
        postpone=postpone,
        watch=depends,
    )
    findings = (_expired(own, role, now), *_use(depends, definition, role, incident.entry))
    if definition and depends:
        findings = (*findings, *elsewhere(definition))
    routes = definition.logs if definition else ()
    return Diagnosis("CHANGE", now, findings, plan, routes, planned_against=planned_against(was))


def nothing_left(incident: Incident, own: list[Hold], role: RoleState | None) -> Iterator[Finding]:
    """Why there is nothing to end: no grant, or somebody took it off, perhaps with its role."""
    if not own:
        yield Finding("NO_GRANT", f"Nothing is left of the grant of run {incident.expires}.")
    where, who = name_of(incident.role or ""), "somebody" if role else "somebody, who deleted the role"
    for hold in own:
        text = f"{name_of(hold.policy)} was taken off {where} by {who}. Its record is closed."
        if role and hold.policy in role.attached:
            text = f"{text} It is on {where} again, by somebody else's doing, and stays."
        yield Finding("TAKEN_OFF", text, (hold.policy,))


def out_of_reach(own: list[Hold], role: str, allowed: Allowed, region: str) -> Refusal | None:
    """A grant that this stack may not take off any more."""
    out = [hold.policy for hold in own if role not in allowed.roles or hold.policy not in allowed.policies]
    if not out:
        return None
    arguments = [f"--role-name {name_of(role)} --policy-arn {policy}" for policy in out]
    commands = "; ".join(f"aws iam detach-role-policy {each} --region {region}" for each in arguments)
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
        # Its tasks depend on the grant all the same, and without an entry nothing can be proved.
        unreadable = incident.no_entry and incident.no_entry.code != "NOT_ENROLLED"
        why = incident.no_entry.message[:-1] if incident.no_entry and unreadable else "not enrolled"
        running = sum(each.running for each in state.deployments) if state else 0
        tasks = "1 task runs" if running == 1 else f"{running} tasks run"
        return True, f"{why}, {tasks} with {name_of(role)}"
    refusal = judge_role(definition, allowed)
    if refusal:
        return True, refusal.message
    depths = read_depths(aws.queues, incident.entry.health)
    return True, f"The queue {depths} does not exist." if isinstance(depths, str) else None


def _is_closed(own: list[Hold], incident: Incident, aws: Account, now: str) -> bool:
    window = aws.settings.expiry_window
    return any(closed_until(window, hold.expires_at, incident.opened_at, now) for hold in own)


def _expired(own: list[Hold], role: str, now: str) -> Finding:
    names = ", ".join(sorted(name_of(hold.policy) for hold in own))
    first = min(own, key=lambda hold: hold.held_at)
    ends = max(hold.expires_at or "" for hold in own)
    how = "is ended before its time" if ends and seconds_between(now, ends) > 60 else "has expired"
    text = f"The grant of {names} to {name_of(role)} by run {first.incident} {how}"
    return Finding("GRANT_EXPIRED", f"{text}; it was made at {first.held_at}.", (first.why,))


def _use(
    depends: bool, definition: TaskDefinition | None, role: str, entry: CatalogueEntry | None
) -> tuple[Finding, ...]:
    if depends:
        return (Finding("NOT_CURED", f"The service still runs with {name_of(role)}."),)
    used = definition.task_role if definition else None
    if used is None or used == role:
        return (Finding("NOT_IN_USE", "No task depends on it."),)
    here = Finding("NOT_IN_USE", f"The service runs with {name_of(used)} now.")
    if entry is None or used == entry.task_role:
        return (here,)
    declared = name_of(entry.task_role)
    text = f"The tasks run as {name_of(used)}; the catalogue declares {declared}. They were not watched."
    return here, Finding("WRONG_TASK_ROLE", text, (used, entry.task_role))
