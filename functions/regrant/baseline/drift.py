"""Is the account still the one that the plan was made from? Two reads that agree are neither stale nor
moved."""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from regrant.baseline.facts import facts, fingerprint
from regrant.iam.policy import Policy
from regrant.model.aws import PolicyMark, RoleState, name_of
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis, PlannedAgainst

ROUNDS = 3
"""How often a run makes a plan of an account that goes on changing under it."""


def planned_against(
    role: RoleState, policies: tuple[Policy, ...] = (), new_role: RoleState | None = None
) -> PlannedAgainst:
    """The role as a plan is made from it, the policies that it relies on, and the role a cure moves to."""
    return PlannedAgainst(
        role.attached, rest_of(role), marks(policies), digest(new_role) if new_role else None, role
    )


def drift(against: PlannedAgainst, role: RoleState, granted: tuple[str, ...]) -> tuple[str, ...]:
    """What is different from when the plan was made; what other incidents were `granted` since is not."""
    attachments = tuple(sorted(({*against.attached} ^ {*role.attached}) - {*granted}))
    return (*attachments, *(["the role itself"] if rest_of(role) != against.rest else []))


def moved_policies(against: PlannedAgainst, policies: tuple[Policy, ...]) -> tuple[str, ...]:
    """The policies (ARNs) of the plan that are gone, were made again, or have another text."""
    now = marks(policies)
    return tuple(arn for arn, mark in against.policies.items() if now.get(arn) != mark)


def moved_since(before: Diagnosis, after: Diagnosis) -> tuple[str, ...]:
    """What is different from when the plan of before was made, in words: nothing where one of them has none.
    What other incidents were granted since is not."""
    was, now = before.planned_against, after.planned_against
    if was is None or now is None or before.plan is None or after.plan is None:
        return ()
    if before.plan.role != after.plan.role:
        return ("the service's role",)
    attachments = sorted(({*was.attached} ^ {*now.attached}) - {*before.granted, *after.granted})
    texts = sorted(
        arn for arn in {*was.policies, *now.policies} if was.policies.get(arn) != now.policies.get(arn)
    )
    others = {
        f"the role {name_of(after.plan.role)} itself": was.rest != now.rest,
        f"the role {name_of(after.plan.new_role or '')}": was.new_role != now.new_role,
        "the service's task definition": before.plan.task_definition != after.plan.task_definition,
        "the catalogue entry": was.entry != now.entry,
    }
    return (
        *(f"whether {name_of(arn)} is attached" for arn in attachments),
        *(f"policy {name_of(arn)}" for arn in texts if arn not in attachments),
        *(what for what, differs in others.items() if differs),
    )


def marks(policies: tuple[Policy, ...]) -> dict[str, PolicyMark]:
    """Which text of each policy it is, by ARN."""
    return {policy.arn: policy.mark for policy in policies}


def digest_of_entry(text: str | None) -> str | None:
    """SHA-256 of a catalogue entry's text; None if there is none."""
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def changes_on(role: str) -> Refusal:
    """For a run that has made its last plan of the role (ARN)."""
    return Refusal(
        "ACCOUNT_MOVING",
        f"{name_of(role)} or the service was changed by somebody after each of {ROUNDS} plans.",
        "Find out who is changing them, and start again when they have finished. The hourly audit starts"
        " an overdue expiry again.",
    )


def digest(role: RoleState) -> str:
    """SHA-256 of the role with its attachments."""
    return fingerprint(facts(role, None))


def rest_of(role: RoleState) -> str:
    return digest(replace(role, attached=()))
