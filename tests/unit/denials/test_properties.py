"""Whatever a log holds: the reader answers, in time that grows with the text and no faster."""

# ruff: noqa: E501 - lists of fragments stay compact

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrant.denials.reader import Denial, read_denials

SENTENCE = (
    "User: arn:aws:sts::123456789012:assumed-role/worker/1 is not authorized to perform: sqs:receivemessage"
    " on resource: arn:aws:sqs:eu-west-1:123456789012:orders"
)
# What the patterns look for, and what could confuse them.
PIECES = (
    *(
        "User: ",
        "arn:aws:",
        " is not authorized to perform: ",
        "s3:GetObject",
        " on resource: ",
        " on this resource",
    ),
    *(
        " because no ",
        "identity-based policy",
        " with an explicit deny",
        " in a service control policy",
        ": arn:",
    ),
    *(
        "AccessDenied",
        ": Access Denied",
        " when calling the X operation: ",
        "(Service: ",
        "Status Code: 403, ",
        "403",
    ),
    *(
        "api error ",
        "RequestID: ",
        '"',
        "'",
        "`",
        "\\",
        "\\\\\\",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        ".",
        "...",
        ":",
    ),
    *("\x1b[", "\x1b]", "\x00", "\ud800", "\\u001b[31m", "&quot;", "\n", "│ ", "\u2028", " ", "é", SENTENCE),
    *(
        "worker-1  | ",
        "\n> ",
        "\n│ ",
        " │\n",
        "E   ",
        "2026-11-23T09:14:22Z ",
        "'\n  '",
        "' +\n'",
        "\\\n",
        "\n" + "x" * 80,
    ),
    *("arn:aws:sqs:eu-west-1:1:", "null", "actions (s3:GetObject, s3:PutObject)", " because public policies"),
    *(
        "A client error (AccessDenied) occurred ",
        "unhandled error (AccessDenied)",
        " on the resource associated",
    ),
    *(
        '{"errorCode":"AccessDenied",',
        '"eventSource":"s3.amazonaws.com","eventName":"',
        "<Code>AccessDenied</Code>",
    ),
)
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
)
KEYS = st.one_of(
    st.sampled_from(
        [
            "eventSource",
            "eventName",
            "errorCode",
            "errorMessage",
            "userIdentity",
            "arn",
            "resources",
            "ARN",
            "requestParameters",
            "queueUrl",
            "bucketName",
            "key",
            "Error",
            "ResponseMetadata",
            "stack",
            "__type",
            "name",
            "message",
            "$metadata",
            "sessionContext",
            "sessionIssuer",
            "userName",
            "detail",
            "Records",
        ]
    ),
    st.text(max_size=5),
    st.integers(),
    st.none(),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=5),
    ANY_TEXT,
    st.sampled_from(
        [
            "AccessDenied",
            "s3.amazonaws.com",
            "sqs.amazonaws.com",
            "https://[x/1/q",
            "//",
            "Client.AccessDenied",
        ]
    ),
)
ANY_RECORD: st.SearchStrategy[dict[Any, Any]] = st.dictionaries(
    KEYS,
    st.recursive(
        VALUES, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6))
    ),
    max_size=10,
)


def is_sound(denial: Denial) -> bool:
    """The fields hang together, and are what the type says."""
    msgspec.convert(msgspec.structs.asdict(denial), Denial, strict=True)
    return denial.denying_policy_arn is None or denial.effect == "explicit"


@given(ANY_TEXT)
@settings(max_examples=500, deadline=None)
def test_any_text_has_an_answer(text: str) -> None:
    denials = read_denials(text)
    assert isinstance(denials, tuple) and all(is_sound(denial) for denial in denials)
    assert len(set(denials)) == len(denials)


@given(ANY_RECORD)
@settings(max_examples=150, deadline=None)
def test_any_record_has_an_answer(record: dict[Any, Any]) -> None:
    denials = read_denials(record)
    assert isinstance(denials, tuple) and all(is_sound(denial) for denial in denials)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50), st.integers(0, 4))
@settings(deadline=None)
def test_json_around_a_sentence_hides_nothing(before: str, layers: int) -> None:
    text = f"{before}\n{SENTENCE}"
    for _ in range(layers):
        text = json.dumps({"message": text})
    assert read_denials(SENTENCE)[0] in read_denials(text)


@given(st.from_regex(r"[\w+=,.@-]{2,64}", fullmatch=True, alphabet=st.characters(codec="ascii")))
@settings(deadline=None)
def test_any_legal_session_name_leaves_the_role_whole(session: str) -> None:
    if "..." in session:
        return  # that is how a cut looks
    (denial,) = read_denials(SENTENCE.replace("/worker/1", f"/worker/{session}"))
    assert denial.role_name == "worker" and denial.principal_arn is not None
    assert denial.principal_arn.endswith(f"/{session}")


@given(st.from_regex(r"[\w!.*()/ -]{1,80}", fullmatch=True, alphabet=st.characters(codec="ascii")))
@settings(deadline=None)
def test_a_quoted_key_is_read_as_it_is(key: str) -> None:
    if ".." in key or "truncated" in key:
        return  # that is how a cut looks
    text = (
        SENTENCE.split(" on ")[0]
        + f' on resource: "arn:aws:s3:::b/{key}" because no session policy allows it'
    )
    assert read_denials(text)[0].resource == f"arn:aws:s3:::b/{key}"


@pytest.mark.parametrize("inner", [[], {}, SENTENCE])
def test_nesting_may_be_as_deep_as_it_likes(inner: Any) -> None:
    record: Any = inner
    for _ in range(50_000):
        record = {"a": [record]}
    assert len(read_denials(record)) == (1 if inner == SENTENCE else 0)
    assert len(read_denials('{"a":' * 100_000 + json.dumps(inner))) == (1 if inner == SENTENCE else 0)


def test_a_graph_of_shared_values_is_walked_once() -> None:
    record: dict[str, Any] = {"message": SENTENCE}
    for _ in range(200):
        record = {"a": record, "b": record}
    assert len(read_denials(record)) == 1


def seconds(unit: str, size: int) -> float:
    text = "Denied " + unit * (size // len(unit))
    start = time.process_time()
    read_denials(text)
    return time.process_time() - start


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "User: arn:aws:",
            " is not authorized to perform: ",
            " is not authorized to perform: s3:GetObject",
            " because no ",
        ),
        *(
            '"',
            "\\",
            "\\u001",
            "[",
            "{",
            '{"a":',
            "\x1b[",
            "\x1b]",
            "\\u001b[",
            " ",
            "\n",
            "a: ",
            "(a",
            "`",
            "&quot;",
        ),
        *(
            SENTENCE,
            SENTENCE + "\n",
            SENTENCE + " because ",
            SENTENCE + "((((((",
            SENTENCE[:-40] + ' "arn:aws:s3:::x ',
        ),
        *(
            "authorized \n to \t perform ",
            "An error occurred (AccessDenied) when calling the X operation: ",
            "{}",
            "x {\n}\n",
        ),
        *(
            "status code: 403, request id:",
            "RequestID: , HostID: ",
            "AccessDenied: ",
            "Amazon.S",
            "<Code>AccessDenied</Code>",
        ),
        *(
            "│ ",
            "worker-1  | x\n",
            "> x\n",
            "x │\n",
            "x" * 80 + "\n",
            "'\n '",
            "a\nb",
            "-\n",
            "[x] y\n",
            "x: ",
        ),
        *(
            SENTENCE + ":\n",
            SENTENCE + "\nx",
            "not authorized to perform: null",
            "not authorized to perform actions (",
            "arn:aws:sqs:eu-west-1:1:\n",
            " because public ",
            "unhandled error (",
            "2026-11-23T09:14:22Z x\n",
        ),
        *(
            '{"a":1}\n',
            "Encoded authorization failure message: ",
            "operation error ",
            "(Service: S3, Status Code: 403, ",
        ),
    ],
)
def test_eight_times_the_text_takes_about_eight_times_as_long(unit: str) -> None:
    # Quadratic work would take 64 times as long. The clock is the process's own, and a busy machine gets new tries.
    ratios = []
    for _ in range(4):
        small = min(seconds(unit, 30_000) for _ in range(3))
        ratios.append(seconds(unit, 240_000) / small)
        if ratios[-1] < 24:
            return
    pytest.fail(f"eight times the text took {ratios} times as long")
