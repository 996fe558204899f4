"""SDK errors that were logged as objects, where code, message and the mark of AWS are values of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regrant.denials.sentence import find_sentences
from regrant.denials.text import plain
from regrant.denials.wrappers import is_denial_code, is_refused_for_good
from regrant.model.denial import Denial

_CODES = ("__type", "Code", "code", "name", "errorType")
_MESSAGES = ("message", "Message", "errorMessage")
# Fields of errors of the SDKs for JavaScript (3 and 2) and of S3's own answer.
_MARKS = ("$metadata", "$fault", "extendedRequestId", "HostId")
_PLACES = ("aws-sdk", "@smithy", "smithy-client")


def read_error(value: Mapping[Any, Any]) -> Denial | None:
    """The denial that an error object is, if AWS made it and no sentence in it says more."""
    error = value.get("Error")
    if isinstance(error, Mapping) and "ResponseMetadata" in value:
        return Denial() if _is_denied(error) else None
    if not _is_denied(value):
        return None
    kind = value.get("__type")
    marked = (isinstance(kind, str) and is_denial_code(kind)) or any(mark in value for mark in _MARKS)
    return Denial() if marked or _thrown_in_sdk(value) else None


def says_nothing(value: Mapping[Any, Any]) -> bool:
    """Whether the error has no message, so that what stands beside it is about the same call."""
    error = value.get("Error")
    fields = error if isinstance(error, Mapping) and "ResponseMetadata" in value else value
    return not any(fields.get(name) for name in (*_MESSAGES, "stack", "trace"))


def _is_denied(value: Mapping[Any, Any]) -> bool:
    codes = (value.get(name) for name in _CODES)
    code = next((code for code in codes if isinstance(code, str)), "")
    messages = (value.get(name) for name in _MESSAGES)
    message = next((text for text in messages if isinstance(text, str)), "")
    return (
        is_denial_code(code)
        and not is_refused_for_good(message)
        and next(find_sentences(plain(message)), None) is None
    )


def _thrown_in_sdk(value: Mapping[Any, Any]) -> bool:
    for name in ("stack", "trace"):
        stack = value.get(name)
        lines = stack[:8] if isinstance(stack, (list, tuple)) else [stack]
        if any(isinstance(line, str) and place in line[:2000] for line in lines for place in _PLACES):
            return True
    return False
