"""The permissions of the S3 backend, with a lock file and with a lock table; no provider is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.account import LocalAccount
from sandbox.iam.requests import REGION
from scripts.handover.checkout import Checkout, Run
from scripts.handover.statements import (
    BUCKET,
    KEY,
    LOCK_FILE,
    LOCK_TABLE,
    STATE,
    TABLE,
    Statements,
    first_action,
    without,
)
from scripts.handover.tried import Tried

_LOCKS: dict[str, tuple[Statements, str]] = {
    "lock file": (LOCK_FILE, "use_lockfile = true"),
    "lock table": (LOCK_TABLE, f'dynamodb_table = "{TABLE}"'),
}
_NUMBER = 'variable "n" {\n  default = 1\n}\n\nresource "terraform_data" "x" {\n  input = var.n\n}\n'


def configuration(lock: str) -> dict[str, str]:
    block = f'''terraform {{
  backend "s3" {{
    bucket  = "{BUCKET}"
    key     = "{KEY}"
    region  = "{REGION}"
    encrypt = true
    {lock}
  }}
}}
'''
    return {"backend.tf": block, "main.tf": _NUMBER}


def tried(folder: Path, environment: Mapping[str, str]) -> Iterator[Tried]:
    for lock, (statements, _) in _LOCKS.items():
        for left_out in (None, *STATE, *statements):
            yield without_one(folder, environment, lock, left_out)


def without_one(folder: Path, environment: Mapping[str, str], lock: str, left_out: str | None) -> Tried:
    """In an account of its own: the first init meets a bucket without a state."""
    statements, line = _LOCKS[lock]
    everything = {**STATE, **statements}
    place = folder / f"{lock} {left_out}".replace(" ", "-")
    place.mkdir()
    with LocalAccount(pace=20, http_port=0) as account:
        _make(account)
        checkout = Checkout(account, place, environment)
        checkout.write(configuration(line))
        checkout.may(without(everything, left_out) if left_out else everything)
        failed, run = _first_failure(checkout)
    action = first_action(everything[left_out]) if left_out else ""
    return Tried(lock, left_out, action, failed, run.failure if run else "init, two plans, two applies")


def _first_failure(checkout: Checkout) -> tuple[str | None, Run | None]:
    run = checkout.init()
    if run.rc:
        return "init", run
    for number in (1, 2):
        run = checkout.plan("plan", f"-var=n={number}")
        if run.rc == 1:
            return "plan", run
        run = checkout.apply("plan")
        if run.rc:
            return "apply", run
    return None, None


def _make(account: LocalAccount) -> None:
    s3: Any = account.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    dynamodb: Any = account.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
