"""Whether Terraform removes a grant, by a state and by a plan.

recorded/ is from Terraform 1.11.4 with provider aws 5.100.0 on the local account: of each way to write who
has which policies the state after its apply, and, after RECEIVE was attached to OLD_ROLE beside it, the
parts that are read of the next plan. AFTER says what the apply of that plan did.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regrant.terraform import plan, state
from regrant.terraform.ownership import TYPES, Attributes, Grant, Ownership, Resource, judge
from tests.unit.fakes import ACCOUNT, OLD_ROLE, RECEIVE, SEND, WORKER_ROLE

RECORDED = Path(__file__).parent / "recorded"
GRANT = Grant(OLD_ROLE, RECEIVE)
MODULE = 'module.roles["prod.us"].'
AFTER = {
    "exclusive-of-role": ("REMOVED", f"{MODULE}aws_iam_role_policy_attachments_exclusive.old"),
    "exclusive-of-policy": ("REMOVED", "aws_iam_policy_attachment.sqs"),
    "managed-policy-arns": ("REMOVED", f"{MODULE}aws_iam_role.old"),
    "one-by-one": ("STAYS", f'aws_iam_role_policy_attachment.each["{SEND}"]'),
    "inline": ("STAYS", "aws_iam_role.old"),
    "null-variable": ("STAYS", "aws_iam_role.old"),
    "exclusive-destroyed": ("STAYS", "aws_iam_role.old"),
}


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def by_state(text: bytes, grant: Grant = GRANT) -> Ownership:
    return judge(state.resources_of(text), grant)


def by_plan(text: bytes, grant: Grant = GRANT) -> Ownership:
    return judge(plan.resources_of(text), grant)


def a_state(*resources: dict[str, Any], version: object = 4) -> bytes:
    return json.dumps({"version": version, "resources": resources}).encode()


def resource(kind: str, attributes: object, **more: Any) -> dict[str, Any]:
    instance = {"attributes": attributes}
    instance.update({key: more.pop(key) for key in ("deposed", "index_key") if key in more})
    return {"mode": "managed", "type": kind, "name": "x", "instances": [instance], **more}


ROLE = resource("aws_iam_role", {"arn": OLD_ROLE, "managed_policy_arns": []})
ATTACHED = resource("aws_iam_role_policy_attachment", {"role": "retainwise-ecs-task-role"})


def of_role(*policies: str, role: str = "retainwise-ecs-task-role", **more: Any) -> dict[str, Any]:
    kind = "aws_iam_role_policy_attachments_exclusive"
    return resource(kind, {"role_name": role, "policy_arns": policies}, **more)


def of_policy(*roles: str, policy: str = RECEIVE, **more: Any) -> dict[str, Any]:
    return resource("aws_iam_policy_attachment", {"policy_arn": policy, "roles": roles}, **more)


@pytest.mark.parametrize("name", AFTER)
def test_a_plan_says_what_its_apply_did(name: str) -> None:
    said = by_plan(recorded(f"{name}.plan"), GRANT._replace(attached=True))
    word, address = AFTER[name]
    assert said.word == ("UNKNOWN" if name == "null-variable" else word)
    assert said.address == (address if word == "REMOVED" else "aws_iam_role.old")


@pytest.mark.parametrize("name", [name for name in AFTER if name != "exclusive-destroyed"])
def test_a_state_says_what_the_next_apply_did_or_that_it_does_not_know(name: str) -> None:
    """managed_policy_arns is in the state of each role, whoever filled it in."""
    said = by_state(recorded(f"{name}.state"))
    undecidable = name in ("managed-policy-arns", "inline", "null-variable")
    assert said.word == ("UNKNOWN" if undecidable else AFTER[name][0])
    assert said.address == AFTER[name][1] and said.address in said.why


def test_a_state_that_was_refreshed_while_the_grant_was_there_lists_it_and_proves_nothing() -> None:
    text = recorded("exclusive-of-role.refreshed")
    assert RECEIVE in text.decode()
    said = by_state(text, GRANT._replace(attached=True))
    assert (said.word, said.address) == ("UNKNOWN", AFTER["exclusive-of-role"][1])


def test_what_terraform_lists_itself_stays() -> None:
    """Somebody took off by hand what the HCL has: the run gives back just that."""
    assert by_state(a_state(ROLE, of_role(SEND, RECEIVE))).word == "STAYS"
    assert by_state(a_state(ROLE, of_policy("retainwise-ecs-task-role"))).word == "STAYS"


@pytest.mark.parametrize(
    "removes",
    [
        of_role(SEND),
        of_role(),
        of_policy("another"),
        of_policy(),
        resource("aws_iam_policy_attachment", {"policy_arn": RECEIVE, "roles": None}),
    ],
)
def test_one_resource_that_removes_it_outweighs_all_others(removes: dict[str, Any]) -> None:
    others = (ROLE, ATTACHED, of_role(RECEIVE), of_policy("retainwise-ecs-task-role"))
    assert by_state(a_state(*others, removes)).word == "REMOVED"
    assert by_state(a_state(removes, *others)).word == "REMOVED"


@pytest.mark.parametrize(
    "other",
    [
        of_role(SEND, role="another-role"),
        of_policy("another", policy=SEND),
        of_role(SEND, mode="data"),
        of_role(SEND, deposed="0a1b2c3d"),
        of_policy("another", deposed="0a1b2c3d"),
        of_role("arn:aws:iam::999999999999:policy/theirs"),  # the role of that name in another account
        resource("aws_iam_role", {"arn": WORKER_ROLE}),
        resource("aws_iam_role_policies_exclusive", {"role_name": "retainwise-ecs-task-role"}),
        resource("aws_iam_user_policy_attachments_exclusive", {"user_name": "x", "policy_arns": []}),
    ],
)
def test_what_looks_at_another_role_or_policy_does_not_matter(other: dict[str, Any]) -> None:
    assert by_state(a_state(ATTACHED, other)).word == "STAYS"
    assert (by_state(a_state(other)).word, by_state(a_state(other)).address) == ("UNKNOWN", None)


def test_a_role_of_another_provider_is_unknown_by_a_state_and_by_a_plan() -> None:
    role = resource("awscc_iam_role", {"arn": OLD_ROLE, "managed_policy_arns": [SEND]})
    assert (by_state(a_state(role)).word, by_state(a_state(role)).address) == ("UNKNOWN", "awscc_iam_role.x")
    text = recorded("managed-policy-arns.plan").replace(b'"aws_iam_role"', b'"awscc_iam_role"')
    said = by_plan(text)
    assert (said.word, said.address) == ("UNKNOWN", f"{MODULE}awscc_iam_role.old")


def test_what_is_to_be_destroyed_takes_off_the_roles_that_its_state_has() -> None:
    """Seen with 5.100.0: exclusive-destroyed left OLD_ROLE, which its state did not have, alone."""
    text = a_state(ATTACHED, of_policy("retainwise-ecs-task-role", deposed="0a1b2c3d"))
    assert by_state(text).word == "REMOVED"


def test_of_many_instances_the_address_says_which_one_it_is() -> None:
    def address(**more: Any) -> str | None:
        return by_state(a_state(of_role(SEND, **more))).address

    kind = "aws_iam_role_policy_attachments_exclusive.x"
    assert address() == kind
    assert address(index_key=0) == f"{kind}[0]"
    assert address(index_key='a"b', module="module.a[1].module.b") == f'module.a[1].module.b.{kind}["a\\"b"]'


def test_others_wrote_the_address_so_nothing_in_it_hides_or_goes_on_for_ever() -> None:
    said = by_state(a_state(of_role(SEND, module="module.a\n\u202e" + "x" * 5000)))
    assert said.address and said.address.isprintable() and len(said.address) <= 301


def changed(name: str, old: str, new: str) -> bytes:
    text = recorded(name).decode()
    assert old in text
    return text.replace(old, new).encode()


def test_a_list_that_is_known_after_the_apply_only_is_not_known() -> None:
    text = changed("exclusive-of-role.plan", '"policy_arns": [', '"policy_arns_": [')
    assert by_plan(text).word == "UNKNOWN"


def test_an_argument_that_names_resources_is_written_whatever_they_are() -> None:
    old = json.dumps({"constant_value": [SEND]}, indent=1)
    plans = json.loads(recorded("managed-policy-arns.plan"))
    written = plans["configuration"]["root_module"]["module_calls"]["roles"]["module"]["resources"][0]
    assert json.dumps(written["expressions"]["managed_policy_arns"], indent=1) == old
    said = dict[str, str]()
    for references in (["aws_iam_policy.send.arn", "aws_iam_policy.send"], ["var.arns"], ["each.value"]):
        written["expressions"]["managed_policy_arns"] = {"references": references}
        said[references[0]] = by_plan(json.dumps(plans).encode()).word
    written["expressions"]["managed_policy_arns"] = {"constant_value": None}
    said["null"] = by_plan(json.dumps(plans).encode()).word
    assert said == {
        "aws_iam_policy.send.arn": "REMOVED",
        "var.arns": "UNKNOWN",
        "each.value": "UNKNOWN",
        "null": "STAYS",
    }


WRONG = (
    *(b"", b"null", b"{}", b"[]", b"\xff\xfe", b'{"version": 4}', b"[" * 100_000, b'{"a":' * 100_000),
    a_state(ROLE, version=3),
    a_state(of_role(SEND), version="4"),
    b'{"version": 4, "resources": [' + b'{"x": ' * 100_000,
    # Format 4 has these of resources that an old Terraform wrote and none has touched since.
    a_state({**ROLE, "instances": [{"attributes_flat": {"arn": OLD_ROLE}}]}),
    b'{"meta": {"key_provider": "x"}, "encrypted_data": "c2VjcmV0", "encryption_version": "v0"}',  # OpenTofu
)


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_no_state_is_refused_without_a_word_of_it(text: bytes) -> None:
    with pytest.raises(state.Unreadable) as refused:
        state.resources_of(text)
    assert str(refused.value) == "is not a Terraform state of format 4"
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_no_plan_is_refused_as_well(text: bytes) -> None:
    with pytest.raises(state.Unreadable):
        plan.resources_of(text)
    with pytest.raises(state.Unreadable):
        plan.resources_of(changed("inline.plan", '"format_version": "1.2"', '"format_version": "2.0"'))


def test_a_state_of_nothing_but_attachments_fills_no_memory() -> None:
    """Whoever may write it may put a million of them into 16 MiB."""
    one = json.loads(a_state(ATTACHED))["resources"][0]
    for count in (state.MOST, state.MOST + 1):
        many = {**one, "instances": one["instances"] * count}
        if count == state.MOST:
            assert len(state.resources_of(a_state(many))) == count
            continue
        with pytest.raises(state.Unreadable, match="more than 10,000"):
            state.resources_of(a_state(many))


def test_nothing_of_a_state_is_kept_but_what_says_who_has_which_policy() -> None:
    """Passwords are in states: of databases, of users, of anything."""
    secret = "hunter2-hunter2"
    database = resource("aws_db_instance", {"password": secret})
    marked = {
        **ROLE,
        "instances": [{"attributes": {"arn": OLD_ROLE, "description": secret}, "private": secret}],
    }
    text = json.dumps(
        {
            "version": 4,
            "outputs": {"password": {"value": secret}},
            "resources": [database, marked, of_role(SEND)],
        }
    ).encode()
    found = state.resources_of(text)
    assert len(found) == 2 and secret not in repr(found) and secret not in repr(judge(found, GRANT))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(["retainwise-ecs-task-role", OLD_ROLE, RECEIVE, SEND, "another"])
attributes = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("arn", "role", "role_name", "policy_arn"), names | json_values),
        **{
            key: st.lists(names, max_size=3) | json_values
            for key in ("roles", "policy_arns", "managed_policy_arns")
        },
    },
)
instances = st.fixed_dictionaries(
    {"attributes": attributes | json_values},
    optional={"index_key": json_values, "deposed": st.text() | json_values},
)
resources = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["managed", "data"]) | json_values,
        "type": st.sampled_from(TYPES) | json_values,
        "name": st.text() | json_values,
        "instances": st.lists(instances, max_size=3) | json_values,
    },
    optional={"module": st.text() | json_values},
)
states = st.fixed_dictionaries(
    {
        "version": st.just(4) | json_values,
        "resources": st.lists(resources | json_values, max_size=4) | json_values,
    }
)


@given(st.binary() | (json_values | states).map(lambda value: json.dumps(value).encode()), st.booleans())
@example(a_state(of_role(SEND)), False)
def test_whatever_lies_there_is_no_state_or_ends_in_one_of_three_words(text: bytes, attached: bool) -> None:
    grant = GRANT._replace(attached=attached)
    try:
        said = by_state(text, grant)
    except state.Unreadable:
        return
    assert said.word in ("REMOVED", "STAYS", "UNKNOWN") and said.why
    assert said.address is None or (said.address.isprintable() and len(said.address) <= 301)
    assert said.word == "UNKNOWN" or said.address


@given(st.sampled_from(sorted(RECORDED.glob("*.plan.json"))), st.data())
def test_a_plan_with_anything_in_one_place_is_no_plan_or_ends_in_one_of_three_words(
    path: Path, data: st.DataObject
) -> None:
    whole = json.loads(path.read_bytes())
    place: Any = whole
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.integers(0, 4)):
            place = place[key]
            continue
        place[key] = data.draw(json_values)
        break
    try:
        said = by_plan(json.dumps(whole).encode())
    except state.Unreadable:
        return
    assert said.word in ("REMOVED", "STAYS", "UNKNOWN") and said.why


@given(
    st.lists(st.sampled_from([ROLE, ATTACHED, of_role(SEND), of_role(RECEIVE), of_policy("b")]), max_size=6)
)
def test_the_order_of_a_states_resources_does_not_matter(chosen: list[dict[str, Any]]) -> None:
    words = {by_state(a_state(*order)).word for order in (chosen, chosen[::-1], sorted(chosen, key=repr))}
    assert len(words) == 1


def test_a_resource_of_an_unknown_role_judges_nothing() -> None:
    nothing = Resource("aws_iam_role_policy_attachments_exclusive", "x", Attributes())
    assert judge([nothing], Grant(f"arn:aws:iam::{ACCOUNT}:role/x", RECEIVE)).word == "UNKNOWN"
