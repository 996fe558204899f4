"""Of two policies that would both do, the narrower one is taken."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from regrant.iam.breadth import breadth, narrowest
from regrant.iam.patterns import encode_action, encode_resource, within
from regrant.iam.policy import Policy

QUEUE = "arn:aws:sqs:us-east-1:123456789012:jobs"


def grants(*pairs: tuple[Any, Any], arn: str = "p", **more: Any) -> Policy:
    listed = [{"Effect": "Allow", "Action": a, "Resource": r, **more} for a, r in pairs]
    return Policy(arn, {"Version": "2012-10-17", "Statement": listed})


def test_from_narrow_to_broad() -> None:
    ladder = [
        grants(),
        grants(("sqs:ReceiveMessage", QUEUE)),
        grants((["sqs:ReceiveMessage", "sqs:DeleteMessage"], QUEUE)),
        grants(("sqs:ReceiveMessage", "arn:aws:sqs:us-east-1:123456789012:*")),
        grants(("sqs:ReceiveMessage", "arn:aws:sqs:*")),
        grants(("sqs:ReceiveMessage", "*")),
        grants(("sqs:Receive*", QUEUE)),
        grants(("sqs:*", QUEUE)),
        grants(("sqs:*", "*")),
        grants((["sqs:*", "dynamodb:*"], "*")),
        grants(("*", QUEUE)),
        grants(("*", "*")),
    ]
    assert all(breadth(narrow) < breadth(broad) for narrow, broad in pairwise(ladder))


def test_a_whole_service_outweighs_many_named_actions() -> None:
    named = grants(([f"sqs:Action{n}" for n in range(50)], QUEUE))
    assert narrowest((grants(("sqs:*", QUEUE), arn="a"), named)) == named


def test_how_long_names_are_does_not_count() -> None:
    same = [grants((action, QUEUE)) for action in ("sqs:SendMessage", "sqs:ReceiveMessage", "s3:GetObject")]
    assert len({breadth(policy) for policy in same}) == 1
    assert breadth(grants(("sqs:*", "*"))) == breadth(grants(("dynamodb:*", "*")))


def test_everything_but_counts_as_everything() -> None:
    but = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    assert breadth(Policy("p", {"Statement": but})) == breadth(grants(("*", "*")))


def test_what_cannot_be_read_counts_as_everything() -> None:
    assert breadth(Policy("p", {"Statement": [{"Effect": "Allow"}]})) == breadth(grants(("*", "*")))


def test_a_deny_adds_nothing() -> None:
    denying = Policy("p", {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
    assert breadth(denying) == breadth(grants())


def test_saying_it_twice_or_apart_makes_it_no_broader() -> None:
    both = ["sqs:ReceiveMessage", "sqs:SendMessage"]
    once = grants((both, QUEUE))
    assert breadth(grants((both[0], QUEUE), (both[1], QUEUE), (both[1].lower(), QUEUE))) == breadth(once)
    assert breadth(grants(("sqs:*", QUEUE), (both, QUEUE))) == breadth(grants(("sqs:*", QUEUE)))


def test_the_arn_decides_between_equals() -> None:
    a, b = grants(("sqs:*", QUEUE), arn="a"), grants(("sqs:*", QUEUE), arn="b")
    assert narrowest((b, a)) == narrowest((a, b)) == a


patterns = st.text("ab*?", min_size=1, max_size=4)
actions = st.builds("{}:{}".format, st.sampled_from("st"), patterns) | st.just("*")
resources = st.builds("arn:aws:s:r:1:{}".format, patterns) | st.sampled_from(["*", "arn:aws:s:*"])
Pairs = list[tuple[str, str]]
pairs = st.lists(st.tuples(actions, resources), max_size=4)


def included(narrow: Pairs, wide: Pairs) -> bool:
    return all(
        any(
            within(encode_action(a), encode_action(b))
            and within(encode_resource(r, True), encode_resource(s, True))
            for b, s in wide
        )
        for a, r in narrow
    )


@given(pairs, pairs)
def test_what_is_included_is_never_the_broader(one: Pairs, more: Pairs) -> None:
    for narrow, wide in ((one, more), (one, one + more)):
        if included(narrow, wide):
            assert breadth(grants(*narrow)) <= breadth(grants(*wide))
