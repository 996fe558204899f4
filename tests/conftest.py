"""What all tests share: the collector, in a process that runs hundreds of tests one after the other, and the
real Terraform.

The collector looks at all that lives, each time: at what was imported, for nothing. And functions freeze what
they have loaded when they start, as Lambda's environments do once; here that would keep every test's garbage
for good.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from sandbox import terraform_cli


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.freeze = lambda: None
    gc.set_threshold(20_000, 10, 10)


def pytest_report_header() -> str:
    try:
        found = terraform_cli.find()
    except terraform_cli.TerraformMissing as error:
        return f"terraform: {error}"
    return f"terraform: {found.said}" if found else terraform_cli.LEFT_OUT


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the real Terraform runs. Where there is none, the test fails; TERRAFORM=none
    leaves it out."""
    found = terraform_cli.find()
    if found is None:
        pytest.skip(terraform_cli.LEFT_OUT)
    folder: Path = tmp_path_factory.mktemp("terraform")
    return terraform_cli.without_settings(os.environ, found, folder)
