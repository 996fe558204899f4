"""What holds of policies whatever is in them."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from regrant.iam.policy import Policy, evaluate


def policy(*statements: Any) -> Policy:
    return Policy("p", {"Version": "2012-10-17", "Statement": list(statements)})


names = st.text("ab*?", min_size=1, max_size=6)
actions = st.builds("s:{}".format, names) | st.just("*")
resources = st.builds("arn:aws:s:r:1:{}".format, names) | st.sampled_from(["*", "arn:aws:s:*", "arn:aws:s:r"])
conditions = st.sampled_from([{}, {}, {"Bool": {"aws:SecureTransport": "true"}}])
statements = st.builds(
    lambda effect, action, resource, condition, no: {
        "Effect": effect,
        f"{'Not' * no[0]}Action": action,
        f"{'Not' * no[1]}Resource": resource,
        "Condition": condition,
    },
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.lists(actions, min_size=1, max_size=2),
    st.lists(resources, min_size=1, max_size=2),
    conditions,
    st.tuples(st.booleans(), st.booleans()),
)
calls = st.tuples(
    st.builds("s:{}".format, st.text("ab", min_size=1, max_size=6)),
    st.builds("arn:aws:s:r:1:{}".format, st.text("ab", min_size=1, max_size=6)) | st.none() | st.just("*"),
)


@given(st.lists(statements, max_size=4), statements, calls)
def test_another_allow_never_takes_away(some: list[Any], more: Any, call: tuple[str, str | None]) -> None:
    order = ["EXPLICIT_DENY", "IMPLICIT_DENY", "UNKNOWN", "ALLOWED"]
    before = evaluate((policy(*some),), *call).answer
    after = evaluate((policy(*some, {**more, "Effect": "Allow"}),), *call).answer
    assert order.index(after) >= order.index(before)


@given(st.lists(statements, max_size=4), statements, calls)
def test_another_deny_never_allows(some: list[Any], more: Any, call: tuple[str, str | None]) -> None:
    before = evaluate((policy(*some),), *call)
    after = evaluate((policy(*some, {**more, "Effect": "Deny"}),), *call)
    assert after.answer != "ALLOWED" or before.answer == "ALLOWED"
    certain = not more["Condition"] and evaluate((policy({**more, "Effect": "Deny"}),), *call).answer
    assert certain != "EXPLICIT_DENY" or after.answer == "EXPLICIT_DENY"


@given(st.lists(statements, max_size=4), calls)
def test_statements_mean_the_same_in_any_order_and_any_number_of_policies(
    some: list[Any], call: tuple[str, str | None]
) -> None:
    together = evaluate((policy(*some),), *call).answer
    apart = evaluate(tuple(policy(statement) for statement in reversed(some)), *call).answer
    assert together == apart
