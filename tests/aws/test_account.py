"""The account that the functions run in: each part is made at its first use, and once."""

from __future__ import annotations

import pytest

from regrant import ports, stored
from regrant.aws.account import Account
from regrant.aws.clients import client

PARTS = sorted(name for name in vars(ports.Account) if not name.startswith("_"))


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
    annotation = vars(ports.Account)[part].fget.__annotations__["return"]
    if part != "settings":
        protocol = getattr(ports, annotation, None) or getattr(stored, annotation)
        wanted = {name for name in vars(protocol) if not name.startswith("_")}
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
