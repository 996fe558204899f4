"""A denial: one AWS call that was refused, as far as a log line or a record says."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Effect: TypeAlias = Literal["implicit", "explicit", "unknown"]
PolicyType: TypeAlias = Literal[
    "identity", "resource", "scp", "rcp", "boundary", "session", "vpce", "public_access", "unknown"
]


class Denial(msgspec.Struct, frozen=True):
    """One refused AWS call; what the text does not say is None, or "unknown".

    action: in IAM's spelling (`sqs:ReceiveMessage`), whatever the service printed.
    resource: as the text names it, without quotes around it: an ARN, `*`, `role NAME`, SQS's queue URL. API
    Gateway hides an account but for four digits (`********9012`).
    principal_arn: who called: an assumed-role session, user, federated user, role or root.
    role_name: of that principal, if it is a role or a session of one; without the role's path.
    effect: implicit, nothing allowed the call; explicit, a Deny statement matched.
    policy_type: the kind of policy that lacks the Allow or has the Deny, or S3's block of public access.
    denying_policy_arn: the policy with the Deny, where AWS names it.
    operation: what the SDK says was called (`PutObject`); not always an action's name.
    encoded: EC2's encoded authorization failure message is there; sts:DecodeAuthorizationMessage decodes it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """

    action: str | None = None
    resource: str | None = None
    principal_arn: str | None = None
    role_name: str | None = None
    effect: Effect = "unknown"
    policy_type: PolicyType = "unknown"
    denying_policy_arn: str | None = None
    operation: str | None = None
    encoded: bool = False


class StaysDenied(msgspec.Struct, frozen=True):
    """A kind of denied calls that a run leaves as it is: one action on one resource, each as Denial has it.

    A resource that ends in `/*` or `:*` stands for every object of an S3 bucket, or every stream of a log
    group.
    """

    action: str
    resource: str | None = None
