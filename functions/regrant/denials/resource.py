"""The resource in AWS's sentence of a denial, whole: a grant on half a name is a grant on something else.

What is not there whole is None: a name that somebody shortened, one that the text's end cuts, an S3 key with
a line break in it (there may have been a blank). A name without blanks goes on across a line break if a
reason follows it, because then it is known where it ends.
"""

from __future__ import annotations

import re

from regrant.denials.arns import is_of_account, is_whole

_LONGEST = 2100  # an ARN has at most 2048 characters

_ON = re.compile(
    r"[\s,]*+on\s++((?:this|the)\s++)?+resources?+(?:\(s\)|\b)(\s++associated\s++with\s++this\s++ciphertext)?+"
    r"\s*+(:)?+\s*+"
)
_QUOTES = {'"': '"', "'": "'", "`": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
# A blank ends it, and what quotes, tags and JSON have next to a value. Brackets are looked at one by one.
_TOKEN = re.compile(r"[^\s\"'`<>\\\u2018\u2019\u201c\u201d]++")
_REASON = re.compile(
    r"\s++(?:because\s++(?:(no)\s++(?:identity|resource|service|role|permissions?|sessions?|vpc)"
    r"|the\s++resource|this|public)\b"
    r"|with\s++an\s++(explicit)\s++deny\b)",
    re.IGNORECASE,
)
# Names of S3 objects and of alarms may have blanks. Nothing marks their end but the reason that follows.
_MORE_WORDS = re.compile(r"(?:\s++[\w.()&+,=@/*:$\[\]-]++)++")
_BLANKS = re.compile(r"[ \t]*+\n\s*+")
_WITH_BLANKS = ("s3", "cloudwatch")
# All that stands on the next line, as what is left of a broken name does.
_ALONE = re.compile(r"[ \t]*+\n[ \t]*+([\w./*+=,@:$-]++)[ \t]*+(?=\n|\Z|\(Service:)")
_NARROWEST = 40  # no line of fewer characters is broken within a name
# How loggers and SDKs show that they left out the rest.
_CUT = re.compile(r"\.\.|\u2026|\s?[\[(<]\s?(?:\.\.\.)?\s?truncated", re.IGNORECASE)
# Somebody left out a part. Within a name's part dots are an S3 key's own, if S3 itself put it in quotes.
_LEFT_OUT = re.compile(r"\u2026|(?:^|[:/])\.\.\.|\.\.\.(?:[:/]|$)")
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
    if on[2] or (on[1] and not on[3] and not quoted and not text.startswith("arn:", at)):
        return None, at  # "on this resource", "on the resource associated with this ciphertext"
    if _REASON.match(text, at - 1):
        return None, at
    if quoted:
        return _quoted(text, at)
    named = _NAMED.match(text, at)  # IAM's own way: "policy arn:..."
    begin = named.end() if named and text.startswith("arn:", named.end()) else at
    if text.startswith("arn:", begin):
        return _arn(text, begin)
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
    return _whole(_unbroken(text[at + 1 : end]), quoted=True), end + 1


def _arn(text: str, at: int) -> tuple[str | None, int]:
    found = _TOKEN.match(text, at)
    assert found is not None
    token, end = found[0], found.end()
    if _CUT.match(text, end) or (text.startswith("<", end) and not text.startswith("</", end)):
        return None, end
    words = _MORE_WORDS.match(text, end, at + _LONGEST)
    reason = _REASON.search(words[0]) if words else None
    if words and reason:
        between = words[0][: reason.start()]
        if "\n" not in between and ":" not in between and "authorized" not in between:
            return _whole(token + between), end + reason.start()
        if "\n" in between and (reason[1] or reason[2]) and not re.search(r"\S[ \t]++\S", between):
            return _whole(_unbroken(token + between)), end + reason.start()
    alone = _ALONE.match(text, end)
    if alone and token.endswith(":") and not token.endswith(("log-stream:", "log-group:")):
        known = alone[1][0].isalnum() and (not is_of_account(token) or "/" in alone[1] or ":" in alone[1])
        known = known and not may_go_on(text, alone.end())
        return _whole(_trimmed(token + alone[1])) if known else None, alone.end()
    if may_go_on(text, end):
        return None, end
    token = _trimmed(token)
    return _whole(token), at + len(token)


def _unbroken(name: str) -> str:
    """The name without line breaks, as far as it could not have had a blank there."""
    pieces = _BLANKS.split(name)
    whole = pieces[0]
    for piece in pieces[1:]:
        parts = whole.split(":", 5)
        free = len(parts) > 5 and parts[2] in _WITH_BLANKS and (parts[2] != "s3" or "/" in parts[5])
        if free and not whole.endswith(":"):
            return ""
        whole += piece
    return whole


def may_go_on(text: str, at: int) -> bool:
    """Whether a name that ends at `at`, a line's end, may go on in the next line.

    A screen may have broken the line if it is wide and none that follows is wider, and the next is one word.
    Some break a line after a hyphen before that.
    """
    if not _ALONE.match(text, at):
        return False
    if text[at - 1] in "-/":
        return True
    width = at - (text.rfind("\n", max(0, at - _LONGEST), at) + 1)
    return width >= _NARROWEST and all(len(line) <= width for line in text[at : at + _LONGEST].split("\n"))


def _name(text: str, at: int) -> tuple[str | None, int]:
    reason = _REASON.search(text, at, at + 300)
    whole = text[at : reason.start()] if reason else ""
    kind = _NAMED.match(text, at)
    if reason and not any(mark in whole for mark in ('"', "authorized", "(")):
        words = kind[0].split() if kind else []  # "role NAME", and no blank is in a role's name
        name = text[kind.end() if kind else at : reason.start()]
        name = _BLANKS.sub("" if kind else "\n", name)
        return (_whole(" ".join((*words, *name.split()))) if "\n" not in name else None), reason.start()
    found = _TOKEN.match(text, kind.end() if kind else at)
    if found is None:
        return None, at
    if _CUT.match(text, found.end()) or may_go_on(text, found.end()):
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
    return (
        token if token.endswith(("log-stream:", "log-group:")) or is_of_account(token) else token.rstrip(":")
    )


def _whole(resource: str, quoted: bool = False) -> str | None:
    if resource in ("", "null") or _is_shortened(resource, quoted):
        return None
    arn = resource.startswith("arn:")
    return resource if not arn or is_whole(resource) or is_of_account(resource) else None


def _is_shortened(resource: str, quoted: bool) -> bool:
    if quoted and resource.startswith("arn:aws") and resource.split(":", 3)[2:3] == ["s3"]:
        return _LEFT_OUT.search(resource) is not None or resource.endswith("..")
    return "..." in resource or _CUT.search(resource, max(0, len(resource) - 20)) is not None
