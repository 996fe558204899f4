"""IAM roles and what is attached to them. Roles and policies are ARNs here; the API takes role names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.iam.permissions import RolePermissions
from regrant.iam.policy import Policy
from regrant.model.aws import Attachments, RoleState, name_of
from regrant.parallel import all_three, both, each, later

# Managed policies on a role in any account; more only where it was raised (IAM quotas).
_QUOTA = 10


class IamRoles:
    """Implements ports.Roles. `iam` retries; what `iam_once` makes does not, for the call whose answer
    says who took something off."""

    def __init__(self, iam: Any, iam_once: Callable[[], Any] | None = None) -> None:
        self._iam = iam
        self._once = iam_once

    def permissions(self, role: str, wanted: tuple[str, ...], *, with_quota: bool = True) -> RolePermissions:
        """The role's policies, its boundary and the wanted ones with their documents, read side by side.

        GetRole, ListAttachedRolePolicies, ListRolePolicies, GetRolePolicy for each inline policy, GetPolicy
        and GetPolicyVersion for each managed one, GetAccountSummary where the quota may matter. Raises
        AwsUnavailable, and AwsRefused (denied; NoSuchEntity: no such role, or an inline policy that was
        just deleted).
        """
        declared = {arn: later(partial(self._policy, arn)) for arn in wanted}
        shape = later(partial(self._get_role, role))
        inline = later(partial(self._inline_names, role))
        attached = self.attached(role)
        boundary = shape().get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        others = {arn: later(partial(self._policy, arn)) for arn in {*attached, boundary} - {None, *wanted}}
        reading_inline = {name: later(partial(self._document, role, name)) for name in inline()}
        read = {arn: policy for arn, reading in (declared | others).items() if (policy := reading())}
        documents = {name: document() for name, document in reading_inline.items()}
        return RolePermissions(
            role=role,
            attached=attached,
            quota=self._quota() if with_quota and len({*attached, *wanted}) > _QUOTA else _QUOTA,
            identity=(
                *(read[arn] for arn in attached if arn in read),
                *(Policy(name, document) for name, document in documents.items()),
            ),
            # A boundary whose policy is gone is not known to allow anything.
            boundary=read.get(boundary, Policy(boundary, {})) if boundary else None,
            declared=tuple(read[arn] for arn in wanted if arn in read),
            nonexistent=tuple(arn for arn in wanted if arn not in read),
            state=_role(shape(), attached, documents),
        )

    def attached(self, role: str) -> tuple[str, ...]:
        """ListAttachedRolePolicies: sorted ARNs. Raises AwsUnavailable, AwsRefused (no such role)."""
        with aws_errors():
            pages = self._iam.get_paginator("list_attached_role_policies").paginate(RoleName=name_of(role))
            return tuple(sorted(p["PolicyArn"] for page in pages for p in page["AttachedPolicies"]))

    def attachments(self, role: str, policies: tuple[str, ...] = ()) -> Attachments | None:
        """GetRole and ListAttachedRolePolicies, and GetPolicy for each of the policies that is attached; None
        if there is no such role. Raises AwsUnavailable, AwsRefused (denied)."""
        try:
            shape, attached = both(lambda: self._get_role(role), lambda: self.attached(role))
        except AwsRefused as refused:
            if refused.code == "NoSuchEntity":
                return None
            raise
        asked = tuple(policy for policy in attached if policy in policies)
        ids = dict(zip(asked, each(self._id, asked), strict=True))
        found = {policy: ids.get(policy) for policy in attached}
        return Attachments(shape["RoleId"], found, _tags(shape), shape["AssumeRolePolicyDocument"])

    def read(self, role: str) -> RoleState | None:
        """GetRole, ListAttachedRolePolicies, ListRolePolicies and GetRolePolicy: the whole role, or None.

        Raises AwsUnavailable, and AwsRefused (denied, or an inline policy that was just deleted).
        """
        try:
            shape, attached, inline = all_three(
                lambda: self._get_role(role), lambda: self.attached(role), lambda: self._inline(role)
            )
        except AwsRefused as refused:
            # An inline policy deleted between the list and the read is NoSuchEntity as well.
            if refused.code == "NoSuchEntity" and not self._exists(role):
                return None
            raise
        return _role(shape, attached, inline)

    def read_policies(self, policies: tuple[str, ...]) -> tuple[Policy, ...]:
        """GetPolicy and GetPolicyVersion for each: those that exist, with the documents of their default
        versions. Raises AwsUnavailable, AwsRefused."""
        return tuple(policy for policy in each(self._policy, policies) if policy)

    def attach(self, role: str, policy: str) -> None:
        """AttachRolePolicy. Raises AwsUnavailable, AwsRefused (denied, LimitExceeded, NoSuchEntity)."""
        # Attaching what is attached already succeeds, so this can be repeated.
        with aws_errors():
            self._iam.attach_role_policy(RoleName=name_of(role), PolicyArn=policy)

    def detach(self, role: str, policy: str) -> bool:
        """DetachRolePolicy, sent once; False for what is not there. Raises AwsUnavailable, AwsRefused."""
        assert self._once is not None
        try:
            with aws_errors():
                self._once().detach_role_policy(RoleName=name_of(role), PolicyArn=policy)
        except AwsRefused as refused:
            # Only this code means that it is not attached any more.
            if refused.code != "NoSuchEntity":
                raise
            return False
        return True

    def _get_role(self, role: str) -> dict[str, Any]:
        with aws_errors():
            shape: dict[str, Any] = self._iam.get_role(RoleName=name_of(role))["Role"]
        return shape

    def _exists(self, role: str) -> bool:
        try:
            self._get_role(role)
        except AwsRefused as refused:
            if refused.code == "NoSuchEntity":
                return False
            raise
        return True

    def _inline(self, role: str) -> dict[str, Any]:
        names = self._inline_names(role)
        return dict(zip(names, each(lambda name: self._document(role, name), names), strict=True))

    def _inline_names(self, role: str) -> tuple[str, ...]:
        with aws_errors():
            pages = self._iam.get_paginator("list_role_policies").paginate(RoleName=name_of(role))
            return tuple(name for page in pages for name in page["PolicyNames"])

    def _document(self, role: str, name: str) -> Any:
        with aws_errors():
            return self._iam.get_role_policy(RoleName=name_of(role), PolicyName=name)["PolicyDocument"]

    def _quota(self) -> int:
        with aws_errors():
            summary = self._iam.get_account_summary()["SummaryMap"]
        return int(summary["AttachedPoliciesPerRoleQuota"])

    def _policy(self, policy: str) -> Policy | None:
        """Its default version; None if there is no such policy."""
        try:
            with aws_errors():
                shape = self._iam.get_policy(PolicyArn=policy)["Policy"]
                version = str(shape["DefaultVersionId"])
                read = self._iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]
        except AwsRefused as refused:
            if refused.code == "NoSuchEntity":
                return None
            raise
        return Policy(policy, read["Document"], version, str(shape["PolicyId"]))

    def _id(self, policy: str) -> str | None:
        """None if it is gone since it was listed."""
        try:
            with aws_errors():
                return str(self._iam.get_policy(PolicyArn=policy)["Policy"]["PolicyId"])
        except AwsRefused as refused:
            if refused.code == "NoSuchEntity":
                return None
            raise


def _role(shape: dict[str, Any], attached: tuple[str, ...], inline: dict[str, Any]) -> RoleState:
    return RoleState(
        arn=shape["Arn"],
        attached=attached,
        inline=inline,
        boundary=shape.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        trust=shape["AssumeRolePolicyDocument"],
        tags=_tags(shape),
        id=shape["RoleId"],
    )


def _tags(shape: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in shape.get("Tags", [])}
