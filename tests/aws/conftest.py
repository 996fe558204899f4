"""Each test has an account of its own in moto."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.aws.account import ENVIRONMENT


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield
