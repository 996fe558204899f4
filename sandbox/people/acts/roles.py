"""What people and Terraform do to roles and policies."""

from __future__ import annotations

import json
from typing import Any

from sandbox.people.place import POLICIES, ROLES, Place
from sandbox.scenarios.seeds import retainwise

_READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
# Not sqs:*, which no run grants.
_WIDER = "sqs:*Message* sqs:GetQueue* sqs:PurgeQueue"
_THEIRS = {"Effect": "Allow", "Action": ["s3:*", "dynamodb:*", "logs:*"], "Resource": "*"}
_QUEUE = f"arn:aws:sqs:{retainwise.REGION}:{retainwise.ACCOUNT}:{retainwise.QUEUE}"


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _arn(policy: str) -> str:
    return retainwise.policy_arn(POLICIES[policy])


def detach(place: Place, role: str = "old", policy: str = "receive") -> None:
    place.iam.detach_role_policy(RoleName=ROLES[role], PolicyArn=_arn(policy))


def attach(place: Place, role: str = "old", policy: str = "receive") -> None:
    place.iam.attach_role_policy(RoleName=ROLES[role], PolicyArn=_arn(policy))


def attach_another(place: Place, role: str = "old") -> None:
    """A policy that is no matter of the runbook's."""
    place.iam.attach_role_policy(RoleName=ROLES[role], PolicyArn=_READ_ONLY)


def tag(place: Place, role: str = "old", key: str = "seen-by", value: str = "a colleague") -> None:
    place.iam.tag_role(RoleName=ROLES[role], Tags=[{"Key": key, "Value": value}])


def keep(place: Place, role: str = "old", policy: str = "receive") -> None:
    """Say for good, by a tag, that a policy is the role owner's."""
    tag(place, role, "regrant:keep", POLICIES[policy])


def untag(place: Place, role: str = "old", key: str = "regrant:keep") -> None:
    place.iam.untag_role(RoleName=ROLES[role], TagKeys=[key])


def allow_inline(place: Place, role: str = "old") -> None:
    """Repair it for good in another way."""
    allow = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    place.iam.put_role_policy(
        RoleName=ROLES[role], PolicyName="sqs-for-good", PolicyDocument=_document(allow)
    )


def deny(place: Place, role: str = "old") -> None:
    """Freeze the role: whatever is attached, its calls of SQS are denied."""
    freeze = {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}
    place.iam.put_role_policy(RoleName=ROLES[role], PolicyName="freeze", PolicyDocument=_document(freeze))


def lift_deny(place: Place, role: str = "old") -> None:
    place.iam.delete_role_policy(RoleName=ROLES[role], PolicyName="freeze")


def bound(place: Place, role: str = "old") -> None:
    arn = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/their-boundary"
    if arn not in [each["Arn"] for each in place.iam.list_policies(Scope="Local")["Policies"]]:
        place.iam.create_policy(PolicyName="their-boundary", PolicyDocument=_document(_THEIRS))
    place.iam.put_role_permissions_boundary(RoleName=ROLES[role], PermissionsBoundary=arn)


def unbound(place: Place, role: str = "old") -> None:
    place.iam.delete_role_permissions_boundary(RoleName=ROLES[role])


def new_version(place: Place, policy: str = "receive") -> None:
    """One more action, in a new default version."""
    arn = _arn(policy)
    more = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    text = _document(
        {"Effect": "Allow", "Action": retainwise.ACTIONS[POLICIES[policy]], "Resource": _QUEUE}, more
    )
    place.iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)


def delete_policy(place: Place, policy: str = "receive") -> None:
    arn = _arn(policy)
    for role in ROLES.values():
        if arn in place.on_role(role):
            place.iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    for version in place.iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            place.iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    place.iam.delete_policy(PolicyArn=arn)


def create_policy(place: Place, policy: str = "receive", actions: str = "", resource: str = _QUEUE) -> None:
    name = POLICIES[policy]
    listed = actions.split() or retainwise.ACTIONS[name]
    statement = {"Effect": "Allow", "Action": listed, "Resource": resource}
    place.iam.create_policy(PolicyName=name, Path="/retainwise/", PolicyDocument=_document(statement))


def replace_policy(place: Place, policy: str = "receive", actions: str = _WIDER) -> None:
    """As Terraform replaces one: deleted, created with other content, attached again. It is v1 again."""
    arn = _arn(policy)
    had = [role for role in ROLES.values() if arn in place.on_role(role)]
    delete_policy(place, policy)
    create_policy(place, policy, actions, "*")
    for role in had:
        place.iam.attach_role_policy(RoleName=role, PolicyArn=arn)


def delete_role(place: Place, role: str = "old") -> None:
    name = ROLES[role]
    for arn in place.on_role(name):
        place.iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    for inline in place.iam.list_role_policies(RoleName=name)["PolicyNames"]:
        place.iam.delete_role_policy(RoleName=name, PolicyName=inline)
    place.iam.delete_role(RoleName=name)


def create_role(place: Place, role: str = "old", *policies: str) -> None:
    """As Terraform makes it again, with everything that it needs for good (or only these policies)."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    place.iam.create_role(RoleName=ROLES[role], AssumeRolePolicyDocument=_document(trust))
    place.iam.put_role_policy(
        RoleName=ROLES[role], PolicyName=retainwise.DATA, PolicyDocument=_document(*retainwise.DATA_ACCESS)
    )
    for policy in policies or POLICIES:
        attach(place, role, policy)


ACTS = (
    *(detach, attach, attach_another, tag, keep, untag, allow_inline, deny, lift_deny, bound, unbound),
    *(new_version, delete_policy, create_policy, replace_policy, delete_role, create_role),
)
