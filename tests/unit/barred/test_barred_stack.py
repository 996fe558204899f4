"""A policy that lets its holder use the runbook's own stack is never granted, however it says so; one for
what a service works with is."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from regrant.barred.policy import judge_policy
from regrant.barred.stack import ACTIONS, Stack, is_of_stack, stack_at
from regrant.denials.actions import is_action, manages_permissions, takes_no_resource
from regrant.iam.patterns import encode_resource, overlap
from tests.unit.barred.test_barred_policy import CONDITION, policy, statement
from tests.unit.fakes import ACCOUNT, OLD_ROLE, QUEUE, REGION, SETTINGS

STACK = stack_at(SETTINGS, OLD_ROLE)
PROD = replace(STACK, name="prod", journal="prod-JournalTable-1ABCDEF")
LONG = replace(STACK, name="the-runbook-of-the-whole-of-our-platform")


def arn(service: str, resource: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"


ANSWER = arn("lambda", "function:regrant-answer-approval")
JOURNAL = arn("dynamodb", "table/regrant-journal")
RUNBOOK = arn("states", "stateMachine:regrant-runbook")
ENTRY = arn("ssm", "parameter/regrant/services/retainwise-cluster/retainwise-worker")
LISTS = arn("ssm", "parameter/regrant/allowed/regrant/policies")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/regrant-AttachPoliciesFunctionRole-1ABCDEF"
OURS = arn("cloudformation", "stack/regrant/0f9c2f1d-7f3f-4c5e-8a6b-9d0e1c2a3b4f")


def code(*statements: Any, stack: Stack = STACK) -> str | None:
    refusal = judge_policy(policy(*statements), stack)
    return refusal.code if refusal else None


def test_the_policy_whose_holder_approves_as_anybody_is_refused() -> None:
    wide = statement(
        Action=[
            *("sqs:SendMessage", "lambda:InvokeFunction", "lambda:UpdateFunctionCode", "dynamodb:PutItem"),
            *("ssm:PutParameter", "states:StartExecution", "cloudformation:UpdateStack", "sts:AssumeRole"),
        ]
    )
    refusal = judge_policy(policy(wide), STACK)
    assert refusal is not None and refusal.code == "REACHES_THE_STACK"
    assert refusal.message == (
        "worker lets its holder use the parts of the stack regrant itself (dynamodb:PutItem on"
        " table/regrant-journal, ssm:PutParameter on parameter/regrant/services/*, ssm:PutParameter on"
        " parameter/regrant/allowed/regrant/* and more), and no run grants such a policy."
    )


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("lambda:InvokeFunction", ANSWER),
        ("LAMBDA:invokefunction", f"{ANSWER}:*"),
        ("lambda:InvokeFunction", f"{ANSWER}:$LATEST"),
        ("lambda:Invoke*", arn("lambda", "function:*-answer-approval")),
        ("lambda:UpdateFunctionCode", arn("lambda", "function:regrant-attach-policies")),
        ("lambda:InvokeFunction", "arn:aws:lambda:*:*:function:regrant-*"),
        ("dynamodb:PutItem", JOURNAL),
        ("dynamodb:*Item", "*"),
        ("dynamodb:DeleteTable", arn("dynamodb", "table/regrant*")),
        ("dynamodb:PutItem", "arn:aws:dynamodb:${aws:PrincipalTag/region}:*:table/*"),
        ("ssm:PutParameter", ENTRY),
        ("ssm:PutParameter", arn("ssm", "parameter/*/services/retainwise-cluster/retainwise-worker")),
        ("ssm:PutParameter", LISTS),
        ("states:StartExecution", RUNBOOK),
        ("states:StopExecution", arn("states", "execution:regrant-runbook:run-1")),
        ("states:UpdateStateMachine", arn("states", "stateMachine:*")),
        ("cloudformation:UpdateStack", OURS),
        ("cloudformation:ExecuteChangeSet", arn("cloudformation", "stack/regrant/*")),
        ("sts:AssumeRole", ROLE),
        ("sts:AssumeRole", "*"),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/*FunctionRole-*"),
    ],
    ids=str,
)
def test_what_uses_a_part_of_the_stack_is_refused(action: str, resource: str) -> None:
    assert code(statement(Action=action, Resource=resource)) == "REACHES_THE_STACK"
    assert code(statement(Action=["sqs:SendMessage", action], Resource=[QUEUE, resource])) is not None
    on_condition = statement(Action=action, Resource=resource, Condition=CONDITION)
    assert code(on_condition) == "REACHES_THE_STACK"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("dynamodb:PutItem", arn("dynamodb", "table/retainwise-predictions")),
        ("dynamodb:*Item", arn("dynamodb", "table/retainwise-*")),
        ("dynamodb:PutItem", arn("dynamodb", "table/regrant-journal", account="210987654321")),
        ("dynamodb:PutItem", arn("dynamodb", "table/regrant-journal", region="eu-west-1")),
        ("dynamodb:GetItem", "*"),
        ("lambda:InvokeFunction", arn("lambda", "function:resize")),
        ("lambda:InvokeFunction", arn("lambda", "function:regrant-of-somebody-else")),
        ("lambda:GetFunction", ANSWER),
        ("ssm:PutParameter", arn("ssm", "parameter/retainwise/*")),
        ("ssm:GetParameter*", "*"),
        ("states:StartExecution", arn("states", "stateMachine:orders")),
        ("states:SendTaskSuccess", "*"),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/worker"),
        ("sts:AssumeRole", "arn:aws:iam::210987654321:role/*"),
        ("sqs:SendMessage", "*"),
    ],
    ids=str,
)
def test_what_a_service_works_with_is_granted(action: str, resource: str) -> None:
    assert code(statement(Action=action, Resource=resource)) is None


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("lambda:InvokeFunction", arn("lambda", "function:prod-resize")),
        ("dynamodb:PutItem", arn("dynamodb", "table/prod-orders")),
        ("states:StartExecution", arn("states", "stateMachine:prod-orders")),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/prod-reader-*"),
        ("ssm:PutParameter", arn("ssm", "parameter/prod/worker/*")),
    ],
    ids=str,
)
def test_what_is_called_as_the_stack_is_need_not_be_of_it(action: str, resource: str) -> None:
    """A stack may be called `prod`, and so may everything else."""
    assert code(statement(Action=action, Resource=resource), stack=PROD) is None
    assert code(statement(Action=action, Resource="*"), stack=PROD) == "REACHES_THE_STACK"


def test_a_long_name_of_a_stack_is_cut_in_its_roles_names() -> None:
    cut = f"arn:aws:iam::{ACCOUNT}:role/{LONG.name[:24]}-AttachPoliciesFunctionRo-1ABCDEFGHIJK"
    assert code(statement(Action="sts:AssumeRole", Resource=cut), stack=LONG) == "REACHES_THE_STACK"


@pytest.mark.parametrize(
    ("elements", "refused"),
    [
        ({"Action": "lambda:InvokeFunction", "NotResource": arn("lambda", "function:resize")}, True),
        ({"Action": "lambda:InvokeFunction", "NotResource": f"{ANSWER}*"}, True),
        ({"Action": "lambda:InvokeFunction", "NotResource": arn("lambda", "function:*")}, False),
        ({"Action": "lambda:InvokeFunction", "NotResource": arn("lambda", "function:regrant-*")}, False),
        ({"Action": "lambda:InvokeFunction", "NotResource": arn("lambda", "function:${aws:userid}")}, True),
        ({"NotAction": "sqs:*", "Resource": ANSWER}, True),
    ],
    ids=str,
)
def test_all_but_something_is_judged_by_what_is_left(elements: dict[str, Any], refused: bool) -> None:
    assert bool(code(statement(**elements))) == refused


INVOKE = statement(Action="lambda:InvokeFunction")
OWN_FUNCTIONS = arn("lambda", "function:regrant-*")


@pytest.mark.parametrize(
    ("denial", "refused"),
    [
        (statement("Deny", Action="lambda:*", Resource=OWN_FUNCTIONS), False),
        (statement("Deny", Action="lambda:InvokeFunction"), False),
        (statement("Deny", NotAction="sqs:*", Resource=OWN_FUNCTIONS), False),
        (statement("Deny", Action="lambda:*", NotResource=arn("lambda", "function:resize")), False),
        (statement("Deny", Action="lambda:*", NotResource=ANSWER), True),
        (statement("Deny", Action="lambda:*", Resource=ANSWER), True),
        (statement("Deny", Action="lambda:UpdateFunctionCode", Resource=OWN_FUNCTIONS), True),
        (statement("Deny", Action="lambda:*", Resource=OWN_FUNCTIONS, Condition=CONDITION), True),
        (
            statement("Deny", Action="lambda:*", Resource=arn("lambda", "function:${aws:PrincipalTag/a}*")),
            True,
        ),
    ],
    ids=str,
)
def test_only_a_deny_that_is_certain_on_all_of_the_stack_takes_it_away(
    denial: dict[str, Any], refused: bool
) -> None:
    assert (code(INVOKE, denial) == "REACHES_THE_STACK") == refused


def test_the_actions_are_ones_that_name_a_resource_and_change_no_permissions() -> None:
    """Those that do are refused for that, on whatever resource."""
    for service, names in ACTIONS.items():
        for name in (each.partition(":")[2] for each in names):
            assert is_action(service, name) and not takes_no_resource(service, name), name
            assert service == "sts" or not manages_permissions(service, name), name


def test_a_call_is_the_stacks_by_action_and_resource() -> None:
    assert is_of_stack(STACK, "lambda:InvokeFunction", ANSWER)
    assert not is_of_stack(STACK, "lambda:GetFunction", ANSWER)
    assert not is_of_stack(STACK, "lambda:InvokeFunction", arn("lambda", "function:resize"))
    assert not is_of_stack(STACK, "sqs:SendMessage", QUEUE)


SHORT = st.text("ab*?", max_size=4)
TEXTS = ["".join(each) for length in range(9) for each in product("ab", repeat=length)]


@given(SHORT, SHORT)
def test_two_patterns_overlap_if_a_text_is_of_both(one: str, other: str) -> None:
    """Of patterns of four characters a text of eight shows it: no wildcard needs more than the other has."""
    first, second = (encode_resource(f"arn:aws:a:b:c:{text}", False) for text in (one, other))
    both = [text for text in TEXTS if _is_of(text, one) and _is_of(text, other)]
    assert overlap(first, second) == bool(both)


def _is_of(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_is_of(text[start:], pattern[1:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and _is_of(text[1:], pattern[1:])
