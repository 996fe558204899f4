"""Denials that do not say the action: an SDK's or a service's own words around "Access Denied".

S3 says no more to callers of other accounts, SQS and KMS have their own texts, and EC2 encodes its reasons.
Each pattern asks for something that only an AWS SDK or service prints; "Access Denied" alone is anybody's.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from regrant.denials.sentence import is_quoted
from regrant.model.denial import Denial

_CODE = re.compile(
    r"(?:[\w-]++[.#:/])*+(?:[A-Za-z0-9]*AccessDenied[A-Za-z]*+|UnauthorizedOperation|AuthorizationError(?:Exception)?)"
)
# Codes of denials on refusals that no policy could change.
_NO_POLICY = re.compile(r"expired|MultiFactorAuthentication|security\s++token|signature", re.IGNORECASE)

# What the SDK says was called: botocore, Go, PHP.
_CALL = re.compile(
    r"when\s++calling\s++the\s++(\w{1,128}+)\s++operation"
    r"|operation\s++error\s++[^:\n]{1,80}+:\s*+(\w{1,128}+),"
    r"|Error\s++executing\s++\"(\w{1,128}+)\"\s++on\b"
)
_CODE_BEFORE = re.compile(r"\(([\w.:#-]{1,80}+)\)\s++(?:occurred\s++)?+\Z")
# Between a wrapper and its sentence: "You are not authorized to perform this operation. " and the like.
_GLUE = 120
_NEAR = {1: 250, 2: 700, 3: 3000}  # by the group of _CALL; PHP prints the request and the response in between

_BOTO = re.compile(
    r"\(([\w.:#-]{1,80}+)\)\s++(?:occurred\s++)?+when\s++calling\s++the\s++(\w{1,128}+)\s++operation(?:\s*+\([^()\n]{1,60}+\))?+:\s"
)
# The CLI of before 2016 put the code first: "A client error (AccessDenied) occurred when calling ...".
_BOTO_BEGINS = re.compile(r"(?:An\s++error\s++occurred|A\s++client\s++error)\s++\Z")
# Kinesis Video Streams answer in XML, which botocore does not read: the code is HTTP's.
_BOTO_XML = re.compile(r"\s*+<AccessDenied\w*+>")
_GO = re.compile(
    r"(?:\bapi\s++error\s++|\bRequestID:\s*+[\w-]*+,(?:\s*+HostID:[^,\n]{0,200}+,)?\s*+)([A-Za-z][\w.]{0,80}+):\s"
)
_GO_1 = re.compile(r"status\s++code:\s*+40[03],\s*+request\s++id:")
_GO_1_ERROR = re.compile(r"\b([A-Za-z][\w.]{0,80}+):\s")
_JAVA_1 = re.compile(
    r"\(Service:\s[^;()\n]{1,80}+;\s++Status\s++Code:\s++(\d{3});\s++Error\s++Code:\s++([^;()\n]{1,80}+);"
)
_JAVA_2 = re.compile(r"\(Service:\s([^,;()\n]{1,80}+),\s++Status\s++Code:\s++40[03],")
_JAVA_MESSAGE = re.compile(
    r"(?:Access\s++Denied|Exception:\s++(?:Forbidden|null)|AccessDenied\w*+:[^\n]*+)\s*+\Z"
)
_PHP = re.compile(
    r"\b(AccessDenied\w*+|UnauthorizedOperation|AuthorizationError\w*+)\s\((?:client|server)\):\s"
)
_XML = re.compile(
    r"<Code>AccessDenied</Code>\s*+<Message>Access\sDenied</Message>\s*+<(?:RequestId|HostId|Resource|BucketName)>"
)
_RUST = re.compile(
    r"code:\s++Some\(\"(AccessDenied\w*+|UnauthorizedOperation)\"\),\s++message:\s++(?:Some\(\"|None)"
)
# The SDK for Rust prints "unhandled error (CODE)" of an error that is not in the service's model, and then,
# or instead, the error's fields.
_RUST_UNHANDLED = re.compile(
    r"\bunhandled\s++error\s++\((?:AccessDenied\w*+|UnauthorizedOperation)\)"
    r"(?::\s++Error\s++\{\s++code:\s++\"\w{1,80}+\",\s++message:\s++\")?+"
)
# Fluent Bit's own client of AWS.
_FLUENT_BIT = re.compile(r"\b(\w{1,128}+)\s++API\sresponded\swith\serror='AccessDenied\w*+'")
_NET = re.compile(r"\bAmazon\.\w{1,60}+(?:\.Model)?+\.(?:\w*?Exception):\s++(?:Access\s++Denied|Forbidden)\b")
_RUBY = re.compile(r"\bAws::\w{1,60}+::Errors::(?:AccessDenied\w*+|UnauthorizedOperation|Forbidden)\b")
_JAVASCRIPT = re.compile(
    r"\b(?:(?:AccessDenied(?:Exception)?|UnauthorizedOperation):\s|(?:403:\s++|\b)UnknownError\b|Forbidden:\s++null\b)"
)
_JAVASCRIPT_MARK = re.compile(r"aws-sdk|@smithy|smithy-client|\$metadata|\$fault|extendedRequestId")
_PYTHON = re.compile(
    r"'Code':\s++'(?:AccessDenied\w*+|UnauthorizedOperation|403)',\s++'Message':\s"
    r"|'Message':\s++'(?:Access\sDenied|Forbidden)',\s++'Code':\s++'(?:AccessDenied\w*+|403)'"
)
_JSON = re.compile(r"\"__type\"\s*+:\s*+\"(?:[\w.]++#)?+\w*AccessDenied(?:Exception)?+\"")
_FORMATION = re.compile(
    r"\bAPI:\s([a-z][a-z0-9-]{0,62}+):(\w{1,128}+)\s(?:Access\s++Denied|You\s++are\s++not\s++authorized)"
)
_ARROW = re.compile(r"\bAWS\s++Error\s++ACCESS_DENIED\s++during\s++(\w{1,128}+)\s++operation\b")
_COPY = re.compile(r"\bS3ServiceException:\s*+Access\s++Denied,\s*+Status\s++403,\s*+Error\s++AccessDenied\b")
_S3_CLIENT = re.compile(r"S3\s++error:\s++403\s++\(AccessDenied\)")
_QUEUE = re.compile(r"Access\s++to\s++the\s++resource\s++(https://[\w.-]++/[\w./-]*+)\s++is\s++denied")
_KEY = re.compile(
    r"ciphertext\s++refers\s++to\s++a\s++customer\s++master\s++key\s++that\s++does\s++not\s++exist,\s++does\s++not\s++exist"
    r"\s++in\s++this\s++region,\s++or\s++you\s++are\s++not\s++allowed\s++to\s++access"
)
_KEY_DENIED = re.compile(r"AccessDenied|Service:\s*+(?:AWS)?KMS\b|Service:\s*+Amazon\s++S3", re.IGNORECASE)
_CPP = re.compile(r"Exception\s++name:\s++(?:AccessDenied\w*+|UnauthorizedOperation)\s++Error\s++message:\s")
# An error with a message of its own is not the wrapper of the sentence that follows.
_MESSAGE = re.compile(r"Access\s++Denied|Forbidden|UnknownError|is\s++denied|\A\(Service")
_ENCODED = re.compile(r"Encoded\s++authorization\s++failure\s++message:\s*+[\w-]*+")


class Wrapper(msgspec.Struct, frozen=True):
    """An error of an SDK or a service, without a sentence, and the part of the text that it is."""

    start: int
    end: int
    denial: Denial


class Calls:
    """What the SDKs in a text say was called, to be asked by position."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found = list(_CALL.finditer(text))
        self._starts = [found.start() for found in self._found]

    def before(self, at: int, since: int = 0) -> str | None:
        """The operation named last before a place in the text, if it is near enough to belong there."""
        index = bisect_right(self._starts, at) - 1
        if index < 0 or self._starts[index] < since:
            return None
        found = self._found[index]
        assert found.lastindex is not None
        if at - found.end() > _NEAR[found.lastindex]:
            return None
        # Botocore and Go put the message next to the call, so one with its own has no other.
        if found.lastindex < 3 and _MESSAGE.search(self._text[found.end() : at]):
            return None
        between = self._text[found.end() : at]
        code = _CODE_BEFORE.search(self._text, max(0, found.start() - 90), found.start())
        if "\n" in between and code and not is_denial_code(code[1]):
            return None  # another error, with its own message, on the line before
        return found[found.lastindex]


def is_denial_code(code: str) -> bool:
    """Whether an error code means that the call was refused for lack of a permission."""
    return _CODE.fullmatch(code) is not None


def is_refused_for_good(message: str) -> bool:
    """Whether an error with a denial's code reports a refusal that no policy could change."""
    return _NO_POLICY.search(message[:160]) is not None


def find_wrappers(text: str, calls: Calls) -> Sequence[Wrapper]:
    """The errors without a sentence in a text that is already plain, in order; neighbours are one."""
    merged: list[Wrapper] = []
    for wrapper in sorted(_find(text, calls), key=lambda found: found.start):
        joined = _joined(text, merged[-1], wrapper) if merged else None
        if joined is None:
            merged.append(wrapper)
        else:
            merged[-1] = joined
    return merged


def _joined(text: str, one: Wrapper, other: Wrapper) -> Wrapper | None:
    """Both as one error, if they may be: on one line or the next, and not of two calls."""
    gap = text[one.end : other.start]
    if len(gap) > 600 or ("\n" in gap and len(gap) > 60):
        return None
    for field in ("operation", "resource", "action"):
        of_one, of_other = getattr(one.denial, field), getattr(other.denial, field)
        if of_one != of_other and of_one is not None and of_other is not None:
            return None
    denial = Denial(
        action=one.denial.action or other.denial.action,
        operation=one.denial.operation or other.denial.operation,
        resource=one.denial.resource or other.denial.resource,
        encoded=one.denial.encoded or other.denial.encoded,
    )
    return Wrapper(one.start, max(one.end, other.end), denial)


def _find(text: str, calls: Calls) -> Iterator[Wrapper]:
    yield from _python(text)
    yield from _go(text, calls)
    yield from _java(text, calls)
    yield from _javascript(text)
    yield from _services(text, calls)
    for pattern in (_PHP, _XML, _RUST, _RUST_UNHANDLED, _NET, _RUBY, _S3_CLIENT, _COPY, _CPP, _JSON):
        for found in pattern.finditer(text):
            if not _hopeless(text, found.end()):
                yield Wrapper(*found.span(), Denial(operation=calls.before(found.start())))


def _python(text: str) -> Iterator[Wrapper]:
    for found in _BOTO.finditer(text):
        code, operation = found.groups()
        # A HEAD has no body, so no code either.
        head = code == "403" and (operation.startswith("Head") or bool(_BOTO_XML.match(text, found.end())))
        if (
            (head or is_denial_code(code))
            and not _hopeless(text, found.end())
            and not is_quoted(text, _error(text, found.start()))
        ):
            yield Wrapper(*found.span(), Denial(operation=operation))
    for found in _PYTHON.finditer(text):
        window = text[found.end() : found.end() + 400]
        if "ResponseMetadata" in window and not _hopeless(text, found.end()):
            yield Wrapper(*found.span(), Denial())


def _error(text: str, at: int) -> int:
    """Where botocore's message begins that has its code at `at`."""
    found = _BOTO_BEGINS.search(text, max(0, at - 30), at)
    return found.start() if found else at


def _go(text: str, calls: Calls) -> Iterator[Wrapper]:
    for found in _GO.finditer(text):
        operation = calls.before(found.start())
        head = found[1] == "Forbidden" and (operation or "").startswith("Head")
        if (head or is_denial_code(found[1])) and not _hopeless(text, found.end()):
            yield Wrapper(*found.span(), Denial(operation=operation))
    for found in _GO_1.finditer(text):
        begin = max(0, found.start() - 300)
        for error in _GO_1_ERROR.finditer(text, begin, found.start()):
            forbidden = error[1] == "Forbidden" and text.startswith("Forbidden", error.end())
            if (forbidden or is_denial_code(error[1])) and not _hopeless(text, error.end()):
                yield Wrapper(error.start(), found.end(), Denial())


def _java(text: str, calls: Calls) -> Iterator[Wrapper]:
    for found in _JAVA_1.finditer(text):
        forbidden = found[2] == "403 Forbidden"
        if (forbidden or is_denial_code(found[2])) and not _hopeless_before(text, found.start()):
            yield Wrapper(*found.span(), Denial(operation=calls.before(found.start())))
    for found in _JAVA_2.finditer(text):
        line = text[max(0, found.start() - 300) : found.start()].rsplit("\n", 1)[-1]
        if _JAVA_MESSAGE.search(line) and not _NO_POLICY.search(line):
            yield Wrapper(*found.span(), Denial(operation=calls.before(found.start())))


def _javascript(text: str) -> Iterator[Wrapper]:
    for found in _JAVASCRIPT.finditer(text):
        marked = _JAVASCRIPT_MARK.search(text, found.end(), found.end() + 800)
        if marked and not _hopeless(text, found.end()):
            yield Wrapper(*found.span(), Denial())


def _services(text: str, calls: Calls) -> Iterator[Wrapper]:
    for found in _QUEUE.finditer(text):
        host = found[1].split("/")[2]
        if not host.endswith((".amazonaws.com", ".amazonaws.com.cn")) or not {"sqs", "queue"} & {
            *host.split(".")
        }:
            continue
        yield Wrapper(*found.span(), Denial(resource=found[1], operation=calls.before(found.start())))
    for found in _KEY.finditer(text):
        if _KEY_DENIED.search(text, max(0, found.start() - 400), found.end() + 200):
            yield Wrapper(*found.span(), Denial(operation=calls.before(found.start())))
    for found in _ENCODED.finditer(text):
        before = text[max(0, found.start() - 300) : found.start()]
        if "UnauthorizedOperation" in before or "not authorized to perform" in " ".join(before.split()):
            yield Wrapper(*found.span(), Denial(encoded=True, operation=calls.before(found.start())))
    for pattern, words in ((_ARROW, "ACCESS_DENIED"), (_FLUENT_BIT, "API responded with error=")):
        for found in pattern.finditer(text) if words in text else ():
            yield Wrapper(*found.span(), Denial(operation=found[1]))
    for found in _FORMATION.finditer(text):
        yield Wrapper(*found.span(), Denial(action=f"{found[1]}:{found[2]}"))


def _hopeless(text: str, at: int) -> bool:
    """Whether the message that begins at `at` reports a refusal that no policy could change."""
    return is_refused_for_good(text[at : at + 160].split("\n", 1)[0])


def _hopeless_before(text: str, at: int) -> bool:
    return _NO_POLICY.search(text[max(0, at - 160) : at].rsplit("\n", 1)[-1]) is not None


def closes_sentence(text: str, wrapper: Wrapper, end: int) -> bool:
    """Whether the error is only what Java, Go and Ruby put after the sentence that ends at `end`."""
    trails = text.startswith(("(Service", "status code", "Encoded", "Aws::"), wrapper.start)
    return trails and not text[end : wrapper.start].strip(" .,(\t\n\"')")


def opens_sentence(text: str, wrapper: Wrapper, sentence: int) -> bool:
    """Whether the error is only the wrapper of the sentence that begins at `sentence`."""
    near = sentence - wrapper.end <= _GLUE
    return near and _MESSAGE.search(text[wrapper.start : max(wrapper.start, sentence)]) is None
