"""The calls that AWS refused, as a log, an SDK or CloudTrail reports them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from regrant.denials.cloudtrail import is_record, read_record
from regrant.denials.sdk_errors import read_error, says_nothing
from regrant.denials.sentence import Sentence, find_sentences
from regrant.denials.text import may_deny, plain
from regrant.denials.wrappers import Calls, Wrapper, closes_sentence, find_wrappers, opens_sentence
from regrant.model.denial import Denial, Effect, PolicyType

__all__ = ["Denial", "Effect", "PolicyType", "read_denials"]

_LAYERS = 6  # of JSON texts in JSON texts


def read_denials(text_or_record: str | Mapping[str, Any]) -> tuple[Denial, ...]:
    """The denials in a log text (lines, JSON, JSON in JSON) or a CloudTrail event, in order, each once.

    Any text and any JSON-like mapping is read, in linear time; it never raises. CloudTrail events may be in
    `detail`, `Records` or anywhere else inside.
    """
    found: dict[Denial, Denial] = {}
    silent: list[Denial] = []
    for denial in _walk(text_or_record, silent):
        # A traceback repeats the sentence, sometimes without the wrapper that says what was called.
        call = replace(denial, operation=None)
        known = found.get(call)
        if known is None or (known.operation is None and denial.operation is not None):
            found[call] = denial
        elif denial.operation not in (None, known.operation):
            found[denial] = denial
    # An error that was logged without its message is the one whose message was logged beside it.
    return tuple(dict.fromkeys(found.values())) or tuple(silent[:1])


def _walk(root: Any, silent: list[Denial]) -> Iterator[Denial]:
    """Through everything that JSON can hold, without recursion: logs may be nested as deep as they like.

    Errors that were logged without a message go into `silent`.
    """
    seen: dict[int, Any] = {}  # holds what it names, so that no id is given twice
    stack: list[tuple[Any, int]] = [(root, _LAYERS)]
    while stack:
        value, layers = stack.pop()
        if isinstance(value, str):
            if may_deny(value):
                parts = tuple(_parts(value, layers))
                if len(parts) == 1 and isinstance(parts[0], str):
                    yield from _read(value)
                else:
                    stack += [(part, 0 if isinstance(part, str) else layers - 1) for part in reversed(parts)]
        elif isinstance(value, (Mapping, list, tuple)):
            if id(value) in seen:
                continue
            seen[id(value)] = value
            if not isinstance(value, Mapping):
                stack += [(item, layers) for item in reversed(value)]
            elif is_record(value):
                denial = read_record(value)
                if denial is not None:
                    yield denial
            else:
                denial = read_error(value)
                if denial is not None and says_nothing(value):
                    silent.append(denial)
                elif denial is not None:
                    yield denial
                stack += [(item, layers) for item in reversed(list(value.values()))]


def _parts(text: str, layers: int) -> Iterator[Any]:
    """The text, or the JSON in it and what stands around that. Each character is decoded twice at most."""
    if layers <= 0:
        yield text
        return
    begin, end = text.find("{"), text.rfind("}") + 1
    if text.lstrip()[:1] == "[":
        whole = _decoded(text)
        if whole is not None:
            yield whole
            return
    whole = _decoded(text[begin:end]) if 0 <= begin < end else None
    if whole is not None:
        yield from (part for part in (text[:begin], whole, text[end:]) if part)
        return
    plain_lines: list[str] = []
    for line in text.splitlines(keepends=True):
        begin = line.find("{")
        whole = _decoded(line[begin:]) if begin >= 0 and line.rstrip().endswith("}") else None
        plain_lines.append(line if whole is None else line[:begin])
        if whole is not None:
            yield "".join(plain_lines)
            yield whole
            plain_lines = []
    yield "".join(plain_lines)


def _decoded(text: str) -> Any:
    """The object or array that the text is in JSON, or None."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def _read(text: str) -> Iterator[Denial]:
    """What a text says in words."""
    text = plain(text)
    calls = Calls(text)
    sentences = list(find_sentences(text))
    wrappers = find_wrappers(text, calls)
    found: list[Sentence | Wrapper] = [*_lone(text, wrappers, sentences)]
    end, operation = 0, None
    for sentence in sentences:
        if sentence.start >= end:  # else one more action of the same sentence
            operation = calls.before(sentence.start, since=end)
        found.append(Sentence(sentence.start, sentence.end, replace(sentence.denial, operation=operation)))
        end = sentence.end
    for part in sorted(found, key=lambda part: part.start):
        yield part.denial


def _lone(text: str, wrappers: Sequence[Wrapper], sentences: list[Sentence]) -> Iterator[Wrapper]:
    """The wrappers that are around no sentence."""
    following = iter(sentences)
    before: Sentence | None = None
    after = next(following, None)
    for wrapper in wrappers:
        while after is not None and after.start < wrapper.start:
            before, after = after, next(following, None)
        inside = before is not None and before.end > wrapper.start
        closes = before is not None and closes_sentence(text, wrapper, before.end)
        if not (inside or closes or (after is not None and opens_sentence(text, wrapper, after.start))):
            yield wrapper
