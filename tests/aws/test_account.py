"""The account that the functions run in: each part is made at its first use, and once."""

from __future__ import annotations

import pytest

from regrant import ports, stored
from regrant.aws.account import Account
from regrant.aws.clients import client
from regrant.handover import ports as handed

OF_ALL = {**vars(ports.Account), **vars(handed.HandoverAccount)}
PARTS = sorted(name for name, part in OF_ALL.items() if isinstance(part, property))
NO_ADAPTERS = ("settings", "state_place")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services whose client an adapter asked for."""
    services: list[str] = []

    def asking(service: str, *, retry: bool = True) -> object:
        services.append(service)
        return client(service, retry=retry)

    monkeypatch.setattr("regrant.aws.account.client", asking)
    return services


@pytest.mark.parametrize("part", PARTS)
def test_every_part_that_the_domain_may_ask_for_is_there_and_made_once(part: str) -> None:
    account = Account()
    assert getattr(account, part) is getattr(account, part)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_what_the_domain_may_ask_of_it(part: str) -> None:
    annotation = OF_ALL[part].fget.__annotations__["return"]
    if part not in NO_ADAPTERS:
        (protocol,) = [vars(each)[annotation] for each in (ports, stored, handed) if annotation in vars(each)]
        wanted = {name for name, value in vars(protocol).items() if callable(value) and name[0] != "_"}
        assert wanted and all(callable(getattr(getattr(Account(), part), name)) for name in wanted)


def test_nothing_is_made_that_is_not_asked_for(asked: list[str]) -> None:
    account = Account()
    assert asked == []
    _ = account.roles
    assert asked == ["iam"]


def test_what_a_handler_names_is_made_while_its_environment_starts(asked: list[str]) -> None:
    Account(("roles", "journal"))
    assert asked == ["iam", "dynamodb"]


def test_the_client_that_sends_once_is_made_where_something_is_sent(asked: list[str]) -> None:
    _ = Account().services
    assert asked == ["ecs"]
