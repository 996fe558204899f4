"""Why a call is denied: what its text says, held against what the role may do now.

AWS names one layer in a denial, the first that it met (IAM user guide, "Policy evaluation logic" and
"Troubleshoot access denied error messages"). The message describes the past, the role's policies the
present, so both are checked: a layer that can be read here counts as it is now, the others as the message
says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from regrant.denials.own import asked_resource, is_other_principal
from regrant.iam.permissions import RolePermissions
from regrant.iam.policy import Basis, Policy, RoleEvaluation, evaluate
from regrant.iam.quarantine import is_quarantine, next_of, reason_of
from regrant.model.aws import name_of
from regrant.model.denial import Denial, PolicyType
from regrant.visible import named_action, quoted_arn

Cause: TypeAlias = Literal[
    "MISSING_ATTACHMENT",
    "NOT_DECLARED",
    "OTHER_PRINCIPAL",
    "EXPLICIT_DENY",
    "BOUNDARY",
    "SCP_OR_RCP",
    "SESSION_POLICY",
    "RESOURCE_POLICY",
    "KMS_KEY",
    "ALREADY_GRANTED",
    "UNREADABLE",
    "IGNORED",
    "COMPROMISED_KEY",
]
IN_THE_WAY: tuple[Cause, ...] = (
    "COMPROMISED_KEY",
    "EXPLICIT_DENY",
    "BOUNDARY",
    "SCP_OR_RCP",
    "SESSION_POLICY",
    "RESOURCE_POLICY",
    "KMS_KEY",
    "NOT_DECLARED",
)
"""The causes that no policy of the catalogue fixes, though the task role is the one that is denied."""

# Layers that only the message names, and who can change them.
_OTHER_LAYERS: dict[PolicyType, tuple[Cause, str, str]] = {
    "scp": ("SCP_OR_RCP", "service control policy", "whoever manages the organization's policies"),
    "rcp": ("SCP_OR_RCP", "resource control policy", "whoever manages the organization's policies"),
    "session": ("SESSION_POLICY", "session policy", "whoever writes the code that makes these credentials"),
    "resource": ("RESOURCE_POLICY", "resource policy", "whoever owns the resource"),
    "vpce": ("RESOURCE_POLICY", "VPC endpoint policy", "whoever owns the VPC endpoint"),
    "public_access": ("RESOURCE_POLICY", "Block Public Access setting of S3", "whoever owns the bucket"),
}


class Judgement(msgspec.Struct, frozen=True):
    """A cause with its reason, and what a person does about it.

    covering: the ARNs of the declared policies of which each would allow the call, narrowest first; where
    not `certain`, each may.
    arn: the policy, boundary or resource that is in the way, where it has a name.
    """

    cause: Cause
    reason: str
    next: str = ""
    covering: tuple[str, ...] = ()
    certain: bool = True
    arn: str | None = None


IGNORED = Judgement("IGNORED", "The enrolment says to ignore it (IgnoreActions)")


def cause_of(denial: Denial, permissions: RolePermissions) -> Judgement:
    """The cause of one denial. What is not known stays unknown: no layer is named on a guess."""
    if is_quarantine(denial.denying_policy_arn):  # of a user's, whose key the service has
        return _compromised_key(denial, denial.denying_policy_arn)
    if is_other_principal(denial, permissions.role):
        return _other_principal(denial, permissions.role)
    if denial.policy_type in _OTHER_LAYERS:
        return _other_layer(denial)
    if denial.action is None:
        return _unreadable(denial)
    found = permissions.evaluate(denial.action, asked_resource(denial))
    return _in_the_way(denial, permissions, found) or _grantable(denial, denial.action, permissions, found)


def _compromised_key(denial: Denial, policy: str | None) -> Judgement:
    principal = denial.principal_arn
    return Judgement("COMPROMISED_KEY", reason_of(principal), next_of(quoted_arn(principal, "")), arn=policy)


def _other_principal(denial: Denial, role: str) -> Judgement:
    principal = denial.principal_arn or denial.role_name or "somebody else"
    return Judgement(
        "OTHER_PRINCIPAL",
        f"{principal} is denied, not the task role {name_of(role)}",
        "A grant to the task role would not reach it. See where these credentials come from (an assumed role,"
        " a key in the environment, a profile): give that principal the permission, or use the task role.",
        arn=denial.principal_arn,
    )


def _unreadable(denial: Denial) -> Judgement:
    if denial.encoded:
        return Judgement(
            "UNREADABLE",
            "AWS encoded the reason",
            "Decode it: aws sts decode-authorization-message --encoded-message TEXT",
        )
    operation = f", only the operation {denial.operation}" if denial.operation else ""
    return Judgement(
        "UNREADABLE",
        f"The text does not say which action is denied{operation}",
        "Let the service log the whole error, or find the call in CloudTrail.",
    )


def _other_layer(denial: Denial) -> Judgement:
    """A layer that only the message names."""
    cause, layer, whom = _OTHER_LAYERS[denial.policy_type]
    arn = denial.denying_policy_arn
    if denial.policy_type == "resource" and (denial.action or "").startswith("kms:"):
        cause, layer, whom = "KMS_KEY", "key policy", "the administrators of the key"
    if cause in ("RESOURCE_POLICY", "KMS_KEY") and denial.policy_type == "resource":
        arn = arn or denial.resource
    named = f" {denial.denying_policy_arn}" if denial.denying_policy_arn else ""
    resource = quoted_arn(denial.resource, "")
    verb = "denies it" if denial.effect == "explicit" else "does not allow it"
    if cause == "KMS_KEY" and denial.effect != "explicit":
        verb = f"{verb}, or the key does not exist in this Region"
    return Judgement(
        cause,
        f"A {layer}{named} {verb}",
        f"No policy on the role changes that. Ask {whom} to allow {named_action(denial.action, 'the call')}"
        f"{f' on {resource}' if resource else ''}.",
        arn=arn,
    )


def _in_the_way(denial: Denial, permissions: RolePermissions, found: RoleEvaluation) -> Judgement | None:
    """An explicit deny or the boundary, as the role has them now."""
    if _certain(found.identity.deny):
        return _explicit_deny(denial, permissions.role, found.identity.deny)
    boundary, named = permissions.boundary, denial.policy_type == "boundary"
    if boundary and found.boundary and (found.boundary.answer in ("EXPLICIT_DENY", "IMPLICIT_DENY") or named):
        # Named in the message, and its answer depends on conditions: then AWS knew them.
        return None if found.boundary.answer == "ALLOWED" else _boundary(denial, boundary, found)
    if denial.effect != "explicit":
        return None
    if found.identity.deny and denial.policy_type in ("identity", "unknown"):
        return _explicit_deny(denial, permissions.role, found.identity.deny)
    if denial.policy_type != "unknown":
        return None  # the one that the message names is gone
    if boundary and found.boundary and found.boundary.deny:
        return _boundary(denial, boundary, found)
    return _explicit_deny(denial, permissions.role, None)


def _explicit_deny(denial: Denial, role: str, basis: Basis | None) -> Judgement:
    policy = basis.policy if basis else denial.denying_policy_arn
    if is_quarantine(policy):
        return _compromised_key(denial, policy)
    if policy is None:
        return Judgement(
            "EXPLICIT_DENY",
            "A policy that AWS does not name denies it explicitly, and it is none of the role's own",
            f"No Allow overrides a Deny. Look for one of {named_action(denial.action, 'the call')} in the"
            " resource's policy, the VPC endpoint's policy and the organization's policies.",
        )
    statement = f" (statement {basis.statement})" if basis else ""
    inline = not policy.startswith("arn:")
    # Only a name that IAM gave is shown as one.
    whole = f"the inline policy {policy} of {role}" if inline and basis else quoted_arn(policy, "that policy")
    return Judgement(
        "EXPLICIT_DENY",
        f"{'Inline policy ' if inline else ''}{_shown(policy)}{statement} denies it explicitly",
        f"No Allow overrides a Deny. Ask whoever put it into {whole} whether it is meant; if not, take it"
        " out and start again.",
        arn=role if inline else policy,
    )


def _boundary(denial: Denial, boundary: Policy, found: RoleEvaluation) -> Judgement:
    verb = "denies" if found.boundary and found.boundary.deny else "does not allow"
    return Judgement(
        "BOUNDARY",
        f"The role's permissions boundary {name_of(boundary.arn)} {verb} it",
        f"No policy on the role goes beyond its boundary. Ask whoever owns {boundary.arn} to allow"
        f" {named_action(denial.action, 'the call')}, and start again.",
        arn=boundary.arn,
    )


def _grantable(denial: Denial, action: str, permissions: RolePermissions, found: RoleEvaluation) -> Judgement:
    """Nothing is known to be in the way of a grant: is there one to make?"""
    resource, allow = asked_resource(denial), found.identity.allow
    if _certain(allow):
        if action.startswith("kms:") and denial.policy_type == "unknown" and not found.identity.deny:
            return _key_policy(denial, permissions.role)
        return _already_granted(allow, found.identity.deny)
    certain, possible = _covering(permissions.missing, action, resource)
    if allow:  # on conditions, which another policy with the same ones would meet no better
        possible = tuple(p for p in possible if not set(allow.unknown) <= set(_unknown(p, action, resource)))
    if certain or possible:
        covering = certain or possible
        unknown = () if certain else _unknown(covering[0], action, resource)
        only = "".join(_caveats(unknown, permissions, found))
        return Judgement(
            "MISSING_ATTACHMENT",
            f"{name_of(permissions.role)} lacks {name_of(covering[0].arn)}{only}",
            covering=tuple(policy.arn for policy in covering),
            certain=bool(certain),
        )
    named = denial.policy_type == "identity" and resource is not None
    if allow and not named:
        return _already_granted(allow)
    condition = f"; {_shown(allow.policy)} does only if {_listed(allow.unknown)}" if allow else ""
    return Judgement(
        "NOT_DECLARED",
        f"No policy that the catalogue declares allows it{condition}",
        "If the service is entitled to it, put it into a policy, name that in the enrolment (PolicyArns) and"
        " in GrantablePolicyArns, and start again. If not, the service should not make this call.",
    )


def _covering(
    policies: tuple[Policy, ...], action: str, resource: str | None
) -> tuple[tuple[Policy, ...], tuple[Policy, ...]]:
    """Of policies, narrowest first: those that allow the call for certain, and those that may."""
    answers = [(policy, evaluate((policy,), action, resource)) for policy in policies]
    return (
        tuple(policy for policy, found in answers if found.answer == "ALLOWED"),
        tuple(policy for policy, found in answers if found.answer == "UNKNOWN" and found.allow),
    )


def _caveats(unknown: tuple[str, ...], permissions: RolePermissions, found: RoleEvaluation) -> Iterator[str]:
    """What must be so as well, and cannot be known from the policies."""
    if unknown:
        yield f" (allowed only if {_listed(unknown)})"
    if found.identity.deny:
        deny = found.identity.deny
        yield f" (unless {_shown(deny.policy)} denies it: {_listed(deny.unknown)})"
    if permissions.boundary and found.boundary and found.boundary.answer == "UNKNOWN":
        yield f" (if its permissions boundary {name_of(permissions.boundary.arn)} allows it)"


def _unknown(policy: Policy, action: str, resource: str | None) -> tuple[str, ...]:
    found = evaluate((policy,), action, resource)
    unknown = [basis.unknown for basis in (found.allow, found.deny) if basis]
    return tuple(dict.fromkeys(reason for reasons in unknown for reason in reasons))


def _already_granted(allow: Basis | None, deny: Basis | None = None) -> Judgement:
    only = f" if {_listed(allow.unknown)}" if allow and allow.unknown else ""
    only += f", unless {_shown(deny.policy)} denies it ({_listed(deny.unknown)})" if deny else ""
    return Judgement(
        "ALREADY_GRANTED",
        f"{_shown(allow.policy) if allow else 'The role'} allows it now{only}, though it was denied",
        "If it is still denied, another layer is the cause: a condition, a resource policy, an SCP or a key.",
        arn=allow.policy if allow else None,
    )


def _key_policy(denial: Denial, role: str) -> Judgement:
    key = denial.resource or "the key"
    return Judgement(
        "KMS_KEY",
        f"{name_of(role)} allows it now, so most likely the policy of {key} does not",
        f"Ask the administrators of {quoted_arn(denial.resource, 'the key')} to allow"
        f" {named_action(denial.action, 'the call')} to {role}.",
        arn=denial.resource,
    )


def _certain(basis: Basis | None) -> bool:
    return basis is not None and not basis.unknown


def _shown(policy: str | None) -> str:
    return name_of(policy) if policy else "a policy"


def _listed(reasons: tuple[str, ...]) -> str:
    return " and ".join(reasons)
