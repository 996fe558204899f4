"""A policy that is never attached: one that lets its holder change who may do what, or use the stack's own
parts.

It is judged by what it says, wildcards and NotAction included. What a Deny of its own takes away on every
resource does not count; a condition takes nothing away, since it may be met.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from regrant.barred.names import is_of_administrators
from regrant.barred.stack import Stack, calls_on_stack
from regrant.denials.actions import permission_actions
from regrant.iam.policy import Policy, Statement, evaluate
from regrant.model.aws import name_of
from regrant.model.results import Refusal

_NAMED = 3


def judge_policies(policies: Iterable[Policy], stack: Stack) -> Refusal | None:
    """Why the first of them that is never attached is not."""
    return next((refusal for policy in policies if (refusal := judge_policy(policy, stack))), None)


def judge_policy(policy: Policy, stack: Stack) -> Refusal | None:
    """Why this policy is never attached, if so."""
    name = name_of(policy.arn)
    if is_of_administrators(policy.arn):
        return Refusal(
            "ADMINISTRATOR_POLICY",
            f"{policy.arn} is a policy for administrators, and no run grants it.",
            "The stack's owner takes it out of GrantablePolicyArns. Declare a policy that allows no more than"
            " the service needs.",
        )
    if any(statement.unreadable and statement.effect != "Deny" for statement in policy.statements):
        return Refusal(
            "POLICY_CHANGES_PERMISSIONS",
            f"{name} has a statement that cannot be read, so it may change permissions; no run grants it.",
            "Correct the policy's text, or declare another one.",
        )
    if actions := tuple(islice(_permissions_changed(policy), _NAMED + 1)):
        return Refusal(
            "POLICY_CHANGES_PERMISSIONS",
            f"{name} lets its holder change permissions ({_first(actions)}), and no run grants such a"
            " policy.",
            "Take those actions out of the policy, or deny them in it on every resource (docs/codes.md), or"
            " let the stack's owner take it out of GrantablePolicyArns.",
        )
    if calls := tuple(islice(dict.fromkeys(calls_on_stack(policy, stack)), _NAMED + 1)):
        return Refusal(
            "REACHES_THE_STACK",
            f"{name} lets its holder use the parts of the stack {stack.name} itself ({_first(calls)}), and no"
            " run grants such a policy.",
            "Name in the policy the resources that the service needs, or deny it those of the stack"
            " (docs/codes.md), or let the stack's owner take it out of GrantablePolicyArns.",
        )
    return None


def _first(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:_NAMED])}{' and more' if len(names) > _NAMED else ''}"


def _permissions_changed(policy: Policy) -> Iterator[str]:
    """The actions, each once."""
    found = dict.fromkeys(
        action
        for statement in policy.statements
        if statement.effect == "Allow"
        for action in _possible(statement)
    )
    # With the denials of the policy itself. The resource is any, so only a Deny on all of them is certain.
    return (action for action in found if evaluate((policy,), action, None).answer != "EXPLICIT_DENY")


def _possible(statement: Statement) -> Iterator[str]:
    """Those that the statement may allow on something."""
    for service, names in permission_actions().items():
        if _reaches(statement, service):
            actions = (f"{service}:{name}" for name in names)
            yield from (action for action in actions if statement.match(action, None).possible)


def _reaches(statement: Statement, service: str) -> bool:
    """Whether it can be about that service: of a long policy most patterns are not, and need not be read."""
    if statement.not_action:
        return True
    services = (pattern.partition(":")[0].lower() for pattern in statement.actions)
    return any(prefix == service or "*" in prefix or "?" in prefix for prefix in services)
