"""The owner's checkout: the seed's configuration in a folder, and the real Terraform in it, in a role."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.account import LocalAccount
from scripts.handover.statements import Statements, document

ROLE = "terraform-handover"
IMPORTS = "imports.tf"


@dataclass(frozen=True)
class Run:
    """changes: address to action, of a plan. denied: the first IAM action that was refused."""

    rc: int
    changes: Mapping[str, str]
    text: str

    @property
    def denied(self) -> str | None:
        found = re.search(r"not authorized to perform: ([\w:]+)", self.text)
        return found[1] if found else None

    @property
    def failure(self) -> str:
        """The first error's first words."""
        found = re.search(r'"@level":"error","@message":"(?:Error: )?([^"]*)', self.text) or re.search(
            r"Error: ([^\n]*)", self.text
        )
        return found[1] if found else ""


class Checkout:
    """`environment` is that in which Terraform runs (tests/conftest.py). The account is served, and its time
    goes on while Terraform runs."""

    def __init__(self, account: LocalAccount, folder: Path, environment: Mapping[str, str]) -> None:
        self.account = account
        self.folder = folder
        self._environment = environment
        self._statements: Statements | None = None
        iam: Any = account.client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": account.account_id}, "Action": "sts:AssumeRole"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=text)

    def write(self, files: Mapping[str, str]) -> None:
        """The folder has these files and no other configuration."""
        for old in self.folder.glob("*.tf"):
            old.unlink()
        for name, text in files.items():
            (self.folder / name).write_text(text, "utf-8")

    def import_blocks(self, wanted: Mapping[str, str]) -> None:
        blocks = [f"import {{\n  to = {to}\n  id = {json.dumps(what)}\n}}\n" for to, what in wanted.items()]
        (self.folder / IMPORTS).write_text("\n".join(blocks), "utf-8")

    def may(self, statements: Statements) -> None:
        """What the role may do from here on."""
        iam: Any = self.account.client("iam")
        iam.put_role_policy(RoleName=ROLE, PolicyName="terraform", PolicyDocument=document(statements))

    def terraform(self, *arguments: str) -> Run:
        """Time goes on until the command has ended."""
        assert self.account.endpoint_url is not None
        environment = {
            **self._environment,
            **self.account.role_credentials(ROLE, "terraform"),
            "AWS_ENDPOINT_URL": self.account.endpoint_url,
            "AWS_REGION": self.account.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(_run, ["terraform", *arguments], self.folder, environment)
            self.account.clock.run(until=ended.done, limit=float("inf"))
        done = ended.result()
        return Run(done.returncode, _changes(done.stdout.splitlines()), done.stdout)

    def init(self) -> Run:
        return self.terraform("init", "-input=false", "-no-color")

    def plan(self, out: str = "plan", *more: str) -> Run:
        """rc 0: nothing to do; 2: changes; 1: it failed."""
        return self.terraform("plan", "-input=false", "-json", "-detailed-exitcode", f"-out={out}", *more)

    def apply(self, out: str = "plan") -> Run:
        return self.terraform("apply", "-input=false", "-json", out)


def _run(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _changes(lines: list[str]) -> dict[str, str]:
    """Of the lines of `plan -json`: what each resource would be done to."""
    said = [json.loads(line) for line in lines if line.startswith('{"@level"')]
    planned = [each["change"] for each in said if each.get("type") == "planned_change"]
    return {change["resource"]["addr"]: change["action"] for change in planned}
