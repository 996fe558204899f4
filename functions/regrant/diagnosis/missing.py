"""The statement that a denied call lacks, and where the permission is if it is near.

Diagnose needs this only where a call is denied that nobody declared, and imports it then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from regrant.barred.stack import Stack, is_of_stack
from regrant.denials.actions import is_action, manages_permissions, takes_no_resource
from regrant.denials.own import asked_resource
from regrant.diagnosis.findings import MISSING_STATEMENT, Judged
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.iam.least import ACTION, RESOURCE, Call, calls_of, least_policy
from regrant.iam.patterns import match_action, match_resource
from regrant.iam.permissions import RolePermissions
from regrant.iam.policy import Policy, Statement
from regrant.model.aws import TaskDefinition, name_of
from regrant.model.catalogue import CatalogueEntry
from regrant.model.denial import Denial
from regrant.model.run import Finding
from regrant.parallel import each
from regrant.ports import Account
from regrant.settings import Allowed

# A statement that a person can read, in a report that stays short: of a storm on S3 each object is a call.
_MOST_CALLS, _LONGEST = 20, 3_000
_MOST_NEAR = 3


def statement_findings(
    judged: Iterable[Judged], permissions: RolePermissions, stack: Stack
) -> tuple[Finding, ...]:
    """The least statement for these calls, which nobody declared, and policies of the role or the catalogue
    that nearly allow them.

    None for a call that a Deny or another layer than the role's policies refused, that manages permissions,
    that is on a part of the stack itself, or whose text is not a whole action and resource.
    """
    found = {call.denial: _stated(call.denial, stack) for call, _ in judged if _could_help(call.denial)}
    calls = list(dict.fromkeys(call for call in found.values() if call))
    taken = list(_as_many_as_fit(calls))
    if not taken:
        return ()
    left = len(calls) - len(taken) + sum(call is None for call in found.values())
    policy = least_policy(taken)
    actions = ", ".join(sorted({action for action, _ in taken}))
    text = f"{name_of(permissions.role)} lacks a statement for {actions}."
    text += " The least one is in the report's `next`."
    if left:
        text += f" It leaves out {left} denied call{'s' if left > 1 else ''}: see the other findings."
    policies = {policy.arn: policy for policy in (*permissions.identity, *permissions.declared)}
    near = dict.fromkeys(finding for call in taken if (finding := _nearest(call, tuple(policies.values()))))
    return (Finding(MISSING_STATEMENT, text, (json.dumps(policy),)), *list(near)[:_MOST_NEAR])


def on_other_roles(
    findings: Sequence[Finding],
    definition: TaskDefinition,
    entry: CatalogueEntry,
    allowed: Allowed,
    aws: Account,
) -> tuple[Finding, ...]:
    """Which of the service's other roles may make the calls: its execution role, its declared role.

    Only roles that the stack lists can be read. AWS's refusal to show one is no reason to end the run.
    """
    calls = [call for finding in findings if finding.code == MISSING_STATEMENT for call in _calls(finding)]
    execution, declared = definition.execution_role, entry.task_role
    others = {role: role in allowed.execution_roles for role in (execution,) if role}
    others |= {declared: declared in allowed.roles}
    roles = tuple(role for role, listed in others.items() if listed and role != definition.task_role)
    if not calls or not roles:
        return ()
    read = each(lambda role: _permissions(role, aws), roles)
    return tuple(
        Finding("PERMISSION_ELSEWHERE", text, (role,))
        for role, permissions in zip(roles, read, strict=True)
        if permissions
        for text in _on_role(calls, permissions, role == declared, definition.task_role or "")
    )


def _could_help(denial: Denial) -> bool:
    """Whether an Allow on the role was what the call lacked, as far as AWS's sentence says."""
    return denial.effect != "explicit" and denial.policy_type in ("identity", "unknown")


def _stated(denial: Denial, stack: Stack) -> Call | None:
    """The call as a statement names it, if its text is exactly that and may be in one."""
    action = denial.action or ""
    service, _, name = action.partition(":")
    if not ACTION.fullmatch(action) or not is_action(service, name) or manages_permissions(service, name):
        return None
    if takes_no_resource(service, name):
        return action, "*"
    resource = asked_resource(denial)
    if not resource or not RESOURCE.fullmatch(resource) or is_of_stack(stack, action, resource):
        return None
    return action, resource


def _as_many_as_fit(calls: Sequence[Call]) -> Iterator[Call]:
    """The first, which are denied most often, as far as they are not too many or too long."""
    length = 0
    for action, resource in calls[:_MOST_CALLS]:
        length += len(action) + len(resource)
        if length > _LONGEST:
            return
        yield action, resource


def _calls(finding: Finding) -> tuple[Call, ...]:
    return calls_of(json.loads(finding.evidence[0]))


def _permissions(role: str, aws: Account) -> RolePermissions | None:
    try:
        return aws.roles.permissions(role, ())
    except (AwsRefused, AwsUnavailable):
        return None


def _on_role(calls: Sequence[Call], permissions: RolePermissions, declared: bool, used: str) -> Iterator[str]:
    answers = [(call, permissions.evaluate(*call)) for call in calls]
    allowed = [(call, found) for call, found in answers if found.answer == "ALLOWED"]
    if not allowed:
        return
    (action, resource), found = allowed[0]
    basis = found.identity.allow
    what = f"{action} on {resource}{f' and {len(allowed) - 1} more' if len(allowed) > 1 else ''}"
    by = f" ({name_of(basis.policy)}, statement {basis.statement})" if basis else ""
    role = name_of(permissions.role)
    if declared:
        yield (
            f"The declared role {role} may do it{by}: {what}. The tasks run as {name_of(used)}; a cure moves"
            " them."
        )
    else:
        yield (
            f"The execution role {role} may do it{by}: {what}. ECS uses that role only to start tasks; what"
            f" the containers call needs it on the task role {name_of(used)}."
        )


def _nearest(call: Call, policies: Sequence[Policy]) -> Finding | None:
    """The statement that allows the action on another resource, or another service's action of that name."""
    near = [
        (len(differs), place, Finding("PERMISSION_ELSEWHERE", text, (policy.arn,)))
        for place, policy in enumerate(policies)
        for statement in policy.statements
        if statement.effect == "Allow" and not statement.unreadable
        for differs, text in _differences(call, policy, statement)
    ]
    return min(near, key=lambda one: one[:2])[2] if near else None


def _differences(call: Call, policy: Policy, statement: Statement) -> Iterator[tuple[str, str]]:
    """The part in which the statement differs from the call, with the sentence that says so."""
    action, resource = call
    if statement.not_action or statement.not_resource:
        return
    where = f"{name_of(policy.arn)} (statement {statement.label}) allows"
    on_it = any(match_resource(each, resource, statement.variables).possible for each in statement.resources)
    if any(match_action(each, action).possible for each in statement.actions):
        for pattern in () if on_it or resource == "*" else statement.resources:
            theirs, ours = _differing(pattern, resource)
            yield ours, f"{where} {action} on {pattern}: {theirs} there, {ours} in the denied call."
    elif on_it:
        for pattern in statement.actions:
            if pattern.partition(":")[2].lower() == action.partition(":")[2].lower():
                yield (
                    action,
                    f"{where} {pattern} on {resource}: {pattern} there, {action} in the denied call.",
                )


def _differing(pattern: str, resource: str) -> tuple[str, str]:
    """What of the pattern and of the ARN is not the same: `arn:aws:ses:` and `arn:aws:sqs:`."""
    theirs, ours = pattern.split(":", 5), resource.split(":", 5)
    if len(theirs) < 6:
        return pattern, resource
    apart = [n for n in range(6) if not _same(theirs[n], ours, n)] or [5]
    first, last = apart[0], apart[-1]
    first = 0 if first < 3 else first  # a service alone would not be seen to be one
    end = ":" if last < 5 else ""
    return f"{':'.join(theirs[first : last + 1])}{end}", f"{':'.join(ours[first : last + 1])}{end}"


def _same(part: str, ours: Sequence[str], number: int) -> bool:
    whole = ":".join(ours)
    return match_resource(":".join((*ours[:number], part, *ours[number + 1 :])), whole, False).certain
