"""Contain: attach the missing policies for a time, and see that IAM shows them.

Every step can run twice with the same effect as once: the journal says what will be done before it is done.
"""

from __future__ import annotations

from regrant import grants
from regrant.errors import AttachmentNotVisible, GrantWithdrawn
from regrant.model.journal import Change
from regrant.model.results import Grant
from regrant.model.run import Incident, Plan, RunState
from regrant.parallel import both
from regrant.ports import Account


def attach_policies(state: RunState, aws: Account, now: str) -> Grant:
    """Attach the plan's policies to its role, each with its hold, and read them back; then give the role
    back.

    Their end is scheduled before. One that another run granted is held by this one too; one that somebody
    attached since the baseline is theirs. Raises AttachmentNotVisible until IAM lists them all
    (boto/boto3#1466), which is tried again; GrantWithdrawn if this incident has been undone, or its grant has
    expired (a run that is redriven after that); AwsUnavailable, AwsRefused.
    """
    incident, baseline, plan = state.incident, state.baseline, state.diagnosis and state.diagnosis.plan
    assert plan and baseline  # the states before wrote them
    against = state.diagnosis.planned_against if state.diagnosis else None
    assert against is not None  # of every plan
    ends = baseline.grant_ends_at
    assert ends  # of every plan that attaches something
    wanted = tuple(policy for policy in plan.attach if policy not in baseline.kept)
    _, there = both(
        lambda: grants.schedule_end(aws, incident.id, ends), lambda: aws.roles.attached(plan.role)
    )
    theirs = _attached_since(incident, plan, frozenset(wanted) & frozenset(there), aws)
    policies = tuple(policy for policy in wanted if policy not in theirs)
    if not policies:
        grants.cancel_end(aws, incident.id, ends)

    def attach(begun_before: tuple[Change, ...]) -> None:
        for change in begun_before:
            _raise_if_withdrawn(incident, change, aws)
        for policy in policies:
            aws.roles.attach(plan.role, policy)
        missing = sorted(set(policies) - set(aws.roles.attached(plan.role)))
        if missing:
            raise AttachmentNotVisible(f"{plan.role} does not show {', '.join(missing)} yet")

    grants.make(aws, incident, against, plan.role, policies, ends, attach, now)
    return Grant(role=plan.role, attached=policies, at=now)


def _attached_since(incident: Incident, plan: Plan, there: frozenset[str], aws: Account) -> frozenset[str]:
    """What is there although the baseline has it not, no other run granted it and no earlier try of ours."""
    if not there:
        return there
    ours = {change.value for change in aws.journal.load(incident.id).changes if change.kind == "attach"}
    return there - ours - {hold.policy for hold in grants.standing(aws.holds.of(plan.role))}


def _raise_if_withdrawn(incident: Incident, change: Change, aws: Account) -> None:
    held = {(hold.incident, hold.policy) for hold in aws.holds.of(change.target)}
    undone = any(c.undone_at for c in aws.journal.load(incident.id).changes if c.kind == "attach")
    if undone or (incident.id, change.value) not in held:
        raise GrantWithdrawn(f"{incident.id} has been undone; start a new run instead of going on with it.")
