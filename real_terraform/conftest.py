"""The set-up of tests/terraform, but an account goes with its file: others open accounts of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.account import LocalAccount
from tests.conftest import terraform as terraform
from tests.terraform.conftest import backend as backend
from tests.terraform.conftest import checkout as checkout


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAccount]:
    with LocalAccount(http_port=0) as account:
        yield account
