"""The role's own word that an attachment is there for good: the tag `regrant:keep`.

Its value names policies, by name or ARN, with blanks between them (IAM allows no commas in a tag's value).
"""

from __future__ import annotations

from regrant.model.aws import Attachments, RoleState, name_of

KEEP = "regrant:keep"


def is_kept_by_tag(policy: str, role: RoleState | Attachments) -> bool:
    """Whether the role's tag names the policy (ARN)."""
    named = role.tags.get(KEEP, "").split()
    return policy in named or name_of(policy) in named
