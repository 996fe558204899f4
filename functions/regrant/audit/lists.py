"""What stands in the owner's lists and must not: policies that no run grants, roles that none touches."""

from __future__ import annotations

from regrant.audit.found import Neglected
from regrant.audit.grants import Look
from regrant.audit.start import Due
from regrant.barred.policy import judge_policies
from regrant.barred.role import judge_role
from regrant.barred.stack import stack_at
from regrant.errors import AwsRefused
from regrant.model.results import Refusal
from regrant.parallel import each
from regrant.ports import Account


def look_at_lists(looked: tuple[Look, ...], aws: Account, now: str) -> tuple[Due, ...]:
    """Reads only: the text of each grantable policy, and the roles as they were looked at. A policy that AWS
    refuses to show keeps none of the others from being judged. Raises AwsUnavailable, and AwsRefused for the
    list."""
    settings = aws.settings
    stack = stack_at(settings, settings.state_machine)

    def judge(policy: str) -> Due | None:
        try:
            return _due(policy, judge_policies(aws.roles.read_policies((policy,)), stack), now)
        except AwsRefused as error:
            return _found(policy, f"It cannot be judged: {error}", now)

    roles = (_due(at.role, judge_role(at.role, at.there.trust, stack.name), now) for at in looked if at.there)
    policies = each(judge, tuple(sorted(aws.allowed.read(now, "policies").policies)))
    return tuple(due for due in (*roles, *policies) if due)


def _due(arn: str, refusal: Refusal | None, now: str) -> Due | None:
    if refusal is None:
        return None
    return _found(arn, f"{refusal.code}: {refusal.message} {refusal.next}", now)


def _found(arn: str, why: str, now: str) -> Due:
    return Due(Neglected("refused list entry", "-", arn, now, why, waits=True))
