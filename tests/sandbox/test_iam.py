"""Policy evaluation."""

from typing import Any

import pytest

from sandbox.iam.evaluate import Decision, Layer, Request, evaluate

ROLE = "arn:aws:iam::123456789012:role/task"
POLICY = "arn:aws:iam::123456789012:policy/queue"


def policy(effect: str = "Allow", action: Any = "*", resource: Any = "*", **rest: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": effect, "Action": action, "Resource": resource, **rest}]}


def test_what_no_policy_allows_is_denied() -> None:
    verdict = evaluate(Request("sqs:ReceiveMessage"), [policy(action="s3:*")])
    assert verdict.decision is Decision.IMPLICIT_DENY
    assert verdict.reason("sqs:receivemessage") == (
        "because no identity-based policy allows the sqs:receivemessage action"
    )


def test_an_explicit_deny_wins() -> None:
    verdict = evaluate(Request("sqs:ReceiveMessage"), [policy(), policy("Deny", "sqs:Receive*")])
    assert verdict.decision is Decision.EXPLICIT_DENY
    assert verdict.reason("x") == "with an explicit deny in an identity-based policy"


def test_a_boundary_caps_what_the_role_allows() -> None:
    verdict = evaluate(Request("sqs:ReceiveMessage"), [policy()], boundary=policy(action="s3:*"))
    assert (verdict.allowed, verdict.layer) == (False, Layer.BOUNDARY)
    assert evaluate(Request("s3:GetObject"), [policy()], boundary=policy(action="s3:*")).allowed


def test_a_boundary_grants_nothing() -> None:
    assert not evaluate(Request("s3:GetObject"), [], boundary=policy()).allowed


def test_actions_match_without_regard_to_case_and_resources_with_wildcards() -> None:
    policies = [policy(action=["IAM:attach*"], resource="arn:aws:iam::*:role/ta?k")]
    assert evaluate(Request("iam:AttachRolePolicy", ROLE), policies).allowed
    assert not evaluate(Request("iam:AttachRolePolicy", ROLE + "s"), policies).allowed


def test_not_action_and_not_resource() -> None:
    all_but_iam = [{"Statement": {"Effect": "Allow", "NotAction": "iam:*", "NotResource": ROLE}}]
    assert evaluate(Request("sqs:SendMessage", "arn:x"), all_but_iam).allowed
    assert not evaluate(Request("iam:GetRole", "arn:x"), all_but_iam).allowed
    assert not evaluate(Request("sqs:SendMessage", ROLE), all_but_iam).allowed


def test_only_the_listed_policy_may_be_attached() -> None:
    policies = [policy(action="iam:AttachRolePolicy", Condition={"ArnEquals": {"iam:PolicyARN": [POLICY]}})]
    attach = "iam:AttachRolePolicy"
    assert evaluate(Request(attach, ROLE, {"iam:policyarn": POLICY}), policies).allowed
    assert not evaluate(Request(attach, ROLE, {"iam:policyarn": POLICY + "2"}), policies).allowed
    assert not evaluate(Request(attach, ROLE), policies).allowed


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringEqualsIfExists": {"k": "a"}}, {}, True),
        ({"StringLike": {"k": "a*"}}, {"k": "abc"}, True),
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": "false"}}, {}, False),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws:securetransport": "true"}, False),
        ({"NumericLessThan": {"k": "5"}}, {"k": "4"}, True),
        ({"NumericLessThan": {"k": "5"}}, {"k": "x"}, False),
        ({"DateLessThan": {"k": "2026-01-01T00:00:00Z"}}, {"k": "2025-12-31T23:59:59Z"}, True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ["a"]}, True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ["a", "c"]}, False),
        ({"ForAllValues:StringEquals": {"k": ["a"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a"]}}, {"k": ["c", "a"]}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a"]}}, {}, False),
        ({"ArnLike": {"k": "arn:aws:iam::*:role/x*"}}, {"k": "arn:aws:iam::1:role/xy"}, True),
        ({"ArnLike": {"k": "arn:aws:*:role/x"}}, {"k": "arn:aws:iam::1:role/x"}, False),
        ({"StringEquals": {"k": "${aws:PrincipalArn}"}}, {"k": "me", "aws:principalarn": "me"}, True),
        ({"IpAddress": {"k": "10.0.0.0/8"}}, {"k": "10.1.2.3"}, True),
    ],
)
def test_condition_operators(condition: Any, context: Any, expected: bool) -> None:
    assert evaluate(Request("s3:GetObject", "r", context), [policy(Condition=condition)]).allowed is expected


def test_a_variable_in_a_resource() -> None:
    policies = [policy(resource="arn:aws:s3:::home/${aws:PrincipalTag/team}/*")]
    context = {"aws:principaltag/team": "blue"}
    assert evaluate(Request("s3:GetObject", "arn:aws:s3:::home/blue/x", context), policies).allowed
    assert not evaluate(Request("s3:GetObject", "arn:aws:s3:::home/red/x", context), policies).allowed
