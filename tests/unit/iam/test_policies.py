"""What a role's policies say about a call, and how certain that is."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest

from regrant.iam.policy import Basis, Policy, covers, evaluate, evaluate_role

QUEUE = "arn:aws:sqs:us-east-1:123456789012:jobs"
RECEIVE = "sqs:ReceiveMessage"


def policy(*statements: Any, version: str = "2012-10-17", arn: str = "p") -> Policy:
    return Policy(arn, {"Version": version, "Statement": list(statements)})


def allow(action: Any = RECEIVE, resource: Any = QUEUE, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = RECEIVE, resource: Any = QUEUE, **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def answer(*statements: Any, action: str = RECEIVE, resource: str | None = QUEUE) -> str:
    return evaluate((policy(*statements),), action, resource).answer


IF_FROM_OFFICE = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}


def test_what_no_policy_allows_is_denied_implicitly() -> None:
    assert evaluate((), RECEIVE, QUEUE).answer == "IMPLICIT_DENY"
    assert answer(allow("sqs:SendMessage")) == "IMPLICIT_DENY"
    assert answer(allow(resource=f"{QUEUE}-2")) == "IMPLICIT_DENY"


def test_what_one_policy_allows_is_allowed() -> None:
    found = evaluate((policy(arn="other"), policy(allow(Sid="Read"), arn="worker")), RECEIVE, QUEUE)
    assert (found.answer, found.basis) == ("ALLOWED", Basis("worker", "Read"))


def test_an_explicit_deny_in_any_policy_wins() -> None:
    found = evaluate((policy(allow()), policy(allow("s3:*"), deny("*", "*"), arn="guard")), RECEIVE, QUEUE)
    assert (found.answer, found.basis) == ("EXPLICIT_DENY", Basis("guard", "#2"))
    assert found.allow == Basis("p", "#1")


def test_a_single_statement_needs_no_list() -> None:
    alone = Policy("p", {"Version": "2012-10-17", "Statement": allow()})
    assert evaluate((alone,), RECEIVE, QUEUE).answer == "ALLOWED"


def test_a_condition_on_an_allow_is_said_to_be_unknown() -> None:
    found = evaluate((policy(allow(Condition=IF_FROM_OFFICE)),), RECEIVE, QUEUE)
    assert (found.answer, found.basis) == ("UNKNOWN", Basis("p", "#1", ("condition aws:SourceIp",)))


def test_an_allow_without_condition_is_preferred_to_one_with() -> None:
    assert answer(allow(Condition=IF_FROM_OFFICE), allow("sqs:*")) == "ALLOWED"


def test_a_condition_on_a_deny_makes_an_allow_unknown() -> None:
    assert answer(allow(), deny("*", "*", Condition=IF_FROM_OFFICE)) == "UNKNOWN"


def test_with_a_conditional_deny_a_missing_allow_can_still_be_seen() -> None:
    found = evaluate((policy(deny("*", "*", Condition=IF_FROM_OFFICE)),), RECEIVE, QUEUE)
    assert (found.answer, found.allow) == ("UNKNOWN", None)


def test_an_empty_condition_asks_for_nothing() -> None:
    assert answer(allow(Condition={})) == "ALLOWED"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", "ALLOWED"),
        ("sqs:*", "ALLOWED"),
        ("SQS:receivemessage", "ALLOWED"),
        ("sqs:Receive*", "ALLOWED"),
        ("sqs:*Message", "ALLOWED"),
        ("sqs:?eceiveMessage", "ALLOWED"),
        ("sqs:ReceiveMessage?", "IMPLICIT_DENY"),
        ("sqs:Receive[M]essage", "IMPLICIT_DENY"),
        ("sqs:Receive.essage", "IMPLICIT_DENY"),
        ("sns:*", "IMPLICIT_DENY"),
        ("s*:*", "UNKNOWN"),
        ("ReceiveMessage", "UNKNOWN"),
    ],
)
def test_actions(pattern: str, expected: str) -> None:
    assert answer(allow(pattern)) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", "ALLOWED"),
        ("**", "ALLOWED"),
        ("arn:aws:sqs:*:123456789012:jobs", "ALLOWED"),
        ("arn:aws:sqs:us-*:*:j?bs", "ALLOWED"),
        ("arn:aws:sqs:us-east-1:123456789012:*", "ALLOWED"),
        ("arn:aws:sqs:us-east-1:123456789012:Jobs", "IMPLICIT_DENY"),
        ("arn:aws:sqs:us-east-1:123456789012:job", "IMPLICIT_DENY"),
        ("arn:aws:sqs:us-east-1:123456789012:${aws:PrincipalTag/queue}", "UNKNOWN"),
        ("arn:aws:sqs:us-east-1:123456789012:${aws:PrincipalTag/queue, 'jobs'}", "UNKNOWN"),
        ("arn:aws:sqs:us-east-1:123456789012:${aws:PrincipalTag/queue}-dead", "IMPLICIT_DENY"),
        ("arn:aws:sqs:us-east-1:123456789012:job${*}", "IMPLICIT_DENY"),
        # IAM completes an incomplete ARN.
        ("arn:aws:sqs", "ALLOWED"),
        ("arn:aws:sqs:*", "ALLOWED"),
        ("arn:aws:sns:*", "IMPLICIT_DENY"),
        # IAM's pages leave open how far these reach.
        ("arn:aws:sqs:us*:jobs", "UNKNOWN"),
        ("arn:aws:sqs:*:jobs", "UNKNOWN"),
        ("arn:aws:*:jobs", "UNKNOWN"),
        ("arn:aws:sqs:eu*:jobs", "IMPLICIT_DENY"),
        ("jobs", "UNKNOWN"),
    ],
)
def test_resources(pattern: str, expected: str) -> None:
    assert answer(allow(resource=pattern)) == expected


def test_what_is_not_certain_is_said() -> None:
    found = evaluate((policy(allow(resource="arn:aws:sqs:*:jobs")),), RECEIVE, QUEUE)
    assert found.basis is not None
    assert found.basis.unknown == ("the wildcard across colons in arn:aws:sqs:*:jobs",)


def test_a_wildcard_in_the_resource_type_is_not_certain_except_in_s3() -> None:
    table = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
    assert answer(allow("*", "arn:aws:dynamodb:*:*:t*/orders"), resource=table) == "UNKNOWN"
    assert answer(allow("*", "arn:aws:dynamodb:*:*:table/*"), resource=table) == "ALLOWED"
    assert answer(allow("*", "arn:aws:s3:::rep*/a.csv"), resource="arn:aws:s3:::reports/a.csv") == "ALLOWED"


def test_escapes_stand_for_the_characters_themselves() -> None:
    key = "arn:aws:s3:::b/what?-$5*"
    assert answer(allow(resource="arn:aws:s3:::b/what${?}-${$}5${*}"), resource=key) == "ALLOWED"
    assert (
        answer(allow(resource="arn:aws:s3:::b/what${?}"), resource="arn:aws:s3:::b/whatx") == "IMPLICIT_DENY"
    )


def test_the_old_version_has_no_variables() -> None:
    literal = "arn:aws:s3:::b/${aws:username}"
    old = policy(allow(resource=literal), version="2008-10-17")
    assert evaluate((old,), RECEIVE, literal).answer == "ALLOWED"
    assert evaluate((old,), RECEIVE, "arn:aws:s3:::b/ann").answer == "IMPLICIT_DENY"
    unversioned = Policy("p", {"Statement": [allow(resource=literal)]})
    assert evaluate((unversioned,), RECEIVE, literal).answer == "ALLOWED"


def test_everything_but() -> None:
    not_s3 = {"Effect": "Allow", "NotAction": ["s3:*", "iam:*"], "Resource": "*"}
    assert answer(not_s3) == "ALLOWED"
    assert answer(not_s3, action="IAM:PassRole") == "IMPLICIT_DENY"
    elsewhere = {"Effect": "Deny", "Action": "*", "NotResource": ["arn:aws:sqs:us-east-1:*:*"]}
    assert answer(allow(), elsewhere) == "ALLOWED"
    assert answer(allow(resource="*"), elsewhere, resource="arn:aws:sqs:eu-west-1:1:j") == "EXPLICIT_DENY"


def test_everything_but_what_a_variable_stands_for_is_unknown() -> None:
    but = {"Effect": "Allow", "Action": "*", "NotResource": f"{QUEUE[:-4]}${{aws:PrincipalTag/queue}}"}
    assert answer(but) == "UNKNOWN"
    assert answer(but, resource="arn:aws:sns:us-east-1:123456789012:jobs") == "ALLOWED"


def test_a_call_without_a_resource_needs_every_resource() -> None:
    assert answer(allow("sqs:ListQueues", "*"), action="sqs:ListQueues", resource="*") == "ALLOWED"
    only_arns = allow("sqs:ListQueues", "arn:aws:sqs:*:*:*")
    assert answer(only_arns, action="sqs:ListQueues", resource="*") == "IMPLICIT_DENY"


def test_an_unknown_resource_is_certain_only_where_every_resource_is_meant() -> None:
    assert answer(allow(resource="*"), resource=None) == "ALLOWED"
    assert answer(allow(), resource=None) == "UNKNOWN"
    assert answer(allow("s3:*"), resource=None) == "IMPLICIT_DENY"
    assert answer(allow(), deny(resource="*"), resource=None) == "EXPLICIT_DENY"


BROKEN: list[Any] = [
    None,
    [],
    "{}",
    {},
    {"Statement": "Allow"},
    {"Statement": [None]},
    {"Version": "2025-01-01", "Statement": [allow()]},
    {"Version": ["2012-10-17"], "Statement": [allow()]},
    {"Statement": [{"Action": "*", "Resource": "*"}]},
    {"Statement": [allow(effect="x")]},
    {"Statement": [{**allow(), "Effect": "allow"}]},
    {"Statement": [{**allow(), "Effect": ["Allow"]}]},
    {"Statement": [allow(action=None)]},
    {"Statement": [allow(action=[])]},
    {"Statement": [allow(action=[1])]},
    {"Statement": [allow(resource={"a": "b"})]},
    {"Statement": [allow(NotAction="s3:*")]},
    {"Statement": [{"Effect": "Allow", "Action": "*"}]},
    {"Statement": [allow(Principal="*")]},
    {"Statement": [allow(Condition=[])]},
    {"Statement": [allow(Condition={"Bool": "aws:SecureTransport"})]},
    {"Statement": [allow(resource="arn:aws:sqs:\x00")]},
    {"Statement": [allow(action="sqs:\x01")]},
]


@pytest.mark.parametrize("document", BROKEN, ids=repr)
def test_what_cannot_be_read_grants_nothing_and_says_so(document: Any) -> None:
    found = evaluate((Policy("broken", document),), RECEIVE, QUEUE)
    assert found.answer == "UNKNOWN"
    assert found.basis is not None and found.basis.policy == "broken"
    assert "unreadable" in found.basis.unknown[0]
    assert not covers(Policy("broken", document), RECEIVE, QUEUE)


def test_what_cannot_be_read_does_not_undo_an_explicit_deny() -> None:
    assert answer({"Effect": "Allow"}, deny()) == "EXPLICIT_DENY"
    # An allow that cannot be read does not take anything away.
    assert answer({"Effect": "Allow"}, allow()) == "ALLOWED"


def test_a_boundary_must_allow_too() -> None:
    role = evaluate_role((policy(allow()),), policy(allow("s3:*", "*")), RECEIVE, QUEUE)
    assert (role.answer, role.in_the_way) == ("IMPLICIT_DENY", ("boundary",))


def test_a_boundary_alone_grants_nothing() -> None:
    role = evaluate_role((), policy(allow("*", "*")), RECEIVE, QUEUE)
    assert (role.answer, role.in_the_way) == ("IMPLICIT_DENY", ("identity",))


def test_a_deny_in_the_boundary_wins() -> None:
    role = evaluate_role((policy(allow()),), policy(allow("*", "*"), deny()), RECEIVE, QUEUE)
    assert (role.answer, role.in_the_way) == ("EXPLICIT_DENY", ("boundary",))


def test_what_identity_policies_do_not_allow_is_denied_whatever_the_boundary_depends_on() -> None:
    role = evaluate_role((), policy(allow(Condition=IF_FROM_OFFICE)), RECEIVE, QUEUE)
    assert (role.answer, role.in_the_way) == ("IMPLICIT_DENY", ("identity", "boundary"))


def test_no_boundary_and_an_allow_is_allowed() -> None:
    role = evaluate_role((policy(allow()),), None, RECEIVE, QUEUE)
    assert (role.answer, role.in_the_way) == ("ALLOWED", ())


def test_only_a_certain_allow_covers() -> None:
    assert covers(policy(allow()), RECEIVE, QUEUE)
    assert not covers(policy(allow(Condition=IF_FROM_OFFICE)), RECEIVE, QUEUE)
    assert not covers(policy(allow(), deny("*", "*", Condition=IF_FROM_OFFICE)), RECEIVE, QUEUE)


@pytest.mark.parametrize("pattern", ["*a" * 1000 + "b", "?*" * 1000 + "b", "*" + "a" * 1000 + "?b"])
def test_no_pattern_takes_long(pattern: str) -> None:
    began = time.process_time()
    answer(allow(f"sqs:{pattern}", "*"), action="sqs:" + "a" * 2000)
    answer(allow(resource=f"arn:aws:s3:::{pattern}"), resource="arn:aws:s3:::" + "a" * 2000)
    assert time.process_time() - began < 2


def test_the_mark_of_a_policy_is_of_its_text_however_that_is_written() -> None:
    one = Policy("p", {"Version": "2012-10-17", "Statement": [allow()]}, "v1", "ANPA1")
    reordered = {"Statement": [dict(reversed(allow().items()))], "Version": "2012-10-17"}
    same = Policy("p", reordered, "v1", "ANPA1")
    assert one.mark == same.mark and (one.mark.id, one.mark.version) == ("ANPA1", "v1")
    assert policy(allow()).mark.sha256 == one.mark.sha256 != policy(allow(resource="*")).mark.sha256


def test_the_mark_is_the_hash_that_the_command_in_the_documents_prints() -> None:
    """printf '{"Statement": [{"Sid": "Ä"}], "Id": "x"}' | jq -cjaS . | sha256sum"""
    canonical = r'{"Id":"x","Statement":[{"Sid":"\u00c4"}]}'
    found = Policy("p", {"Statement": [{"Sid": "Ä"}], "Id": "x"}).mark.sha256
    assert found == hashlib.sha256(canonical.encode()).hexdigest()
