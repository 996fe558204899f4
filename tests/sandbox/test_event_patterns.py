"""EventBridge's patterns: what is refused, and what is found. Each row says where it is from.

GUIDE: EventBridge User Guide, "Comparison operators for use in event patterns" and "Arrays in Amazon
EventBridge event patterns". RULER: README and tests of aws/event-ruler. AWS: answers of TestEventPattern that
LocalStack recorded at AWS (tests/aws/services/events/test_events_patterns.snapshot.json, October 2025).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.aws.events.patterns import MOST_CHARACTERS, Pattern

GUIDE, RULER, AWS = "guide", "ruler", "aws"


def leaf(*alternatives: Any) -> str:
    return json.dumps({"detail": {"x": alternatives}})


REFUSED: list[tuple[str, str, str]] = [
    # (source, pattern, a part of the reason)
    (AWS, "x", "Invalid JSON"),
    (AWS, "{'x': ['y']}", "Invalid JSON"),
    (AWS, '["x"]', "Filter is not an object"),
    (AWS, '{"x": "y"}', '"x" must be an object or an array'),
    (AWS, '{"x": 1}', '"x" must be an object or an array'),
    (RULER, '{"x": null}', '"x" must be an object or an array'),
    (RULER, '{"x": true}', '"x" must be an object or an array'),
    (AWS, '{"x": []}', "Empty arrays are not allowed"),
    (AWS, '{"x": {}}', "Empty objects are not allowed"),
    (RULER, "{}", "Empty objects are not allowed"),
    (RULER, leaf(["y"]), "Match value must be String, number, true, false, or null"),
    (RULER, leaf({}), "Match expression name not found"),
    (RULER, leaf({"prefix": "y", "suffix": "z"}), "Only one key allowed in match expression"),
    (RULER, leaf({"contains": "y"}), "Unrecognized match type contains"),
    (AWS, leaf({"PREFIX": "y"}), "Unrecognized match type PREFIX"),
    (AWS, leaf({"prefix": 1}), "prefix match pattern must be a string"),
    (AWS, leaf({"prefix": ["y"]}), "prefix match pattern must be a string"),
    (RULER, leaf({"prefix": None}), "prefix match pattern must be a string"),
    (RULER, leaf({"prefix": {"wildcard": "y"}}), "Unsupported prefix pattern"),
    (RULER, leaf({"prefix": {"equals-ignore-case": 1}}), "equals-ignore-case match pattern must be a string"),
    (AWS, leaf({"suffix": 1}), "suffix match pattern must be a string"),
    (AWS, leaf({"suffix": ["y"]}), "suffix match pattern must be a string"),
    (RULER, leaf({"suffix": {"equals-ignore-case": ["y"]}}), "equals-ignore-case match pattern must be a"),
    (AWS, leaf({"equals-ignore-case": ["y"]}), "equals-ignore-case match pattern must be a string"),
    (AWS, leaf({"equals-ignore-case": {"prefix": "y"}}), "equals-ignore-case match pattern must be a string"),
    (AWS, leaf({"wildcard": 1}), "wildcard match pattern must be a string"),
    (AWS, leaf({"wildcard": ["y*"]}), "wildcard match pattern must be a string"),
    (AWS, leaf({"wildcard": "ab**c"}), "Consecutive wildcard characters at pos 3"),
    (RULER, leaf({"wildcard": "a\\b"}), "Invalid escape character"),
    (RULER, leaf({"wildcard": "a\\"}), "Invalid escape character"),
    (AWS, leaf({"anything-but": None}), "Value of anything-but must be an array or single string/number"),
    (RULER, leaf({"anything-but": True}), "Value of anything-but must be an array or single string/number"),
    (
        AWS,
        leaf({"anything-but": ["y", None]}),
        "Inside anything but list, start|null|boolean is not supported",
    ),
    (RULER, leaf({"anything-but": []}), "Inside anything but list"),
    (RULER, leaf({"anything-but": ["y", 1]}), "Inside anything but list"),
    (RULER, leaf({"anything-but": {"numeric": [">", 1]}}), "Unsupported anything-but pattern: numeric"),
    (RULER, leaf({"anything-but": {"prefix": "y", "suffix": "z"}}), "Too many elements"),
    (AWS, leaf({"anything-but": {"prefix": ""}}), "Null prefix/suffix not allowed"),
    (AWS, leaf({"anything-but": {"suffix": ""}}), "Null prefix/suffix not allowed"),
    (AWS, leaf({"anything-but": {"prefix": 1}}), "prefix/suffix match pattern must be a string"),
    (AWS, leaf({"anything-but": {"suffix": ["y", None]}}), "prefix/suffix match pattern must be a string"),
    (
        AWS,
        leaf({"anything-but": {"prefix": {"equals-ignore-case": "y"}}}),
        "Value of anything-but must be an array or single string/number value.",
    ),
    (AWS, leaf({"anything-but": {"equals-ignore-case": 1}}), "Inside anything-but/equals-ignore-case list"),
    (AWS, leaf({"anything-but": {"wildcard": 1}}), "wildcard match pattern must be a string"),
    (RULER, leaf({"anything-but": {"wildcard": "a**b"}}), "Consecutive wildcard characters at pos 2"),
    (AWS, leaf({"numeric": 1}), "Value of numeric must be an array."),
    (RULER, leaf({"numeric": []}), "Unrecognized numeric range operator"),
    (RULER, leaf({"numeric": ["=>", 1]}), "Unrecognized numeric range operator: =>"),
    (RULER, leaf({"numeric": [1, "<"]}), "Invalid member in numeric match: 1"),
    (RULER, leaf({"numeric": [">", "1"]}), "Value of > must be numeric"),
    (AWS, leaf({"numeric": [">", 1, "<"]}), "Value of < must be numeric"),
    (RULER, leaf({"numeric": ["=", 1, "<", 2]}), "Too many elements in numeric expression"),
    (RULER, leaf({"numeric": ["<", 1, ">", 0]}), "Too many elements in numeric expression"),
    (AWS, leaf({"numeric": [">", 1, ">", 2]}), "Bad numeric range operator: >"),
    (RULER, leaf({"numeric": [">", 1, "<", 2, "<", 3]}), "Too many terms in numeric range expression"),
    (RULER, leaf({"numeric": [">", 2, "<", 1]}), "Bottom must be less than top"),
    (RULER, leaf({"numeric": ["=", 2**53 + 1]}), "Cannot compare number"),
    (RULER, '{"x": [{"numeric": ["=", 1e999]}]}', "Cannot compare number"),
    (AWS, leaf({"cidr": ["10.0.0.0/8"]}), "prefix match pattern must be a string"),
    (AWS, leaf({"cidr": "10.0.0.0"}), "Malformed CIDR, one '/' required"),
    (AWS, leaf({"cidr": "10.0.0.0/x"}), "Malformed CIDR, mask bits must be an integer"),
    (AWS, leaf({"cidr": "10.0.0/8"}), "Nonstandard IP address: 10.0.0"),
    (RULER, leaf({"cidr": "10.0.0.0/32"}), "Malformed CIDR"),
    (RULER, leaf({"cidr": "10.0.0.0/-1"}), "Malformed CIDR"),
    (RULER, leaf({"exists": "true"}), "exists match pattern must be either true or false."),
    (RULER, '{"$or": [{"x": ["y"]}]}', "Unrecognized match type x"),
    (RULER, '{"$or": [{"x": ["y"]}, [{"z": ["y"]}]]}', "Unrecognized match type x"),
    (RULER, '{"$or": [{"x": ["y"]}, {}]}', "Empty objects are not allowed"),
    (RULER, '{"$or": [{"x": {"prefix": ["y"]}}, {"z": ["y"]}]}', "reserved fieldName"),
    (GUIDE, json.dumps({"x": ["y" * MOST_CHARACTERS]}), "longer than 2048 characters"),
]
FOUND: list[tuple[str, Any, Any, bool]] = [
    # (source, pattern of the field x, its value in the event, whether the pattern finds it)
    (GUIDE, ["a", "b"], "b", True),
    (GUIDE, ["a", "b"], "c", False),
    (GUIDE, [""], "", True),
    (GUIDE, [None], None, True),
    (AWS, [None], "null", False),
    (AWS, [None], [], False),
    (AWS, [False], True, False),
    (RULER, [1], True, False),
    (AWS, [300], 300.0, True),
    (RULER, [300], "300", False),
    (RULER, [2**53 + 1], 2**53 + 1, True),
    (RULER, ["2001:db8::1"], "2001:0db8:0:0::1", True),
    (GUIDE, [{"prefix": "ab"}], "abc", True),
    (AWS, [{"prefix": ""}], "abc", True),
    (RULER, [{"prefix": "1"}], 12, False),
    (GUIDE, [{"prefix": {"equals-ignore-case": "AB"}}], "abc", True),
    (GUIDE, [{"suffix": "bc"}], "abc", True),
    (AWS, [{"suffix": "BC"}], "abc", False),
    (GUIDE, [{"suffix": {"equals-ignore-case": "BC"}}], "abc", True),
    (GUIDE, [{"equals-ignore-case": "ABC"}], "abc", True),
    (AWS, [{"equals-ignore-case": ""}], "abc", False),
    (GUIDE, [{"wildcard": "a*c*e"}], "abcde", True),
    (AWS, [{"wildcard": ""}], "abc", False),
    (GUIDE, [{"wildcard": "a\\*c"}], "a*c", True),
    (GUIDE, [{"wildcard": "a\\*c"}], "abc", False),
    (GUIDE, [{"wildcard": "a\\\\c"}], "a\\c", True),
    (RULER, [{"wildcard": "*"}], 1, False),
    (GUIDE, [{"anything-but": "a"}], "b", True),
    (GUIDE, [{"anything-but": ["a", "b"]}], "b", False),
    (AWS, [{"anything-but": [1, 2]}], 2, False),
    (AWS, [{"anything-but": ["a", "b"]}], None, True),
    (RULER, [{"anything-but": 1}], "1", True),
    (GUIDE, [{"anything-but": {"prefix": "a"}}], "ab", False),
    (AWS, [{"anything-but": {"prefix": ["a", "b"]}}], 12, True),
    (AWS, [{"anything-but": {"suffix": ["a", "b"]}}], "cb", False),
    (GUIDE, [{"anything-but": {"equals-ignore-case": ["a", "b"]}}], "B", False),
    (GUIDE, [{"anything-but": {"wildcard": "*/lib/*"}}], "/usr/lib/x", False),
    (AWS, [{"anything-but": {"wildcard": ""}}], "x", True),
    (GUIDE, [{"numeric": [">", 0, "<=", 5]}], 5, True),
    (GUIDE, [{"numeric": [">", 0, "<=", 5]}], 0, False),
    (AWS, [{"numeric": [">", 100]}], "300", False),
    (AWS, [{"numeric": [">", 100]}], None, False),
    (RULER, [{"numeric": ["=", 3.018e2]}], 301.8, True),
    (GUIDE, [{"cidr": "10.0.0.0/24"}], "10.0.0.255", True),
    (GUIDE, [{"cidr": "10.0.0.0/24"}], "10.0.1.0", False),
    (RULER, [{"cidr": "10.0.0.7/24"}], "10.0.0.1", True),
    (GUIDE, [{"cidr": "2001:db8::/32"}], "2001:db8:1::", True),
    (RULER, [{"cidr": "10.0.0.0/24"}], "no address", False),
    (AWS, [{"cidr": "10.0.0.0/24"}], 123, False),
    (GUIDE, [{"exists": True}], None, True),
    (GUIDE, [{"exists": False}], None, False),
    (AWS, [{"exists": True}], {"y": 1}, False),
    (RULER, [{"exists": False}], {"y": 1}, True),
    (AWS, [{"exists": True}], [], False),
    (GUIDE, ["b", {"prefix": "a"}], "ab", True),
    (GUIDE, ["b", "c"], ["a", "b"], True),
    (RULER, ["a"], [["a"], ["b"]], True),
    (RULER, [{"anything-but": "a"}], ["a", "b"], True),
]
WHOLE: list[tuple[str, Any, Any, bool]] = [
    # (source, pattern, event, whether the pattern finds it)
    (GUIDE, {"x": [{"exists": False}]}, {"y": 1}, True),
    (AWS, {"x": [{"anything-but": "a"}]}, {"y": 1}, False),
    (AWS, {"x": {"y": [{"anything-but": "a"}, {"exists": False}]}}, {"z": 1}, True),
    (AWS, {"x": {"y": ["a"]}}, {"x.y": "a"}, True),
    (AWS, {"x.y": ["a"]}, {"x": {"y": "a"}}, True),
    (AWS, {"X": ["a"]}, {"x": "a"}, False),
    (AWS, {"x": {"y": ["a"]}}, {"x": '{"y": "a"}'}, False),
    (GUIDE, {"s": ["q"], "$or": [{"x": ["a"]}, {"y": ["b"]}]}, {"s": "q", "y": "b"}, True),
    (GUIDE, {"s": ["q"], "$or": [{"x": ["a"]}, {"y": ["b"]}]}, {"s": "p", "y": "b"}, False),
    (GUIDE, {"d": {"$or": [{"x": ["a"]}, {"y": ["b"]}]}}, {"d": {"x": "c", "y": "c"}}, False),
    (RULER, {"$or": [{"x": ["a"], "$or": [{"y": [1]}, {"z": [1]}]}, {"w": [1]}]}, {"x": "a", "z": 1}, True),
    (RULER, {"$or": {"x": ["a"]}}, {"$or": {"x": "a"}}, True),
    (RULER, {"$or": [{"prefix": "a"}, {"prefix": "b"}]}, {"$or": "bc"}, True),
    # An array of objects: the name goes through it, and all fields are of one of its elements.
    (AWS, {"l": {"x": [{"exists": True}]}}, {"l": [{"y": 1}, {"x": 1}]}, True),
    (RULER, {"l": {"x": [1], "y": [1]}}, {"l": [{"x": 1, "y": 2}, {"x": 2, "y": 1}]}, False),
    (RULER, {"l": {"x": [1], "y": [1]}}, {"l": [{"x": 1, "y": 2}, {"x": 1, "y": 1}]}, True),
    (RULER, {"l": {"x": [1]}, "m": {"x": [1]}}, {"l": [{"x": 2}, {"x": 1}], "m": [{"x": 1}]}, True),
    (
        RULER,
        {"l": {"x": [1], "k": {"y": [1], "z": [1]}}},
        {"l": [{"x": 1, "k": [{"y": 1, "z": 2}, {"y": 2, "z": 1}]}, {"x": 2, "k": [{"y": 1, "z": 1}]}]},
        False,
    ),
    (RULER, {"l": {"x": [1], "y": [{"exists": False}]}}, {"l": [{"x": 1}, {"x": 2, "y": 1}]}, True),
    (RULER, {"l": {"x": [2], "y": [{"exists": False}]}}, {"l": [{"x": 1}, {"x": 2, "y": 1}]}, False),
]


@pytest.fixture(scope="module")
def events() -> Any:
    with LocalAccount() as account:
        yield account.client("events")


@pytest.mark.parametrize(("source", "pattern", "reason"), REFUSED)
def test_put_rule_refuses_what_aws_refuses(events: Any, source: str, pattern: str, reason: str) -> None:
    with pytest.raises(ClientError) as refused:
        events.put_rule(Name="rule", EventPattern=pattern)
    assert refused.value.response["Error"]["Code"] == "InvalidEventPatternException"
    message = refused.value.response["Error"]["Message"]
    assert message.startswith("Event pattern is not valid. Reason: ") and reason in message
    assert events.list_rules()["Rules"] == []


@pytest.mark.parametrize(("source", "alternatives", "value", "found"), FOUND)
def test_a_field_is_found(source: str, alternatives: list[Any], value: Any, found: bool) -> None:
    assert Pattern(leaf(*alternatives)).matches({"detail": {"x": value}}) is found


@pytest.mark.parametrize(("source", "pattern", "event", "found"), WHOLE)
def test_an_event_is_found(source: str, pattern: Any, event: Any, found: bool) -> None:
    assert Pattern(json.dumps(pattern)).matches(event) is found


def test_of_a_name_that_is_there_twice_the_last_holds() -> None:
    """AWS: test_event_pattern_with_multi_key; the guide warns of it."""
    pattern = Pattern('{"x": [{"prefix": "a"}], "x": [{"anything-but": "b"}]}')
    assert pattern.matches({"x": "c"})


def test_a_rule_keeps_its_pattern_where_a_new_one_is_refused(events: Any) -> None:
    events.put_rule(Name="kept", EventPattern='{"source": ["mine"]}')
    with pytest.raises(events.exceptions.InvalidEventPatternException):
        events.put_rule(Name="kept", EventPattern='{"source": "mine"}')
    assert events.describe_rule(Name="kept")["EventPattern"] == '{"source": ["mine"]}'
    events.delete_rule(Name="kept")
