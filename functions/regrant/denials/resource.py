"""The resource in AWS's sentence of a denial, whole: a grant on half a name is a grant on something else."""

from __future__ import annotations

import re

from regrant.denials.arns import is_whole

_LONGEST = 2100  # an ARN has at most 2048 characters

_ON = re.compile(r"[\s,]*+on\s++((?:this|the)\s++)?+resources?+(?:\(s\)|\b)\s*+(:)?+\s*+")
_QUOTES = {'"': '"', "'": "'", "`": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
# A blank ends it, and what quotes, tags and JSON have next to a value. Brackets are looked at one by one.
_TOKEN = re.compile(r"[^\s\"'`<>\\\u2018\u2019\u201c\u201d]++")
_REASON = re.compile(
    r"\s++(?:because\s++(?:no\s++(?:identity|resource|service|role|permission|session|vpc)|the\s++resource|this|public)\b"
    r"|with\s++an\s++explicit\s++deny\b)",
    re.IGNORECASE,
)
# Names of S3 objects and of alarms may have blanks. Nothing marks their end but the reason that follows.
_MORE_WORDS = re.compile(r"(?: ++[\w.()&+,=@/*-]++)++")
# How loggers and SDKs show that they left out the rest.
_CUT = re.compile(r"\.\.|\u2026|\s?[\[(<]\s?(?:\.\.\.)?\s?truncated", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:role|user|group|policy|instance\s++profile|server\s++certificate|mfa|saml\s++provider)\s++(?!because\b|with\b)",
    re.IGNORECASE,
)
_PAIRS = {")": "(", "]": "[", "}": "{"}


def read_resource(text: str, at: int) -> tuple[str | None, int]:
    """The resource after the action that ends at `at`, if it is there whole, and where it ends."""
    on = _ON.match(text, at)
    if on is None:
        return None, at
    at = on.end()
    quoted = text[at : at + 1] in _QUOTES
    if on[1] and not on[2] and not quoted and not text.startswith("arn:", at):
        return None, at  # "on this resource", "on the resource associated with this ciphertext"
    if _REASON.match(text, at - 1):
        return None, at
    if quoted:
        return _quoted(text, at)
    if text.startswith("arn:", at):
        return _arn(text, at)
    return _name(text, at)


def _quoted(text: str, at: int) -> tuple[str | None, int]:
    if text.startswith('""', at):  # in CSV quotes are doubled
        at += 1
    # SES opens with ` and closes with ', others close with what they opened with.
    closing = _QUOTES[text[at]]
    ends = [
        end for end in (text.find(mark, at + 1, at + _LONGEST) for mark in {closing, text[at]}) if end > 0
    ]
    if not ends:
        return None, at + 1
    end = min(ends)
    return _whole(text[at + 1 : end]), end + 1


def _arn(text: str, at: int) -> tuple[str | None, int]:
    found = _TOKEN.match(text, at)
    assert found is not None
    token = found[0]
    if _CUT.match(text, found.end()):
        return None, found.end()
    words = _MORE_WORDS.match(text, found.end(), at + _LONGEST)
    reason = _REASON.search(words[0]) if words else None
    if words and reason and "authorized" not in words[0]:
        return _whole(token + words[0][: reason.start()]), found.end() + reason.start()
    if token.endswith(":") and not token.endswith(("log-stream:", "log-group:")):
        token += _continued(text, found.end())
    token = _trimmed(token)
    return _whole(token), at + len(token)


def _continued(text: str, at: int) -> str:
    """The rest of an ARN that a terminal broke after a colon."""
    following = re.compile(r"\n\s*+([\w*][\w./*-]*+)").match(text, at)
    return following[1] if following else ""


def _name(text: str, at: int) -> tuple[str | None, int]:
    reason = _REASON.search(text, at, at + 300)
    whole = text[at : reason.start()] if reason else ""
    if reason and not any(mark in whole for mark in ('"', "authorized", "(")):
        return _whole(" ".join(whole.split())), reason.start()
    kind = _NAMED.match(text, at)
    found = _TOKEN.match(text, kind.end() if kind else at)
    if found is None:
        return None, at
    if _CUT.match(text, found.end()):
        return None, found.end()
    token = _trimmed(found[0])
    name = " ".join((*(kind[0].split() if kind else ()), token)) if token else ""
    return _whole(name), found.start() + len(token)


def _trimmed(token: str) -> str:
    """The token without the punctuation and closing brackets that belong to the text around it."""
    open_brackets: list[str] = []
    for at, character in enumerate(token):
        if character == "(" and token.startswith("(Service", at):
            token = token[:at]
            break
        if character in "([{":
            open_brackets.append(character)
        elif character in _PAIRS and (not open_brackets or open_brackets.pop() != _PAIRS[character]):
            token = token[:at]
            break
    if token.endswith(("...", "…")):
        return token  # cut on purpose, and shown to be
    token = token.rstrip(".,;!?|")
    return token if token.endswith(("log-stream:", "log-group:")) else token.rstrip(":")


def _whole(resource: str) -> str | None:
    cut = _CUT.search(resource, max(0, len(resource) - 20))
    return (
        None if not resource or cut or (resource.startswith("arn:") and not is_whole(resource)) else resource
    )
