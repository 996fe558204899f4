"""The least set of policies that allows every denied call, held against trying every set."""

from __future__ import annotations

from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from regrant.iam.breadth import breadth
from regrant.iam.cover import Call, least_cover
from regrant.iam.policy import Policy, evaluate

QUEUES = [f"arn:aws:sqs:us-east-1:123456789012:{name}" for name in ("a", "b", "c")]
VERBS = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:SendMessage"]
CALLS: list[Call] = [(verb, queue) for verb in VERBS for queue in QUEUES]


def policy(name: str, *statements: tuple[str, str | list[str], str | list[str]]) -> Policy:
    listed = [{"Effect": e, "Action": a, "Resource": r} for e, a, r in statements]
    return Policy(f"arn:aws:iam::123456789012:policy/{name}", {"Version": "2012-10-17", "Statement": listed})


RECEIVE = policy("receive", ("Allow", VERBS[:2], QUEUES[0]))
SEND = policy("send", ("Allow", VERBS[2], QUEUES[0]))
BOTH = policy("both", ("Allow", VERBS, QUEUES[0]))
EVERYTHING = policy("everything", ("Allow", "*", "*"))


def test_one_policy_for_all_calls_is_less_than_one_for_each() -> None:
    assert least_cover((RECEIVE, SEND, BOTH), ((VERBS[0], QUEUES[0]), (VERBS[2], QUEUES[0]))) == (BOTH.arn,)


def test_of_two_that_do_it_the_narrower_is_taken() -> None:
    assert least_cover((EVERYTHING, BOTH, RECEIVE), ((VERBS[0], QUEUES[0]),)) == (RECEIVE.arn,)


def test_a_policy_that_is_not_needed_is_not_taken() -> None:
    assert least_cover((RECEIVE, SEND), ((VERBS[2], QUEUES[0]),)) == (SEND.arn,)


def test_nothing_covers_no_calls() -> None:
    assert least_cover((RECEIVE,), ()) == ()


def test_a_call_that_nobody_allows_has_no_cover() -> None:
    assert least_cover((RECEIVE,), ((VERBS[0], QUEUES[1]),)) is None


def test_a_policy_that_denies_one_of_the_calls_is_never_taken() -> None:
    wrong = policy("wrong", ("Allow", "sqs:ReceiveMessage", "*"), ("Deny", "sqs:SendMessage", "*"))
    calls = ((VERBS[0], QUEUES[0]), (VERBS[2], QUEUES[0]))
    assert least_cover((wrong, SEND), calls) is None
    assert least_cover((wrong, SEND, RECEIVE), calls) == tuple(sorted((RECEIVE.arn, SEND.arn)))


def test_what_allows_a_call_under_a_condition_is_taken_if_nothing_else_does() -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "sqs:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "true"}},
        },
    }
    maybe = Policy("arn:aws:iam::123456789012:policy/maybe", document)
    assert least_cover((maybe,), ((VERBS[0], QUEUES[0]),)) == (maybe.arn,)
    assert least_cover((maybe, EVERYTHING), ((VERBS[0], QUEUES[0]),)) == (EVERYTHING.arn,)


def test_as_many_policies_as_a_role_may_have_are_searched_quickly() -> None:
    # Each call is allowed by half of them: the worst kind of choice.
    policies = tuple(
        policy(f"p{n:02}", ("Allow", [f"sqs:Verb{v}" for v in range(40) if (v * 7 + n * 3) % 5 < 2], "*"))
        for n in range(25)
    )
    calls: tuple[Call, ...] = tuple((f"sqs:Verb{v}", QUEUES[0]) for v in range(40))
    found = least_cover(policies, calls)
    assert found is not None
    assert all(_allowed([p for p in policies if p.arn in found], call) for call in calls)


STATEMENTS = st.tuples(
    st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
    st.lists(st.sampled_from([*VERBS, "sqs:*"]), min_size=1, max_size=2, unique=True),
    st.lists(st.sampled_from([*QUEUES, "*"]), min_size=1, max_size=2, unique=True),
)
POLICIES = st.lists(st.lists(STATEMENTS, min_size=1, max_size=3), max_size=6).map(
    lambda bodies: tuple(policy(f"p{n}", *statements) for n, statements in enumerate(bodies))
)


@given(POLICIES, st.lists(st.sampled_from(CALLS), max_size=5, unique=True).map(tuple))
def test_the_cover_is_what_trying_every_set_finds(
    policies: tuple[Policy, ...], calls: tuple[Call, ...]
) -> None:
    assert least_cover(policies, calls) == _by_trying(policies, calls)


@given(POLICIES, st.lists(st.sampled_from(CALLS), max_size=5, unique=True).map(tuple), st.randoms())
def test_the_order_of_policies_and_calls_makes_no_difference(
    policies: tuple[Policy, ...], calls: tuple[Call, ...], chance: Random
) -> None:
    mixed, asked = list(policies), list(calls)
    chance.shuffle(mixed)
    chance.shuffle(asked)
    assert least_cover(tuple(mixed), tuple(asked)) == least_cover(policies, calls)


def _by_trying(policies: tuple[Policy, ...], calls: tuple[Call, ...]) -> tuple[str, ...] | None:
    harmless = sorted(
        (p for p in policies if not any(evaluate((p,), *call).answer == "EXPLICIT_DENY" for call in calls)),
        key=breadth,
    )
    for size in range(len(harmless) + 1):
        fits = [
            chosen
            for chosen in combinations(range(len(harmless)), size)
            if all(_allowed([harmless[n] for n in chosen], call) for call in calls)
        ]
        if fits:
            best = min(fits, key=lambda chosen: sorted(chosen, reverse=True))
            return tuple(sorted(harmless[n].arn for n in best))
    return None


def _allowed(policies: list[Policy], call: Call) -> bool:
    return evaluate(tuple(policies), *call).answer == "ALLOWED"
