"""Text that others wrote, as people may read it: in a mail, on a page, in a terminal.

What a reader would not see, or a terminal or mail program would obey, is written out (`\\u202e`): controls,
what changes the direction of text, what has no width, what is private or not assigned.
"""

from __future__ import annotations

import re

# Of the characters that Python calls printable, those that show nothing (Unicode's
# Default_Ignorable_Code_Point; the blanks of Hangul and Braille).
_UNSEEN = frozenset(
    chr(code)
    for first, last in (
        *((0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800)),
        *((0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0000, 0xE0FFF)),
    )
    for code in range(first, last + 1)
)
_BLANKS = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
# No blank, quote or bracket that ends a text; nothing that a shell or a mail program would act on.
_ARN = re.compile(
    r"arn:aws[a-z-]{0,20}:[a-z0-9-]{1,63}:[a-z0-9-]{0,40}:(?:[0-9]{12}|aws)?:[A-Za-z0-9_.:/=+,@~*-]{1,900}"
)
_LINK = re.compile(r"://|www\.", re.IGNORECASE)
_ACTION = re.compile(r"[a-z0-9-]{1,64}:[A-Za-z0-9]{1,128}")
_LONGEST = 300


def visible(text: str) -> str:
    """The text on one line, with a blank for each line break or tab."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_seen, _BLANKS.sub(" ", text)))


def visible_lines(text: str) -> str:
    """The same of each of its lines. Only a line feed ends one."""
    return "\n".join(map(visible, text.split("\n")))


def _seen(character: str) -> str:
    if character.isprintable() and character not in _UNSEEN:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def quoted_arn(text: str | None, otherwise: str) -> str:
    """For advice: the ARN in quotes, shortened if it is long; `otherwise` for what is no ARN.

    One with blanks is not shown, though S3 has such: words of a log must not read like those of the report.
    """
    if text is None or not _ARN.fullmatch(text) or _LINK.search(text):
        return otherwise
    return f"'{text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'}'"


def named_action(text: str | None, otherwise: str) -> str:
    """The IAM action; `otherwise` for what is none."""
    return text if text and _ACTION.fullmatch(text) else otherwise
