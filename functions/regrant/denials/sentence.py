"""AWS's sentence of a denial, in all its published variants.

    User: ARN is not authorized to perform: ACTION on resource: RESOURCE because no identity-based policy ...
    User: ARN is not authorized to perform: ACTION with an explicit deny in a service control policy: ARN
    ... service role is not authorized to perform the required AWS Marketplace actions (ACTION, ACTION)

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html (with quotes)

Everything is found from the words "authorized to perform", which no service changes. What stands before and
after them is read in windows of fixed size, with possessive patterns, so that the time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from regrant.denials.actions import begins_action, canonical_action, is_action
from regrant.denials.arns import is_whole, role_name
from regrant.denials.reason import read_reason
from regrant.denials.resource import read_resource
from regrant.model.denial import Denial

_SUBJECT = 1200  # an ARN has at most 2048 characters, but a principal's far fewer
_PROSE_BEFORE = 120

_PERFORM = re.compile(r"authorized\s++to\s++perform\b")
# SES puts `…' around the action, other services nothing. Three parts are another cloud's.
_ACTION = re.compile(
    r"\s*+:?+\s*+[`'\"*]{0,2}+([A-Za-z][A-Za-z0-9-]{0,62}+):([A-Za-z][A-Za-z0-9]{0,127}+)(?!\w|:\w)[`'\"*]{0,2}+"
)
# The action in several lines, whose end only the words that follow can show.
_BROKEN_ACTION = re.compile(
    r"\s*+:?+\s*+([A-Za-z][\w-]{0,62}+(?::\w{0,127}+)?(?:[ \t]*+\n[ \t]*+[\w:-]{1,128}+){1,2}?)"
    r"\s++(?:on\s++(?:this\s++|the\s++)?+resource|because\s++|with\s++an\s++explicit)"
)
# Bedrock names what the AWS Marketplace asks for.
_LISTED = re.compile(
    r"(?:\s++[\w-]{1,40}+){0,6}?\s++actions?\s*+[:(]\s*+"
    r"([A-Za-z][\w-]{0,62}+:\w{1,128}+(?:\s*+,\s*+[A-Za-z][\w-]{0,62}+:\w{1,128}+){0,9}+)\s*+\)?+"
)
_LISTED_BY = re.compile(r"Model\s++access\s++is\s++denied\b")
# A service that has no name for the action yet, or none for the caller to see, prints Java's.
_NULL = re.compile(r"\s*+:\s*+[`'\"]?+null\b(?!:)[`'\"]?+")
_ENCODED = re.compile(r"[\s.]*+Encoded\s++authorization\s++failure\s++message(?:\s*+:\s*+[\w-]++)?+")
# The text ends within the action.
_ACTION_CUT = re.compile(r"[\s:]*+(?:[A-Za-z][\w-]*+:?+\w*+)?+(?:(\.\.\.|\u2026)|\s*+\Z)")
# Words of somebody who writes about the sentence.
_PROSE = re.compile(
    r"\b(?:how\s++to|fix\w*+|troubleshoot\w*+|if\s++you|docs?|documentation|article|search\w*+|grep\w*+|look\w*+\s++for"
    r"|filter|pattern|match\w*+|such\s++as|example|e\.g|means|phrase|sentence|question|no\s++more)\b",
    re.IGNORECASE,
)
# What follows a whole action.
_AFTER = re.compile(r"\s*+(?:on|because|with|for|\(Service)\b|\s*+\Z")
# A principal's ARN in several lines: nothing but it stands between these words.
_BROKEN_PRINCIPAL = re.compile(
    r"\bUser:?+\s++[`'\"]?+(arn:[^\s]++(?:[ \t]*+\n[ \t]*+(?!(?:is|are)\s)[^\s]++){1,5}+)"
    r"\s++(?:is|are)\s++not\s*+\Z"
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


class _Subject(NamedTuple):
    """Where the sentence begins in what stands before it, who it is about, and whether it has one at all."""

    at: int
    principal: str | None
    named: bool


def find_sentences(text: str) -> Iterator[Sentence]:
    """The sentences in a text that is already plain, in order; one with several actions once for each."""
    end = 0
    for found in _PERFORM.finditer(text):
        sentences = _read(text, end, found)
        yield from sentences
        end = sentences[-1].end if sentences else end


def _read(text: str, begin: int, perform: re.Match[str]) -> tuple[Sentence, ...]:
    action, at = _action(text, perform.end())
    cut = _ACTION_CUT.match(text, perform.end())
    null = _NULL.match(text, perform.end())
    listed = _LISTED.match(text, perform.end()) if action is None and null is None else None
    if action is None and cut is None and null is None and listed is None:
        return ()
    offset = max(begin, perform.start() - _SUBJECT)
    head = text[offset : perform.start()]
    words = head.rsplit(None, 4)
    if not words or not _NOT.search(words[-1]):
        return ()
    subject = _subject(head, words)
    start, principal = offset + subject.at, subject.principal
    if is_quoted(text, start):
        return ()
    if listed:
        return tuple(_each_listed(head, offset, listed)) if _stated(head, words, "") else ()
    named = Denial(principal_arn=principal, role_name=role_name(principal))
    if null:
        resource, end = read_resource(text, null.end())
        effect, policy_type, policy, end = read_reason(text, end)
        named = replace(
            named, resource=resource, effect=effect, policy_type=policy_type, denying_policy_arn=policy
        )
        return (Sentence(start, end, named),) if principal or effect != "unknown" else ()
    if (
        action is None
        or (cut is not None and (cut[1] or begins_action(*action)))
        or _breaks_off(text, at, action)
    ):
        # Who was refused is still known, if not what.
        return (Sentence(start, perform.end(), named),) if principal else ()
    resource, end = read_resource(text, at)
    effect, policy_type, policy, end = read_reason(text, end)
    service, name = action
    certain = principal is not None or effect != "unknown" or (resource or "").startswith("arn:")
    if not certain and not (is_action(service, name) and (subject.named or _stated(head, words, service))):
        return ()
    encoded = _ENCODED.match(text, end)
    if encoded:
        end = encoded.end()
    denial = replace(
        named,
        action=canonical_action(service, name),
        resource=resource,
        effect=effect,
        policy_type=policy_type,
        denying_policy_arn=policy,
        encoded=encoded is not None,
    )
    return (Sentence(start, end, denial),)


def _action(text: str, at: int) -> tuple[tuple[str, str] | None, int]:
    """Service and name of the action after "perform", and where it ends."""
    broken = _BROKEN_ACTION.match(text, at) if "\n" in text[at : at + 200] else None
    if broken:
        service, _, name = "".join(broken[1].split()).partition(":")
        if is_action(service, name):
            return (service, name), broken.end(1)
    found = _ACTION.match(text, at)
    return ((found[1], found[2]), found.end()) if found else (None, at)


def _breaks_off(text: str, at: int, action: tuple[str, str]) -> bool:
    """Whether the line ends within the action, and what follows cannot be put together with it."""
    return (
        begins_action(*action) and text[at : at + 40].lstrip(" \t")[:1] == "\n" and not _AFTER.match(text, at)
    )


def _each_listed(head: str, offset: int, listed: re.Match[str]) -> Iterator[Sentence]:
    """One for each action in the parentheses, if they are AWS's: words around it may be anybody's."""
    actions = [tuple(each.strip().split(":")) for each in listed[1].split(",")]
    if all(is_action(service, name) for service, name in actions):
        begin = _LISTED_BY.search(head)
        start = offset + (begin.start() if begin else len(head))
        for service, name in actions:
            yield Sentence(start, listed.end(), Denial(action=canonical_action(service, name)))


def _subject(head: str, words: list[str]) -> _Subject:
    before = words[:-1]
    if before and before[-1].lower() in ("is", "are", "was"):
        before = before[:-1]
    if not before:
        return _Subject(len(head), None, False)
    token = before[-1]
    at = head.rfind(token)
    broken = _BROKEN_PRINCIPAL.search(head, max(0, head.rfind("User"))) if "\n" in head else None
    if broken:
        at, token = broken.start(1), "".join(broken[1].split())
    user_at = head.rfind("User", max(0, at - 8), at)
    begin = at if user_at < 0 else user_at
    arn = token.find("arn:")
    if arn >= 0:
        principal = token[arn:].strip("\"'`*()[]")  # a session's name may end in a comma
        return _Subject(begin, principal if is_whole(principal) and "..." not in principal else None, True)
    user = len(before) > 1 and before[-2].lstrip("\"'`([{*").endswith(("User:", "User"))
    return _Subject(begin, None, user or token.startswith("User:"))


def _stated(head: str, words: list[str], service: str) -> bool:
    """Whether words without a subject are AWS's, not those of somebody who quotes them."""
    first = words[-2] if len(words) > 1 and words[-1] == "not" else words[-1]
    # STS leaves out who may not, so a quote may well stand before its "Not authorized".
    if service.lower() != "sts" and first.startswith(("'", '"', "`", "\u201c", "\u2018")):
        return False
    line = head[-_PROSE_BEFORE:].rsplit("\n", 1)[-1]
    return _PROSE.search(line) is None
