"""The account that the functions run in: each part is made at its first use, and once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from regrant import ports
from regrant.aws.account import Account
from regrant.aws.clients import client
from regrant.model.journal import Lease
from regrant.parallel import each
from tests.aws.account import TABLE, create_journal
from tests.unit.fakes import INCIDENT, OLD_ROLE, SETTINGS, at

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
        protocol = getattr(ports, annotation)
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


def test_starting_runs_and_looking_at_them_is_one_adapter() -> None:
    account = Account()
    assert account.runs is account.executions


def test_a_name_that_a_function_has_not_is_missed_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOPIC_ARN")
    account = Account(("journal",))
    with pytest.raises(KeyError, match="TOPIC_ARN"):
        _ = account.topic


def test_journal_holds_and_leases_are_in_one_table() -> None:
    create_journal()
    account = Account()
    assert account.settings.journal_table == TABLE == SETTINGS.journal_table
    assert account.journal.load(INCIDENT).changes == ()
    assert account.holds.of(OLD_ROLE) == ()
    assert account.leases.take(Lease("role/x", "a", at(0), at(9)), at(0)).owner == "a"


def test_threads_may_share_it() -> None:
    account = Account()
    found = each(lambda _: account.roles, tuple(range(8)))
    assert len({id(adapter._iam) for adapter in found}) == 1


def test_an_adapter_that_is_not_used_is_not_imported() -> None:
    code = (
        "import sys; from regrant.aws.account import Account; Account();"
        " print(sorted(m for m in sys.modules if m.startswith('regrant.aws.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="functions", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['regrant.aws.account', 'regrant.aws.clients']"
