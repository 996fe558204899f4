"""AWS's sentence of a denial, in all its published variants.

    User: ARN is not authorized to perform: ACTION on resource: RESOURCE because no identity-based policy ...
    User: ARN is not authorized to perform: ACTION with an explicit deny in a service control policy: ARN

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html (with quotes)

Everything is found from the words "authorized to perform", which no service changes. What stands before and
after them is read in windows of fixed size, with possessive patterns, so that the time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from regrant.denials.actions import begins_action, canonical_action, is_action
from regrant.denials.arns import is_whole, role_name
from regrant.denials.resource import read_resource
from regrant.model.denial import Denial, Effect, PolicyType

_SUBJECT = 1200  # an ARN has at most 2048 characters, but a principal's far fewer
_PROSE_BEFORE = 120

_PERFORM = re.compile(r"authorized\s++to\s++perform\b")
# SES puts `…' around the action, other services nothing. Three parts are another cloud's.
_ACTION = re.compile(
    r"\s*+:?+\s*+[`'\"*]{0,2}+([A-Za-z][A-Za-z0-9-]{0,62}+):([A-Za-z][A-Za-z0-9]{0,127}+)(?!\w|:\w)[`'\"*]{0,2}+"
)
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
    r"|permissions?\s++boundary|session|vpc\s++endpoint)"
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
# KMS says both that the key may be elsewhere, and that its policy may lack the Allow or have a Deny.
_KEY_POLICY = re.compile(
    r"(?:\s*+associated\s++with\s++this\s++ciphertext)?+"
    + _GAP
    + r"because\s++the\s++resource\s++does\s++not\s++exist\s++in\s++this\s++Region,"
    r"\s++no\s++resource-based\s++policies"
)
_ENCODED = re.compile(r"[\s.]*+Encoded\s++authorization\s++failure\s++message(?:\s*+:\s*+[\w-]++)?+")
# The text ends within the action.
_ACTION_CUT = re.compile(r"[\s:]*+(?:[A-Za-z][\w-]*+:?+\w*+)?+(?:(\.\.\.|\u2026)|\s*+\Z)")
# Words of somebody who writes about the sentence.
_PROSE = re.compile(
    r"\b(?:how\s++to|fix\w*+|troubleshoot\w*+|if\s++you|docs?|documentation|article|search\w*+|grep\w*+|look\w*+\s++for"
    r"|filter|pattern|match\w*+|such\s++as|example|e\.g|means|phrase|sentence|question|no\s++more)\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?:^|\W)not\Z", re.IGNORECASE)
_TOLD = re.compile(
    r"\b(?:how\s++to\s++\w++|troubleshoot\w*+|if\s++you\s++(?:see|get)|such\s++as|for\s++example|errors?+\s++like"
    r"|fix(?:es|ed|ing)?+)(?:\s++(?:an?|the|this))?+[^\n\w]{0,8}\Z",
    re.IGNORECASE,
)


def is_quoted(text: str, at: int) -> bool:
    """Whether what begins at `at` is only quoted: "how to fix 'User: ...'"."""
    return _TOLD.search(text[max(0, at - 60) : at]) is not None


class Sentence(msgspec.Struct, frozen=True):
    """A sentence and the part of the text that it is."""

    start: int
    end: int
    denial: Denial


def find_sentences(text: str) -> Iterator[Sentence]:
    """The sentences in a text that is already plain, in order."""
    end = 0
    for found in _PERFORM.finditer(text):
        sentence = _read(text, end, found)
        if sentence is not None:
            yield sentence
            end = sentence.end


def _read(text: str, begin: int, perform: re.Match[str]) -> Sentence | None:
    action = _ACTION.match(text, perform.end())
    cut = _ACTION_CUT.match(text, perform.end())
    if action is None and cut is None:
        return None
    head = text[max(begin, perform.start() - _SUBJECT) : perform.start()]
    words = head.rsplit(None, 4)
    if not words or not _NOT.search(words[-1]):
        return None
    start, principal, named = _subject(head, words)
    if is_quoted(text, perform.start() - len(head) + start):
        return None
    if action is None or (cut is not None and (cut[1] or begins_action(*action.groups()))):
        # Who was refused is still known, if not what.
        denial = Denial(principal_arn=principal, role_name=role_name(principal))
        return Sentence(perform.start() - len(head) + start, perform.end(), denial) if principal else None
    resource, end = read_resource(text, action.end())
    effect, policy_type, policy, end = _reason(text, end)
    service, name = action.groups()
    certain = principal is not None or effect != "unknown" or (resource or "").startswith("arn:")
    if not certain and not (is_action(service, name) and (named or _stated(head, words, service))):
        return None
    encoded = _ENCODED.match(text, end)
    if encoded:
        end = encoded.end()
    denial = Denial(
        action=canonical_action(service, name),
        resource=resource,
        principal_arn=principal,
        role_name=role_name(principal),
        effect=effect,
        policy_type=policy_type,
        denying_policy_arn=policy,
        encoded=encoded is not None,
    )
    return Sentence(perform.start() - len(head) + start, end, denial)


def _subject(head: str, words: list[str]) -> tuple[int, str | None, bool]:
    """Where the sentence begins in `head`, the principal's ARN, and whether it has a subject at all."""
    before = words[:-1]
    if before and before[-1].lower() in ("is", "are", "was"):
        before = before[:-1]
    if not before:
        return len(head), None, False
    token = before[-1]
    at = head.rfind(token)
    user_at = head.rfind("User", max(0, at - 8), at)
    begin = at if user_at < 0 else user_at
    arn = token.find("arn:")
    if arn >= 0:
        principal = token[arn:].strip("\"'`*()[]")  # a session's name may end in a comma
        return begin, principal if is_whole(principal) and "..." not in principal else None, True
    user = len(before) > 1 and before[-2].lstrip("\"'`([{*").endswith(("User:", "User"))
    return begin, None, user or token.startswith("User:")


def _stated(head: str, words: list[str], service: str) -> bool:
    """Whether words without a subject are AWS's, not those of somebody who quotes them."""
    first = words[-2] if len(words) > 1 and words[-1] == "not" else words[-1]
    # STS leaves out who may not, so a quote may well stand before its "Not authorized".
    if service.lower() != "sts" and first.startswith(("'", '"', "`", "\u201c", "\u2018")):
        return False
    line = head[-_PROSE_BEFORE:].rsplit("\n", 1)[-1]
    return _PROSE.search(line) is None


def _reason(text: str, at: int) -> tuple[Effect, PolicyType, str | None, int]:
    found = _IMPLICIT.match(text, at)
    if found:
        return "implicit", _policy_type(found[1]), None, found.end()
    found = _EXPLICIT.match(text, at)
    if found:
        policy = (found[2] or "").rstrip(".:*")
        named = policy if is_whole(policy) and not (found[2] or "").endswith("..") else None
        return "explicit", _policy_type(found[1]), named, found.end()
    found = _KEY_POLICY.match(text, at)
    if found:
        return "unknown", "resource", None, found.end()
    return "unknown", "unknown", None, at


def _policy_type(words: str | None) -> PolicyType:
    words = (words or "").lower()
    return next((kind for begin, kind in _KINDS.items() if words.startswith(begin)), "unknown")
