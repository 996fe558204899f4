"""What a role may do by its own policies, and what the catalogue's policies would add."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import msgspec
from msgspec.structs import replace

from regrant.iam.breadth import breadth
from regrant.iam.policy import Policy, RoleEvaluation, evaluate_role
from regrant.model.aws import Attachments, RoleState


class RolePermissions(msgspec.Struct, frozen=True, dict=True):
    """A role's policies with their documents, beside those that the catalogue declares for the service.

    role: its ARN. attached: ARNs of its managed policies. identity: those and the inline policies. state: the
    role, whole.
    declared: the catalogue's policies that exist; nonexistent: the ARNs of those that do not.
    quota: how many managed policies the account lets a role have.
    """

    role: str
    attached: tuple[str, ...]
    quota: int
    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    declared: tuple[Policy, ...] = ()
    nonexistent: tuple[str, ...] = ()
    state: RoleState | None = None

    @cached_property
    def missing(self) -> tuple[Policy, ...]:
        """The declared policies that are not attached, narrowest first; sorted once for all calls."""
        return tuple(sorted((p for p in self.declared if p.arn not in self.attached), key=breadth))

    @property
    def shown(self) -> Attachments:
        """What is attached, with the ids of the policies."""
        assert self.state is not None
        ids = {policy.arn: policy.id or None for policy in (*self.identity, *self.declared)}
        return Attachments(self.state.id, {arn: ids.get(arn) for arn in self.attached}, self.state.tags)

    def without(self, policies: Collection[str]) -> RolePermissions:
        """As if those policies (ARNs) were not attached."""
        return replace(
            self,
            attached=tuple(arn for arn in self.attached if arn not in policies),
            identity=tuple(policy for policy in self.identity if policy.arn not in policies),
        )

    def evaluate(self, action: str, resource: str | None, granted: tuple[Policy, ...] = ()) -> RoleEvaluation:
        """What the role may do, with `granted` attached as well."""
        return evaluate_role((*self.identity, *granted), self.boundary, action, resource)
