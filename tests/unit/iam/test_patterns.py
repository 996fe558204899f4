"""Wildcards match as they would if every way to place them were tried."""

from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.iam.patterns import encode_action, encode_resource, match_action, match_resource, within

patterns = st.text("ab*?", max_size=8)
texts = st.text("ab", max_size=8)


def by_trying(pattern: str, text: str) -> bool:
    """The definition: * is any characters, ? is one."""

    @cache
    def fits(p: int, t: int) -> bool:
        if p == len(pattern):
            return t == len(text)
        if pattern[p] == "*":
            return fits(p + 1, t) or (t < len(text) and fits(p, t + 1))
        return t < len(text) and pattern[p] in ("?", text[t]) and fits(p + 1, t + 1)

    return fits(0, 0)


@given(patterns, texts)
def test_the_name_of_an_action(pattern: str, text: str) -> None:
    assert match_action(f"s:x{pattern}", f"s:x{text}").certain == by_trying(pattern, text)


@given(patterns, texts)
def test_the_name_of_a_resource(pattern: str, text: str) -> None:
    start = "arn:aws:s:r:1:x"
    assert match_resource(start + pattern, start + text, variables=True).certain == by_trying(pattern, text)


fields = st.lists(st.text("ab*?", max_size=3), min_size=6, max_size=6)


@given(fields, st.lists(st.text("ab", max_size=3), min_size=6, max_size=6))
def test_a_certain_match_fits_field_by_field(pattern: list[str], arn: list[str]) -> None:
    found = match_resource(":".join(["arn", *pattern[1:]]), ":".join(["arn", *arn[1:]]), variables=True)
    if ":".join(["arn", *pattern[1:]]).strip("*"):
        assert found.certain == all(by_trying(p, a) for p, a in zip(pattern[1:], arn[1:], strict=True))


@given(patterns, patterns, texts)
def test_what_a_pattern_within_another_stands_for_the_other_does_too(a: str, b: str, text: str) -> None:
    if within(encode_action(a), encode_action(b)) and by_trying(a, text):
        assert by_trying(b, text)


few = st.text("ab*?", min_size=1, max_size=4)


@given(few, few)
def test_what_is_not_within_another_stands_for_a_text_that_the_other_does_not(a: str, b: str) -> None:
    """The text can be chosen: each * nothing, or as long as the other pattern, of what stands in neither."""
    if not within(encode_action(a), encode_action(b)):
        lengths = product(range(len(b) + 1), repeat=a.count("*"))
        texts = (filled(a, each) for each in lengths)
        assert any(by_trying(a, text) and not by_trying(b, text) for text in texts)


def filled(pattern: str, lengths: tuple[int, ...]) -> str:
    left = iter(lengths)
    return "".join("#" * next(left) if c == "*" else "#" if c == "?" else c for c in pattern)


def test_inclusion_ends_whatever_the_patterns_are() -> None:
    narrow, wide = ("*a" * 40 + "?*b" * 40, "*a?" * 60 + "*c")
    assert not within(encode_action(narrow), encode_action(wide))


def test_a_pattern_is_within_itself_and_everything() -> None:
    receive, every = encode_action("sqs:Receive*"), encode_action("*")
    one_more = encode_action("sqs:Receive?")
    assert within(receive, receive) and within(receive, every) and not within(every, receive)
    assert within(one_more, receive) and not within(receive, one_more)
    short, full = encode_resource("arn:aws:sqs", True), encode_resource("arn:aws:sqs:*:*:*", True)
    assert within(short, full) and within(full, short)


@pytest.mark.parametrize("pattern", ["arn:aws:logs:*:*:*", "arn:aws:logs:*:*:*:*", "arn:aws:logs:*:*:*/*"])
def test_a_resource_that_is_all_wildcards_has_no_type_to_be_unsure_of(pattern: str) -> None:
    stream = "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/x:log-stream:ecs/app/1"
    assert match_resource(pattern, stream, variables=True).certain
