"""Who may answer, and whether two identities of IAM are one person."""

from __future__ import annotations

import pytest

from regrant.approval.people import Approvers, Person, approvers, is_certain, person, same_person
from regrant.model.approval import Starter
from tests.unit.fakes import ACCOUNT

USER = f"arn:aws:iam::{ACCOUNT}:user/people/alice"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/people/oncall"
SESSIONS = f"arn:aws:sts::{ACCOUNT}:assumed-role/oncall"
ALICE, BOB = f"{SESSIONS}/alice@example.com", f"{SESSIONS}/bob@example.com"
OTHER = "999999999999"


def who(arn: str) -> Person:
    found = person(arn)
    assert found is not None
    return found


def same(caller: str, starter: str, listed: str, kind: str = "AssumedRole") -> bool:
    sessions = approvers(listed).separates_sessions(who(caller))
    return same_person(who(caller), "ID", Starter(kind, starter), sessions=sessions)


@pytest.mark.parametrize(
    ("listed", "caller"),
    [
        (USER, USER),
        (ROLE, ALICE),
        (f"{SESSIONS}/*", ALICE),
        (ALICE, ALICE),
        (f"{USER},{ALICE}", ALICE),
        ("any", BOB),
    ],
)
def test_who_is_listed_may_answer(listed: str, caller: str) -> None:
    assert approvers(listed).admit(who(caller))


@pytest.mark.parametrize(
    ("listed", "caller"),
    [
        ("", ALICE),
        (USER, ALICE),
        (USER, USER.replace("alice", "bob")),
        (USER, USER.replace(ACCOUNT, OTHER)),
        (ROLE, ALICE.replace(ACCOUNT, OTHER)),
        (ROLE, ALICE.replace("oncall/", "oncall-too/")),
        (ROLE, USER.replace("alice", "oncall")),
        (ALICE, BOB),
        (f"arn:aws:iam::{ACCOUNT}:root", ALICE),
        ("anybody", ALICE),
    ],
)
def test_nobody_else_may(listed: str, caller: str) -> None:
    assert not approvers(listed).admit(who(caller))


@pytest.mark.parametrize(
    "arn", ["", "carol", f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:sts::{ACCOUNT}:federated-user/alice"]
)
def test_root_and_federated_users_are_nobody_here(arn: str) -> None:
    assert person(arn) is None


def test_an_empty_list_is_nobody_and_any_is_no_name() -> None:
    assert approvers("").nobody and not approvers("any").nobody and not approvers(USER).nobody
    assert approvers("any") == Approvers(anyone=True)


def test_a_user_is_one_person_under_every_path() -> None:
    assert same(USER, USER.replace("/people/", "/"), USER, "IAMUser")
    assert not same(USER, USER.replace("alice", "bob"), USER, "IAMUser")


@pytest.mark.parametrize("listed", [ROLE, "any", f"{ROLE},{SESSIONS}/*"])
def test_a_role_is_one_person_whoever_is_in_it(listed: str) -> None:
    """A session's name is what its user wrote, unless the owner says that it is a person's."""
    assert same(BOB, ALICE, listed)


@pytest.mark.parametrize("listed", [f"{SESSIONS}/*", f"{BOB},{ALICE}"])
def test_sessions_are_persons_where_the_owner_lists_them(listed: str) -> None:
    assert not same(BOB, ALICE, listed)
    assert same(BOB, BOB, listed)


def test_the_case_of_a_sessions_name_makes_no_second_person() -> None:
    """In a role whose sessions are named by who assumes it, paula may come as Paula."""
    capital = f"{SESSIONS}/{BOB.rpartition('/')[2].upper()}"
    assert same(capital, BOB, f"{SESSIONS}/*") and same(BOB, capital, f"{SESSIONS}/*")


def test_a_start_in_the_role_itself_is_everybodys_in_it() -> None:
    """Some records have the role and no session."""
    assert same(BOB, ROLE, f"{SESSIONS}/*", "Role")


def test_one_unique_id_is_one_person_whatever_the_names() -> None:
    starter = Starter("IAMUser", USER.replace("alice", "renamed"), "AIDA1")
    assert same_person(who(USER), "AIDA1", starter, sessions=False)


def test_a_service_that_starts_a_run_is_nobody_who_could_answer() -> None:
    rule = Starter("AWSService", service="events.amazonaws.com")
    assert is_certain(rule) and not same_person(who(BOB), "AROA:bob", rule, sessions=False)


@pytest.mark.parametrize(
    "starter",
    [
        Starter("Root", f"arn:aws:iam::{ACCOUNT}:root"),
        Starter("FederatedUser", f"arn:aws:sts::{ACCOUNT}:federated-user/alice"),
        Starter("AssumedRole", ""),
        Starter("AWSAccount", ""),
        Starter("", USER),
    ],
)
def test_what_is_no_user_and_no_role_is_not_certain(starter: Starter) -> None:
    assert not is_certain(starter)
