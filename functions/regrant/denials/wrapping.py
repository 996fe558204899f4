"""A text whose lines somebody broke, as it was before: margins and boxes off, broken words whole again.

Some break lines at blanks, where a line's end stands for a blank. Others break them after so many characters,
within names as well. A word of AWS's sentence can be put together again, and so can lines that are all of one
length. What could be two words as well as one stays broken: resource.py and sentence.py look closer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

_BARS = "│┃║▌▐▏▕┆┇┊┋╎╏"
# What viewers and people put before each line. A name in capitals may be an error's, so it is none of these.
_MARGIN = re.compile(
    r"[ \t]*+(?:"
    rf"(?P<bar>[{_BARS}]|\|(?=[ \t]|$))"
    r"|(?:[\w./@:\[\]()#-]{1,60}+(?:\|(?=\w))?+){1,2}+[ \t]{0,20}+\|(?=[ \t]|$)"  # worker-1  |
    r"|[>#*;%!+~/-]{1,4}+(?=[ \t]|$)"
    r"|E[ ]{2}(?=[ ])"  # pytest
    r"|\#\d{1,6}+[ \t]\d{1,9}+\.\d{1,9}+(?=[ \t]|$)"  # docker build
    r"|\[[\w ./:@,+-]{1,80}+\](?=[ \t]|$)"
    r"|[A-Z][a-z]{2}[ ][ \d]\d[ ]\d\d:\d\d:\d\d[ ][\w.-]{1,60}+[ ][\w./-]{1,60}+(?:\[\d{1,9}+\])?+:(?=[ ]|$)"
    r"|\[?(?:\d{4}[-/]\d\d[-/]\d\d[T ])?+\d\d:\d\d:\d\d(?:[.,]\d{1,9}+)?+(?:Z|[+-]\d\d:?\d\d)?+\]?"
    r"(?:[ \t]std(?:out|err)[ \t][FP])?+(?=[ \t]|$)"
    r"|(?!resource|perform|operation|policy|message|arn)[a-z][\w./@\[\]-]{0,40}+:(?=[ \t])"
    r")"
)
_RIGHT = re.compile(rf"[ \t]?[{_BARS}]\Z")
_RIGHT_OF_ASCII = re.compile(rf"[ \t]?[{_BARS}|]\Z")
# A box's upper and lower edge, and a comment's.
_EDGE = re.compile(r"[ \t]*+(?:[\u2500-\u257f+=-][\u2500-\u257f \t+=-]*+|/\*{1,2}|\*/)\Z")
_COUNTED = re.compile(r"\d+|[FP]\Z")
_NESTED = 3
# One text in several literals: JavaScript and Java add them up, Python prints them one below the other and
# breaks at blanks. Two quoted lines that follow each other are two texts.
_ADDED = re.compile(
    r"([\"'])[ \t]*+(?:\+[ \t]*+\n[ \t]*+|\n[ \t]*+\+[ \t]*+|\+[ \t]++)[bfru]?\1|\\\n[ \t]*+(?=[^\s\"'])"
)
_PRINTED = re.compile(r"(?<=[^\S\n])([\"'])[ \t]*+\n[ \t]++[bfru]?\1")
_NARROWEST = 40  # a line of fewer characters was not broken at a screen's width
_START = 4
_WORDS = frozenset(
    (  # noqa: SIM905 - a list of one word a line hides nothing
        "authorized perform resource because explicit identity based policy policies allows action service"
        " control permissions permission boundary session endpoint calling operation assumed associated"
        " ciphertext identity-based resource-based denied Denied occurred error not the with when deny to on"
        " is no in an arn aws sts iam User Access"
    ).split()
)
_BROKEN = re.compile(r"(?<![A-Za-z])([A-Za-z]{1,11}+)[ \t]*+\n[ \t]*+([A-Za-z]{1,11}+)(?![A-Za-z])")
_AT_JOINT = re.compile(r"(?<![\w/-])([A-Za-z-]{1,14}+)\n([A-Za-z-]{1,14}+)(?![\w/-])")
_WORD = 16  # the longest in _WORDS, and what is before it
# An ARN that ends before its last part goes on.
_ARN_CUT = re.compile(r"\barn(?::[^\s:]*+){1,4}\Z")
_BEGINS = re.compile(
    r"(?:is|are)\s++not\b|because\s++(?:no|the)\b|with\s++an\b|on\s++(?:the\s++|this\s++)?+resource\b"
    r"|\s|[A-Z][A-Za-z]*+(?:[ (:]|\Z)|\d{4}-\d\d-\d\d|[{\[]|at\s"
)
_BROKEN_ARN = re.compile(r"\barn(?:[ \t]*+\n[ \t]*+:|:[ \t]*+\n[ \t]*+(?=aws))")
_CALLED = re.compile(r"(calling\s++the\s++\w{1,128}+)\n[ \t]*+(?=\w{1,128}+\s++operation\b)")


def rejoined(text: str) -> str:
    """The text without margins, boxes and what broke its words. Takes linear time."""
    if "\n" not in text:
        return text
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if "'" in text or '"' in text or "\\\n" in text:
        text = _PRINTED.sub("", _ADDED.sub("", text))
    lines = ["" if _EDGE.match(line) else line for line in text.split("\n")]
    for _ in range(_NESTED):
        if not _without_margins(lines):
            break
    text = "\n".join(_unfolded(lines))
    return _CALLED.sub(r"\1", _BROKEN_ARN.sub("arn:", _BROKEN.sub(_whole_word, text)))


def is_broken_word(one: str, other: str) -> bool:
    """Whether a word of AWS's sentence ends in one and goes on in the other."""
    return one + other in _WORDS


def _whole_word(found: re.Match[str]) -> str:
    return found[1] + found[2] if is_broken_word(*found.groups()) else found[0]


def _without_margins(lines: list[str]) -> bool:
    """Takes off what stands at the left of two lines or more, or draws a box. Whether there was any."""
    found = [_MARGIN.match(line) for line in lines]
    # Times and counters differ from line to line, and whether it is a part (P) or the last one (F).
    kinds = [_COUNTED.sub("0", each[0].strip()) if each else None for each in found]
    changed = False
    for number, margin in enumerate(found):
        if margin is None:
            continue
        kind = kinds[number]
        beside = (kinds[number - 1] if number else None, *kinds[number + 1 : number + 2])
        if margin["bar"] is None and kind not in beside:
            continue
        line = lines[number][margin.end() :].removeprefix(" ")
        if margin["bar"]:
            edge = (_RIGHT_OF_ASCII if margin["bar"] == "|" else _RIGHT).search(line.rstrip()[-2:])
            line = line.rstrip()[: edge.start() - 2] if edge else line
        lines[number] = "" if line.isspace() else line
        changed = True
    return changed


def _unfolded(lines: Sequence[str]) -> Iterator[str]:
    """The lines, those that a screen broke in one. Such lines have one length, and a rest follows."""
    begin = 0
    while begin < len(lines):
        end, width = begin + 1, len(lines[begin])
        while width >= _NARROWEST and end < len(lines) and len(lines[end]) == width:
            end += 1
        if width >= _NARROWEST and end < len(lines) and 0 < len(lines[end]) < width:
            end += 1
        group = lines[begin:end]
        if len(group) > 2 and _is_folded(group):
            blanks = min(len(line) - len(line.lstrip()) for line in group)
            yield _joined(line[blanks:] if number else line for number, line in enumerate(group))
        else:
            yield from group
        begin = end


def _joined(group: Iterable[str]) -> str:
    """Lines as one. There was a blank between two words of the sentence, and before what ends a name."""
    whole = ""
    for line in group:
        words = _AT_JOINT.search(f"{whole[-_WORD:]}\n{line[:_WORD]}")
        apart = words and not is_broken_word(*words.groups()) and {*words.groups()} <= _WORDS
        whole += f"\n{line}" if whole and (apart or _BEGINS.match(line)) else line
    return whole


def _is_folded(group: Sequence[str]) -> bool:
    """Whether lines of one length are one text: not padded, not each a record, and a known word is broken."""
    if any(line.endswith("  ") for line in group[:-1]):
        return False
    if len({line.lstrip()[:_START] for line in group}) < len(group):
        return False
    return len(group) > 3 or any(_breaks_a_name(one, other) for one, other in pairwise(group))


def _breaks_a_name(one: str, other: str) -> bool:
    if not other[:1].isspace() and _ARN_CUT.search(one, max(0, len(one) - 200)):
        return True
    found = _BROKEN.search(f"{one[-_WORD:]}\n{other[:_WORD]}")
    return found is not None and is_broken_word(*found.groups())
