"""The reason at the end of AWS's sentence: which kind of policy lacks the Allow, or has the Deny.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html (Block Public Access)
"""

from __future__ import annotations

import re

from regrant.denials.arns import is_whole
from regrant.denials.resource import may_go_on
from regrant.model.denial import Effect, PolicyType

_KINDS: dict[str, PolicyType] = {
    "identity": "identity",
    "resource-": "resource",
    "role": "resource",  # a role's trust policy
    "service": "scp",
    "resource": "rcp",
    "permission": "boundary",
    "session": "session",
    "vpc": "vpce",
}
_KIND = (
    r"(identity-\s*+based|resource-\s*+based|role\s++trust|service\s++control|resource\s++control"
    r"|permissions?\s++boundary|sessions?|vpc\s++endpoint)"
)
_GAP = r"[\s'\"`*,.]*+"
_IMPLICIT = re.compile(
    _GAP
    + r"because\s++no\s++"
    + _KIND
    + r"\b(?:\s++polic\w++)?+(?:\s++allows?+\s++the\s++[\w:-]{1,200}+(?:\s++action)?+)?+",
    re.IGNORECASE,
)
_EXPLICIT = re.compile(
    _GAP + r"with\s++an\s++explicit\s++deny\b(?:\s++in\s++(?:an?|the)\s++" + _KIND + r"\b(?:\s++policy)?+"
    r"(?:(?:,?+\s++with\s++policy\s++ARN)?+\s*+:\s*+[\"'`]?+(arn:[^\s\"'`<>(){}\[\],;]++))?+)?+",
    re.IGNORECASE,
)
# What S3 refuses whatever policies allow.
_PUBLIC_ACCESS = re.compile(
    _GAP + r"because\s++public\b[^\"<>]{0,160}?(?:(?:Block|Ignore)Public(?:Acls|Policy)|RestrictPublicBuckets"
    r"|block\s++public\s++access)(?:[^\"<>.\n]{0,40}?\bsettings?\b)?+",
    re.IGNORECASE,
)
# KMS says both that the key may be elsewhere, and that its policy may lack the Allow or have a Deny.
_KEY_POLICY = re.compile(
    _GAP + r"because\s++the\s++resource\s++does\s++not\s++exist\s++in\s++this\s++Region,"
    r"\s++no\s++resource-based\s++policies"
)


def read_reason(text: str, at: int) -> tuple[Effect, PolicyType, str | None, int]:
    """Effect, kind of policy and denying policy (ARN) in what follows the resource, and where that ends."""
    found = _IMPLICIT.match(text, at)
    if found:
        return "implicit", _policy_type(found[1]), None, found.end()
    found = _EXPLICIT.match(text, at)
    if found:
        policy = (found[2] or "").rstrip(".:*")
        whole = is_whole(policy) and not (found[2] or "").endswith("..") and not may_go_on(text, found.end())
        return "explicit", _policy_type(found[1]), policy if whole else None, found.end()
    found = _PUBLIC_ACCESS.match(text, at)
    if found:
        return "unknown", "public_access", None, found.end()
    found = _KEY_POLICY.match(text, at)
    if found:
        return "unknown", "resource", None, found.end()
    return "unknown", "unknown", None, at


def _policy_type(words: str | None) -> PolicyType:
    words = (words or "").lower()
    return next((kind for begin, kind in _KINDS.items() if words.startswith(begin)), "unknown")
