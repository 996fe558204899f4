"""IAM roles and what is attached to them. Roles and policies are ARNs here; the API takes role names."""

from __future__ import annotations

from typing import Any

from regrant.aws.clients import aws_errors
from regrant.concurrency import all_three, each
from regrant.errors import AwsRefused
from regrant.resources import Attachments, RoleState, name_of


class IamRoles:
    """Implements ports.Roles."""

    def __init__(self, iam: Any) -> None:
        self._iam = iam

    def attachments(self, role: str, wanted: tuple[str, ...]) -> Attachments:
        """ListAttachedRolePolicies, GetAccountSummary and GetPolicy for each wanted one, read side by side.

        Raises AwsUnavailable, AwsRefused (NoSuchEntity: no such role).
        """
        attached, quota, exists = all_three(
            lambda: self.attached(role), self._quota, lambda: each(self._policy_exists, wanted)
        )
        nonexistent = tuple(p for p, there in zip(wanted, exists, strict=True) if not there)
        return Attachments(attached=attached, quota=quota, nonexistent=nonexistent)

    def attached(self, role: str) -> tuple[str, ...]:
        """ListAttachedRolePolicies: sorted ARNs. Raises AwsUnavailable, AwsRefused (no such role)."""
        with aws_errors():
            pages = self._iam.get_paginator("list_attached_role_policies").paginate(RoleName=name_of(role))
            return tuple(sorted(p["PolicyArn"] for page in pages for p in page["AttachedPolicies"]))

    def read(self, role: str) -> RoleState | None:
        """GetRole, ListAttachedRolePolicies, ListRolePolicies and GetRolePolicy: the whole role, or None.

        Raises AwsUnavailable, and AwsRefused (denied, or an inline policy that went away meanwhile).
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
        return RoleState(
            arn=shape["Arn"],
            attached=attached,
            inline=inline,
            boundary=shape.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            trust=shape["AssumeRolePolicyDocument"],
            tags={tag["Key"]: tag["Value"] for tag in shape.get("Tags", [])},
        )

    def attach(self, role: str, policy: str) -> None:
        """AttachRolePolicy. Raises AwsUnavailable, AwsRefused (denied, LimitExceeded, NoSuchEntity)."""
        # Attaching what is attached already succeeds, so this can be repeated.
        with aws_errors():
            self._iam.attach_role_policy(RoleName=name_of(role), PolicyArn=policy)

    def detach(self, role: str, policy: str) -> None:
        """DetachRolePolicy; what is not there is detached. Raises AwsUnavailable, AwsRefused."""
        try:
            with aws_errors():
                self._iam.detach_role_policy(RoleName=name_of(role), PolicyArn=policy)
        except AwsRefused as refused:
            # Only this code means that it is not attached any more.
            if refused.code != "NoSuchEntity":
                raise

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
        with aws_errors():
            pages = self._iam.get_paginator("list_role_policies").paginate(RoleName=name_of(role))
            names = tuple(name for page in pages for name in page["PolicyNames"])
        return dict(zip(names, each(lambda name: self._document(role, name), names), strict=True))

    def _document(self, role: str, name: str) -> Any:
        with aws_errors():
            return self._iam.get_role_policy(RoleName=name_of(role), PolicyName=name)["PolicyDocument"]

    def _quota(self) -> int:
        with aws_errors():
            summary = self._iam.get_account_summary()["SummaryMap"]
        return int(summary["AttachedPoliciesPerRoleQuota"])

    def _policy_exists(self, policy: str) -> bool:
        try:
            with aws_errors():
                self._iam.get_policy(PolicyArn=policy)
        except AwsRefused as refused:
            if refused.code == "NoSuchEntity":
                return False
            raise
        return True
