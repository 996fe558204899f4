"""The least policy for denied calls, and that no text of a log can add anything to it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.iam.least import as_blocks, calls_of, least_policy
from regrant.iam.policy import Policy, covers

QUEUE = "arn:aws:sqs:us-east-1:123456789012:orders"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
OTHER = "arn:aws:dynamodb:us-east-1:123456789012:table/other"
HOSTILE = (
    *"\"'`\\\n\r\t\u2028\u202e\x00*?{}[]!<>|;&",
    *("${", "$${", "$(", "%{", "<<EOF", "*/", "${aws:username}", "{{"),
    *('", "arn:aws:s3:::*', '"] }));', '"]\n  }\n  statement {'),
)


def read_hcl(text: str) -> list[tuple[str, list[str]]]:
    """Every list of texts in the block, in order, by its name; nothing else may be there."""
    shape = re.compile(
        r'data "aws_iam_policy_document" "missing" \{\n'
        r"(?:  statement \{\n    actions   = \[[^\]\n]*\]\n    resources = \[[^\]\n]*\]\n  \}\n)+\}"
    )
    assert shape.fullmatch(text), text
    lists = re.findall(r"(?m)^    (actions  |resources) = (\[.*\])$", text)
    return [(name.strip(), json.loads(listed)) for name, listed in lists]


def read_cdk(text: str) -> list[tuple[list[str], list[str]]]:
    shape = re.compile(
        r"role\.addToPolicy\(new iam\.PolicyStatement\(\{ actions: (\[.*?\]), resources: (\[.*?\]) \}\)\);"
    )
    found = [shape.fullmatch(line) for line in text.split("\n")]
    assert all(found), text
    return [(json.loads(each[1]), json.loads(each[2])) for each in found if each]


def blocks(document: dict[str, Any]) -> tuple[str, str, str]:
    """JSON, HCL and CDK as they are copied: the lines that begin with two blanks."""
    text = as_blocks(document)
    parts = re.split(r"(?m)^\S.*$", text)[1:]
    assert len(parts) == 3, text
    return tuple("\n".join(line[2:] for line in part.strip("\n").split("\n")) for part in parts)  # type: ignore[return-value]


def test_each_action_is_allowed_on_its_own_resources_only() -> None:
    policy = least_policy(
        [("dynamodb:PutItem", TABLE), ("dynamodb:GetItem", OTHER), ("sqs:SendMessage", QUEUE)]
    )
    assert [(s["Action"], s["Resource"]) for s in policy["Statement"]] == [
        (["dynamodb:GetItem"], [OTHER]),
        (["dynamodb:PutItem"], [TABLE]),
        (["sqs:SendMessage"], [QUEUE]),
    ]


def test_actions_with_the_same_resources_share_a_statement() -> None:
    (statement,) = least_policy([("sqs:SendMessage", QUEUE), ("sqs:ReceiveMessage", QUEUE)])["Statement"]
    assert statement["Action"] == ["sqs:ReceiveMessage", "sqs:SendMessage"]


def test_the_policy_is_written_in_each_form_to_copy() -> None:
    as_json, hcl, cdk = blocks(least_policy([("sqs:SendMessage", QUEUE)]))
    assert json.loads(as_json) == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": [QUEUE]}],
    }
    assert hcl == (
        'data "aws_iam_policy_document" "missing" {\n  statement {\n'
        f'    actions   = ["sqs:SendMessage"]\n    resources = ["{QUEUE}"]\n  }}\n}}'
    )
    assert cdk == (
        'role.addToPolicy(new iam.PolicyStatement({ actions: ["sqs:SendMessage"],'
        f' resources: ["{QUEUE}"] }}));'
    )


def test_no_line_is_longer_than_a_mail_takes() -> None:
    objects = [("s3:GetObject", f"arn:aws:s3:::bucket/{'k' * 300}{number}") for number in range(9)]
    assert max(map(len, as_blocks(least_policy(objects)).split("\n"))) < 998


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_could_end_a_string_is_in_no_policy(text: str) -> None:
    for call in ((f"sqs:Send{text}", QUEUE), ("sqs:SendMessage", f"{QUEUE}{text}"), (text, text)):
        with pytest.raises(ValueError, match="no whole"):
            least_policy([call])


ARNS = st.tuples(
    st.sampled_from(["arn:aws:s3:::bucket/", "arn:aws:sqs:us-east-1:123456789012:", "arn:", ""]),
    st.lists(st.one_of(st.text(max_size=8), st.sampled_from(HOSTILE)), max_size=3).map("".join),
).map("".join)
ACTIONS = st.one_of(st.sampled_from(["s3:GetObject", "sqs:SendMessage"]), st.text(max_size=12))


@given(st.lists(st.tuples(ACTIONS, ARNS), min_size=1, max_size=4))
def test_whatever_a_log_says_each_form_has_these_calls_and_no_others(calls: list[tuple[str, str]]) -> None:
    taken = []
    for call in calls:
        try:
            least_policy([call])
        except ValueError:
            continue
        taken.append(call)
    if not taken:
        return
    policy = least_policy(taken)
    assert set(calls_of(policy)) == set(taken)
    as_json, hcl, cdk = blocks(policy)
    assert json.loads(as_json) == policy
    pairs = [(s["Action"], s["Resource"]) for s in policy["Statement"]]
    assert read_cdk(cdk) == pairs
    assert read_hcl(hcl) == [each for on, at in pairs for each in (("actions", on), ("resources", at))]
    assert all(covers(Policy("p", policy), *call) for call in taken)
