"""The real Terraform, without a provider: terraform_data in a state that the local account's S3 holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.account import LocalAccount
from tests.terraform.backend import Backend, Checkout


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAccount]:
    with LocalAccount(http_port=0) as account:
        yield account


@pytest.fixture
def backend(account: LocalAccount) -> Iterator[Backend]:
    with Backend(account) as backend:
        yield backend


@pytest.fixture
def checkout(tmp_path: Path, terraform: dict[str, str], backend: Backend) -> Checkout:
    return Checkout(tmp_path / "infra", terraform, backend)
