"""The real Terraform, and a checkout with terraform_data alone, which needs no provider."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from real_terraform.backend import Backend, Checkout
from sandbox import terraform_cli
from sandbox.account import LocalAccount
from tests.conftest import pytest_collection_finish as pytest_collection_finish


def pytest_report_header() -> str:
    try:
        found = terraform_cli.find()
    except terraform_cli.TerraformMissing as error:
        return f"terraform: {error}"
    return f"terraform: {found.said}" if found else terraform_cli.LEFT_OUT


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which it runs. Where there is none, the test fails; TERRAFORM=none leaves it out."""
    found = terraform_cli.find()
    if found is None:
        pytest.skip(terraform_cli.LEFT_OUT)
    folder: Path = tmp_path_factory.mktemp("terraform")
    return terraform_cli.without_settings(os.environ, found, folder)


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAccount]:
    """It goes with its file: others open accounts of their own."""
    with LocalAccount(http_port=0) as account:
        yield account


@pytest.fixture
def backend(account: LocalAccount) -> Iterator[Backend]:
    with Backend(account) as backend:
        yield backend


@pytest.fixture
def checkout(tmp_path: Path, terraform: dict[str, str], backend: Backend) -> Checkout:
    return Checkout(tmp_path / "infra", terraform, backend)
