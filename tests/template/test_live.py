"""make live touches no account that it was not told of."""

from __future__ import annotations

import pytest
from moto import mock_aws

from scripts import live
from tests.aws.account import ENVIRONMENT


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(live, "play", lambda session: pytest.fail("it began to make things"))


@pytest.mark.parametrize("account", ["", "regrant", "12345", "1234567890123"])
def test_without_the_accounts_id_it_does_nothing(account: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--account", account]) == 2
    assert "make live ACCOUNT=<12 digits>" in capsys.readouterr().err


@mock_aws
def test_in_another_account_it_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--account", "999999999999"]) == 2
    assert "not of 999999999999" in capsys.readouterr().err


@mock_aws
def test_in_the_account_that_was_said_it_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[object] = []
    monkeypatch.setattr(live, "play", played.append)
    assert live.main(["--account", "123456789012"]) == 0
    assert len(played) == 1
