"""Denials in lines that somebody broke: read right, or with what is not sure left out. Never wrong."""

# ruff: noqa: E501 - messages stand as they are printed

from __future__ import annotations

import textwrap
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from regrant.denials.reader import Denial, read_denials
from regrant.denials.wrapping import rejoined

WHO = "User: arn:aws:sts::123456789012:assumed-role/orders-worker/0f1e2d3c4b5a6978 is not authorized to perform: "
CALLED = "An error occurred (AccessDenied) when calling the ListQueues operation: "
QUEUES = "arn:aws:sqs:eu-west-1:123456789012:"
SCP = "arn:aws:organizations::999988887777:policy/o-a1b2c3d4e5/service_control_policy/p-1a2b3c4d"
SENTENCES = (
    f"{WHO}sqs:receivemessage on resource: {QUEUES}orders because no identity-based policy allows the"
    " sqs:receivemessage action",
    f"{WHO}sqs:receivemessage on resource: {QUEUES}orders-of_the.shop",
    f"{CALLED}{WHO}sqs:listqueues on resource: {QUEUES} because no identity-based policy allows the"
    " sqs:listqueues action",
    f"{WHO}dynamodb:PutItem on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/orders with an explicit"
    f" deny in a service control policy: {SCP}",
    f'{WHO}s3:GetObject on resource: "arn:aws:s3:::orders/in/a b.csv" because no permissions boundary allows'
    " the s3:GetObject action",
    f"{WHO}s3:GetObject on resource: arn:aws:s3:::orders/in/report.csv because no session policy allows the"
    " s3:GetObject action",
    f"{WHO}kms:Decrypt on the resource associated with this ciphertext because no resource-based policy allows"
    " the kms:Decrypt action",
    f"{WHO}iam:GetRole on resource: role orders-worker because no identity-based policy allows the iam:GetRole"
    " action",
)
Lines = Callable[[list[str]], list[str]]


def _boxed(lines: list[str], bar: str) -> list[str]:
    width = max(map(len, lines))
    return [f"{bar} {line.ljust(width)} {bar}" for line in lines]


MARGINS: dict[str, Lines] = {
    "none": lambda lines: lines,
    "box": lambda lines: ["╭─────╮", *_boxed(lines, "│"), "╰─────╯"],
    "ascii box": lambda lines: ["+------+", *_boxed(lines, "|"), "+------+"],
    "bar": lambda lines: [f"┃ {line}" for line in lines],
    "quote": lambda lines: [f"> {line}" for line in lines],
    "comment": lambda lines: [f" * {line}" for line in lines],
    "container": lambda lines: [f"worker-1  | {line}" for line in lines],
    "container and box": lambda lines: [f"worker-1  | {line}" for line in _boxed(lines, "│")],
    "times": lambda lines: [f"2026-11-23T09:14:{n:02}.4{n}Z {line}" for n, line in enumerate(lines)],
    "syslog": lambda lines: [f"Nov 23 09:14:22 ip-10-0-1-7 worker[7]: {line}" for line in lines],
    "pod": lambda lines: [f"[pod/worker-7d9f/worker] {line}" for line in lines],
    "pytest": lambda lines: [f"E   {line}" for line in lines],
    "blanks": lambda lines: [f"    {line}" for line in lines],
    "other lines": lambda lines: ["INFO 3 messages", *lines, "Traceback (most recent call last):", "  File"],
}


def folded(text: str, width: int) -> list[str]:
    return [text[at : at + width] for at in range(0, len(text), width)]


def wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)


def hyphenated(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width)


BREAKS = (folded, wrapped, hyphenated)
NOTHING = msgspec.to_builtins(Denial())


@given(
    st.sampled_from(SENTENCES),
    st.sampled_from(BREAKS),
    st.integers(40, 300),
    st.sampled_from(sorted(MARGINS)),
    st.sampled_from(["\n", "\r\n"]),
)
@example(SENTENCES[3], folded, 76, "box", "\n")
@example(SENTENCES[3], wrapped, 70, "other lines", "\n")
@settings(max_examples=600, deadline=None)
def test_broken_lines_are_read_right_or_not_at_all(
    sentence: str, broken: Callable[[str, int], list[str]], width: int, margin: str, end: str
) -> None:
    (whole,) = (msgspec.to_builtins(each) for each in read_denials(sentence))
    text = end.join(MARGINS[margin](broken(sentence, width)))
    found = [msgspec.to_builtins(each) for each in read_denials(text)]
    assert len(found) <= 1, text
    for denial in found:
        wrong = {key: value for key, value in denial.items() if value not in (whole[key], NOTHING[key])}
        assert not wrong, text
        assert denial["principal_arn"] == whole["principal_arn"], text


@pytest.mark.parametrize("margin", sorted(MARGINS))
@pytest.mark.parametrize("sentence", [SENTENCES[0], SENTENCES[2], SENTENCES[7]])
@pytest.mark.parametrize("width", [76, 100, 118])
def test_lines_that_are_broken_at_blanks_lose_nothing(sentence: str, width: int, margin: str) -> None:
    lines = textwrap.wrap(sentence, width, break_on_hyphens=False, break_long_words=False)
    assert read_denials("\n".join(MARGINS[margin](lines))) == read_denials(sentence)


@pytest.mark.parametrize("width", [72, 80, 100])
def test_a_screens_width_is_seen_from_its_lines(width: int) -> None:
    assert rejoined("\n".join(folded(SENTENCES[0], width))) == SENTENCES[0]


def test_lines_of_one_length_that_are_records_of_their_own_stay_apart() -> None:
    line = f"ERROR {SENTENCES[1]}"
    assert rejoined(f"{line}\n{line}\n{line}\n{line[:50]}") == f"{line}\n{line}\n{line}\n{line[:50]}"


def test_what_stands_before_one_line_only_is_no_margin() -> None:
    assert rejoined("on resource:\n* because no") == "on resource:\n* because no"


def test_two_quoted_lines_are_two_texts() -> None:
    text = '"arn:aws:sqs:eu-west-1:1:orders"\n"next"'
    assert rejoined(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "'is not '\n    'authorized'",
        "'is not ' +\n  'authorized'",
        '"is not " + "authorized"',
        "'is not \\\nauthorized'",
    ],
)
def test_one_text_in_several_literals_is_one(text: str) -> None:
    assert rejoined(f"{text}\n").strip("'\"\n") == "is not authorized"
