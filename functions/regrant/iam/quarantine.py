"""A denial that says that an access key has leaked: AWS attached its quarantine policy to the key's user.

https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html
"Do NOT remove this policy. Instead, please follow the instructions specified in the support case"
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys-update.html
"""

from __future__ import annotations

import re
from typing import Final

COMPROMISED_KEY: Final = "COMPROMISED_KEY"
# A new version has a new number, and a name of its own in other partitions.
_POLICY = re.compile(r"arn:aws[a-z-]*:iam::aws:policy/AWSCompromisedKeyQuarantine\w*")


def is_quarantine(policy: str | None) -> bool:
    """Whether it is (the ARN of) the policy with which AWS restricts a user whose key has leaked."""
    return policy is not None and _POLICY.fullmatch(policy) is not None


def reason_of(principal: str | None) -> str:
    return f"AWS has quarantined {principal or 'the caller'}: an access key has leaked"


def next_of(principal: str | None) -> str:
    """What AWS asks for, in its order."""
    whose = f" of {principal}" if principal else ""
    return (
        "Grant nothing, and do not take the quarantine policy off: follow AWS's support case (AWS Health, AWS"
        f" Support). Replace the access key{whose}, or better let the service use its task role; set the old"
        " key to inactive, then delete it. See in CloudTrail what was done with it, in every Region, and"
        " remove users, roles, keys and resources that nobody of yours made."
    )
