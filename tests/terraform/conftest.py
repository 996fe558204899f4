"""The real Terraform, without a provider: terraform_data in a state that the local account's S3 holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.account import LocalAccount
from tests.terraform.backend import Backend, Checkout

LEFT_OUT = "TERRAFORM=none: what runs the real Terraform is left out"


@pytest.fixture(scope="session")
def terraform() -> dict[str, str]:
    """The environment in which it runs. Where there is none, the test fails; TERRAFORM=none leaves it out."""
    if os.environ.get("TERRAFORM") == "none":
        pytest.skip(LEFT_OUT)
    if shutil.which("terraform") is None:
        pytest.fail(
            "terraform is not on the PATH; install 1.11, or leave out what needs it with TERRAFORM=none"
        )
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}


@pytest.fixture(scope="session")
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
