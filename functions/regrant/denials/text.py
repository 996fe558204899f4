"""A log line as its author meant it: without colours, escapes, drawn boxes and broken lines."""

from __future__ import annotations

import re

# Every denial has one of these; most log lines have none and are done with here.
_HINT = re.compile(
    r"authoriz|[Dd]enied|ACCESS_DENIED|Forbidden|UnknownError|Code:\s++403|not\s++allowed|on\s++resource|to\s++perform"
)
# Colours and other sequences for terminals; a JSON writer may have escaped the escape character.
_TERMINAL = re.compile(
    r"(?:\x1b|(?<!\\)\\++(?:u001[bB]|x1[bB]|033))"
    r"(?:\[[0-9;:?]{0,32}[ -/]?[@-~]|\][^\x07\x1b\\\n]{0,256}(?:\x07|\x1b\\))"
)
# JSON in JSON has more backslashes with each layer, so a run of them counts as one.
_ESCAPE = re.compile(
    r"(?<!\\)\\++(?:([\"'/`])|([nrt](?![a-z]{2}))|u([0-9a-fA-F]{4}))|&(quot|apos|lt|gt|amp|nbsp|#34|#39);"
)
_ENTITIES = {"quot": '"', "#34": '"', "apos": "'", "#39": "'", "lt": "<", "gt": ">", "amp": "&", "nbsp": " "}


def may_deny(text: str) -> bool:
    """Whether it is worth a closer look."""
    return _HINT.search(text) is not None


def plain(text: str) -> str:
    """The text without what writers and terminals put around it. Takes linear time."""
    if "\\" in text or "\x1b" in text:
        text = _TERMINAL.sub("", text)
    if "\\" in text or "&" in text:
        text = _ESCAPE.sub(_unescaped, text)
    if "\n" in text:
        # Imported here: most denials are one line, and the patterns take their time at a cold start.
        from regrant.denials.wrapping import rejoined

        text = rejoined(text)
    return text


def _unescaped(found: re.Match[str]) -> str:
    quote, blank, code, entity = found.groups()
    if quote:
        return quote
    if blank:
        return "\n"
    if code:
        character = chr(int(code, 16))
        return character if character.isprintable() else " "
    return _ENTITIES[entity]
