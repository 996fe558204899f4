"""Contain: attach the missing policies for a time, and see that IAM shows them.

Every step can run twice with the same effect as once: the journal says what will be done before it is done.
"""

from __future__ import annotations

from regrant import grants
from regrant.errors import AttachmentNotVisible, AwsUnavailable, GrantWithdrawn, NotOfThisRun
from regrant.journal import note_answered
from regrant.model.journal import Change
from regrant.model.results import Grant
from regrant.model.run import Incident, Plan, RunState
from regrant.origin.planned import digest_of, plan_and_baseline, raise_if_reported, raise_unless_planned
from regrant.parallel import both
from regrant.ports import Account


def attach_policies(state: RunState, aws: Account, now: str) -> Grant:
    """Attach the plan's policies to its role, each with its hold, and read them back; then give the role
    back.

    Their end is scheduled before. One that another run granted is held by this one too; one that somebody
    attached since the baseline is theirs. Raises AttachmentNotVisible until IAM lists them all
    (boto/boto3#1466), which is tried again: what AttachRolePolicy has answered for is only read then, since
    somebody may have taken it off, and what is not shown in the end is undone. Raises GrantWithdrawn if this
    incident has been undone, or its grant has expired (a run that is redriven after that); NotOfThisRun if
    CaptureBaseline has not planned it for this state; AwsUnavailable, AwsRefused.
    """
    incident, (plan, baseline) = state.incident, plan_and_baseline(state)
    against = state.diagnosis.planned_against if state.diagnosis else None
    ends = baseline.grant_ends_at
    if against is None or not ends or incident.entry is None:
        raise NotOfThisRun(f"The state of {incident.id} attaches nothing: no run sends such a state here.")
    wanted, digest = tuple(policy for policy in plan.attach if policy not in baseline.kept), digest_of(state)
    scheduled, there = both(
        lambda: grants.schedule_end(aws, incident.id, ends), lambda: aws.roles.attached(plan.role)
    )
    theirs = _attached_since(incident, plan, frozenset(wanted) & frozenset(there), aws)
    policies = tuple(policy for policy in wanted if policy not in theirs)
    if not policies:
        if not scheduled:
            raise_unless_planned(aws.journal.load(incident.id), state)
        grants.cancel_end(aws, incident.id, ends)

    def attach(begun_before: tuple[Change, ...]) -> None:
        for change in begun_before:
            _raise_if_withdrawn(incident, change, aws)
        answered_before = _answered(incident, aws) if begun_before else frozenset()
        answered = list[str]()
        try:
            for policy in policies:
                if policy not in answered_before:
                    aws.roles.attach(plan.role, policy)
                    answered.append(policy)
            missing = sorted(set(policies) - set(aws.roles.attached(plan.role)))
            if missing:
                raise AttachmentNotVisible(f"{plan.role} does not show {', '.join(missing)} yet")
        except (AttachmentNotVisible, AwsUnavailable):
            _note_answered(incident, answered, aws, now, digest)
            raise

    try:
        grants.make(aws, incident, against, plan.role, policies, ends, attach, now, digest)
    except NotOfThisRun:
        if scheduled:
            grants.cancel_end(aws, incident.id, ends)
        raise
    return Grant(role=plan.role, attached=policies, at=now)


def _attached_since(incident: Incident, plan: Plan, there: frozenset[str], aws: Account) -> frozenset[str]:
    """What is there although the baseline has it not, no other run granted it and no earlier try of ours."""
    if not there:
        return there
    ours = {change.value for change in aws.journal.load(incident.id).changes if change.kind == "attach"}
    return there - ours - {hold.policy for hold in grants.standing(aws.holds.of(plan.role))}


def _answered(incident: Incident, aws: Account) -> frozenset[str]:
    """What an earlier try has attached, as AWS has answered it."""
    changes = aws.journal.load(incident.id).changes
    return frozenset(c.value for c in changes if c.kind == "attach" and (c.answered_at or c.done_at))


def _note_answered(incident: Incident, answered: list[str], aws: Account, now: str, plan: str) -> None:
    """Before this step is tried again; a try that shows them all records them as done instead."""
    for change in aws.journal.load(incident.id).changes if answered else ():
        if change.kind == "attach" and change.value in answered:
            note_answered(aws.journal, incident.id, change, now, plan)


def _raise_if_withdrawn(incident: Incident, change: Change, aws: Account) -> None:
    held = {(hold.incident, hold.policy) for hold in aws.holds.of(change.target)}
    record = aws.journal.load(incident.id)
    raise_if_reported(record, incident.id)
    undone = any(c.undone_at for c in record.changes if c.kind == "attach")
    if undone or (incident.id, change.value) not in held:
        raise GrantWithdrawn(f"{incident.id} has been undone; start a new run instead of going on with it.")
