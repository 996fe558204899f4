"""The real Terraform with its S3 backend, without a provider; and how the seed's configuration is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox.scenarios.seeds import hcl
from scripts.handover import backend


@pytest.mark.parametrize(
    ("left_out", "failed_at"), [(None, None), ("list the bucket", "init"), ("delete the lock", "plan")]
)
def test_the_backend_needs_each_permission_of_its_own(
    terraform: dict[str, str], tmp_path: Path, left_out: str | None, failed_at: str | None
) -> None:
    row = backend.without_one(tmp_path, terraform, "lock table", left_out)
    assert (row.failed_at, row.as_expected) == (failed_at, True), row.how


def test_the_configuration_is_formatted(terraform: dict[str, str]) -> None:
    command = ["terraform", "fmt", "-check", "-diff", str(hcl.FOLDER)]
    done = subprocess.run(command, env=terraform, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
