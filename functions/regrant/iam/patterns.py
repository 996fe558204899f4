"""The patterns of IAM policies: which actions and resources does one stand for?

IAM user guide, "IAM JSON policy elements: Action" and "… Resource", "IAM policy elements: Variables and
tags", and "Amazon Resource Names", Incorrect wildcard usage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

# Stand for * and ? in an encoded pattern. IAM allows neither character in a policy document.
RUN, ANY = "\x00", "\x01"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_ESCAPES = ("*", "?", "$")
_COLONS = 5  # arn:partition:service:region:account:resource, and the resource may have more


class Match(msgspec.Struct, frozen=True):
    """Whether something applies: never, for certain, or only if what is `unknown` turns out so."""

    possible: bool
    unknown: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        return self.possible and not self.unknown


YES, NO = Match(True), Match(False)


def maybe(*unknown: str) -> Match:
    return Match(True, unknown)


def any_of(matches: Iterable[Match]) -> Match:
    possible = [match for match in matches if match.possible]
    if not possible:
        return NO
    return YES if any(match.certain for match in possible) else _together(possible)


def all_of(*matches: Match) -> Match:
    return _together(matches) if all(match.possible for match in matches) else NO


def opposite(match: Match) -> Match:
    if match.certain:
        return NO
    return match if match.possible else YES


@lru_cache(maxsize=4096)
def match_action(pattern: str, action: str) -> Match:
    """Prefix and name match without regard to case; IAM takes wildcards in the name only, or * alone."""
    service, _, name = pattern.partition(":")
    if is_everything(pattern) or (is_everything(service) and is_everything(name)):
        return YES
    if not service or not name or RUN in pattern or ANY in pattern:
        return maybe(f"unreadable action {pattern}")
    if not _regex(encode_action(pattern), bounded=False).fullmatch(action.lower()):
        return NO
    return maybe(f"the wildcard in the service of {pattern}") if _has_wildcard(service) else YES


def match_resource(pattern: str, resource: str | None, variables: bool) -> Match:
    """Resources match with regard to case; `resource` is None where the denial did not say which.

    The resource of a call that names none is "*", and only a pattern of nothing but * stands for that.
    `variables` is whether the policy's Version knows them.
    """
    if is_everything(pattern):
        return YES
    if not pattern.startswith("arn:") or RUN in pattern or ANY in pattern:
        return maybe(f"unreadable resource {pattern}")
    if resource is None:
        return maybe("the resource of the call, which is not named, is meant")
    encoded, names = _encode_variables(pattern, variables)
    complete = _complete(encoded)
    if not any(_regex(each, bounded=False).fullmatch(resource) for each in (complete, encoded)):
        return NO
    if names:
        return maybe(*(f"variable {name}" for name in names))
    # IAM says that * at a field's end "can" reach across colons, so what matches only so is not certain.
    if not _regex(complete, bounded=True).fullmatch(resource):
        return maybe(f"the wildcard across colons in {pattern}")
    return maybe(f"the wildcard in the resource type of {pattern}") if _type_is_wild(complete) else YES


def is_everything(pattern: str) -> bool:
    return pattern != "" and not pattern.strip("*")


def encode_action(pattern: str) -> str:
    return _encode_wildcards(pattern.lower())


def encode_resource(pattern: str, variables: bool) -> str:
    """The pattern, all fields there, with RUN and ANY for wildcards and RUN for variables."""
    return RUN if is_everything(pattern) else _complete(_encode_variables(pattern, variables)[0])


def within(narrow: str, wide: str) -> bool:
    """Whether everything that one encoded pattern stands for, the other stands for too.

    A yes is certain; so is a no, but for patterns of so many wildcards that it would take too long.
    """
    if narrow == wide or not (RUN in wide or ANY in wide):
        return narrow == wide
    return bool(_regex(wide, False).fullmatch(narrow)) or (RUN in narrow and _includes(wide, narrow))


def overlap(one: str, other: str) -> bool:
    """Whether there is a text that both encoded patterns stand for."""
    places = _at(other, {0})
    for character in one:
        if character == RUN:  # any text, and so whatever the other needs to get to a later place
            places = frozenset(range(min(places), len(other) + 1))
        elif character == ANY:
            ahead = (place for place in places if place < len(other))
            places = _at(other, {place if other[place] == RUN else place + 1 for place in ahead})
        else:
            places = _after(other, places, character)
        if not places:
            return False
    return len(other) in places


_MOST = 2000
"""Steps after which inclusion is given up as not known."""


def _includes(wide: str, narrow: str) -> bool:
    """Whether no text is of the narrow pattern and not of the wide one.

    The text hardest to match has, for each wildcard, only a character that stands in neither: nothing but a
    wildcard takes that. So it is enough to try each length of each *.
    """
    places: set[tuple[int, frozenset[int]]] = set()
    ahead = [(0, _at(wide, {0}))]
    while ahead:
        place = ahead.pop()
        if place in places:
            continue
        places.add(place)
        number, matched = place
        if number == len(narrow):
            if len(wide) not in matched:
                return False
            continue
        character = narrow[number]
        if character == RUN:
            ahead += [(number + 1, matched), (number, _after(wide, matched, ANY))]
        else:
            ahead.append((number + 1, _after(wide, matched, character)))
        if len(places) > _MOST:
            return False
    return True


def _after(wide: str, places: frozenset[int], character: str) -> frozenset[int]:
    """The places in the wide pattern after one more character; ANY is one that does not stand in it."""
    stay = {place for place in places if wide[place : place + 1] == RUN}
    go_on = {place + 1 for place in places if wide[place : place + 1] in (ANY, character)}
    return _at(wide, stay | go_on)


def _at(wide: str, places: set[int]) -> frozenset[int]:
    """These places, and those beyond each * there."""
    for place in tuple(places):
        while wide[place : place + 1] == RUN:
            place += 1
            places.add(place)
    return frozenset(places)


@lru_cache(maxsize=2048)
def _encode_variables(pattern: str, variables: bool) -> tuple[str, tuple[str, ...]]:
    """The pattern with RUN and ANY for wildcards and RUN for variables, and the variables' names."""
    names: list[str] = []
    encoded, start = "", 0
    for found in _VARIABLE.finditer(pattern) if variables else ():
        encoded += _encode_wildcards(pattern[start : found.start()])
        name, start = found[1], found.end()
        if name in _ESCAPES:
            encoded += name
        else:
            encoded += RUN
            names.append(name.partition(",")[0].strip())
    encoded += _encode_wildcards(pattern[start:])
    return _in_order(encoded), tuple(dict.fromkeys(names))


def _complete(encoded: str) -> str:
    """IAM completes an ARN with fewer than six fields by adding * for each one that is missing."""
    return encoded + f":{RUN}" * (_COLONS - encoded.count(":"))


def _together(matches: Iterable[Match]) -> Match:
    return Match(True, tuple(dict.fromkeys(reason for match in matches for reason in match.unknown)))


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def _encode_wildcards(text: str) -> str:
    return _in_order(text.replace("*", RUN).replace("?", ANY))


def _in_order(encoded: str) -> str:
    """Wildcards side by side in one order, which changes nothing of what they stand for."""
    return re.sub(
        f"[{RUN}{ANY}]+", lambda found: ANY * found[0].count(ANY) + RUN * (RUN in found[0]), encoded
    )


def _type_is_wild(encoded: str) -> bool:
    """A wildcard in what stands before the resource's first / or : is called incorrect usage by IAM.

    Where all of the resource is wildcards (`arn:aws:logs:*:*:*:*`) none stands for a type.
    """
    _, _, service, _, _, resource = encoded.split(":", _COLONS)
    kind, separator, _ = resource.replace("/", ":").partition(":")
    if not resource.strip(f"{RUN}:/"):
        return False
    return service != "s3" and bool(separator) and (RUN in kind or ANY in kind)


@lru_cache(maxsize=2048)
def _regex(encoded: str, bounded: bool) -> re.Pattern[str]:
    """A regular expression that takes time in proportion to pattern times text, whatever the pattern.

    Each * but the last is atomic: the first place where the text after it fits is as good as a later one,
    because the next * takes up the rest. `bounded` keeps wildcards within the first five fields of an ARN.
    """
    pieces = encoded.split(RUN)
    colons = pieces[0].count(":")
    expression = _piece(pieces[0], 0, bounded)
    for number, piece in enumerate(pieces[1:], 2):
        character = "[^:]" if bounded and colons < _COLONS else "."
        body = _piece(piece, colons, bounded)
        last = number == len(pieces)
        expression += f"{character}*{body}" if last else f"(?>{character}*?{body})"
        colons += piece.count(":")
    return re.compile(expression, re.DOTALL)


def _piece(text: str, colons: int, bounded: bool) -> str:
    parts = []
    for character in text:
        colons += character == ":"
        within_field = bounded and colons < _COLONS
        # Not RUN: one character, when a pattern is held against a pattern.
        one = f"[^:{RUN}]" if within_field else f"[^{RUN}]"
        parts.append(one if character == ANY else re.escape(character))
    return "".join(parts)
