"""An action beside the fake Terraform, and what it is configured with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regrant_terraform import config
from regrant_terraform.codes import CODES
from regrant_terraform.run import run
from regrant_terraform.running.cli import Terraform
from tests.terraform import recorded as r
from tests.terraform.fake import Fake

A_PLAN = "a27fa2bacd5796b82680016a6b8865a616a9e4f6b6a198d3776ddc07536e3158"
"""The SHA-256 of the fake's plan files."""
LOCK = """Error: Error acquiring the state lock

Error message: operation error S3: PutObject, https response error
StatusCode: 412, api error PreconditionFailed: already locked
Lock Info:
  ID:        5d0e6fd9-6dfa-95c5-dc8c-5a5a4a3f7d7d
  Path:      retainwise-terraform-state/prod/terraform.tfstate
  Operation: OperationTypeApply
  Who:       run-7@build
  Version:   1.11.4
  Created:   2026-11-28 10:00:05.123456789 +0000 UTC
  Info:

Terraform acquires a state lock to protect the state from being written
by multiple users at the same time."""
SHOWN_LOCK = LOCK.replace(
    LOCK.split("Lock Info:")[0],
    'Failed to unlock state: lock ID "0" does not match existing lock ("5d0e6fd9")\n',
)
"""What force-unlock prints of a lock with another id."""
NO_LOCK = 'Failed to unlock state: failed to retrieve lock info for lock ID "0": unexpected end of JSON input'
STATE = {"bucket": "retainwise-terraform-state", "key": "prod/terraform.tfstate", "lockfile": True}
RAW: dict[str, Any] = {
    "region": "us-east-1",
    "state": STATE,
    "imports": {r.OLD_ROLE: "retainwise-ecs-task-role"},
    "roles": r.ROLES,
    "services": r.SERVICES,
    "plan_file": "role.tfplan",
    "approved": A_PLAN,
    "undo": {r.WORKER: f"{r.NAMED}retainwise-worker:1"},
    "ended_run": {"who": "run-7@build", "began": "2026-11-28T10:00:00Z", "ended": "2026-11-28T10:05:00Z"},
}
EMPTY = {"rc": 0}
CHANGES = {"rc": 2}


def result(fake: Fake, action: str, environment: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    raw = {"directory": str(fake.hcl), **RAW, **more}
    terraform = Terraform(Path(), fake.environment() if environment is None else environment)
    done, status = run(action, lambda: config.parse(raw, action), terraform)
    assert status == (CODES[done["error"]].status if "error" in done else 0)
    return done
