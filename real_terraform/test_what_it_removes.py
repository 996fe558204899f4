"""What is said of a grant, by the state and by a plan, and what the real Terraform then does with it.

Each way to write who has which policies has a role of its own. All are applied together; then a policy is
attached to each role beside Terraform, and Terraform plans and applies once more.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from regrant.terraform import plan, state
from regrant.terraform.ownership import Grant, Ownership, judge
from sandbox.account import LocalAccount

ACCOUNT = "123456789012"
OTHERS = f"arn:aws:iam::{ACCOUNT}:policy/others"
TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
ALLOW = {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": "*"}
HEAD = """
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}
variable "nothing" {
  type    = list(string)
  default = null
}
"""
EXCLUSIVE = "aws_iam_role_policy_attachments_exclusive"
HCL = {
    "one_by_one": 'resource "aws_iam_role_policy_attachment" "one_by_one" {\n'
    '  for_each = toset(["%(others)s"])\n  role = aws_iam_role.one_by_one.name\n  policy_arn = each.key\n}',
    "exclusive": f'resource "{EXCLUSIVE}" "exclusive" {{\n'
    '  count = 1\n  role_name = aws_iam_role.exclusive.name\n  policy_arns = ["%(others)s"]\n}',
    "listed": f'resource "{EXCLUSIVE}" "listed" {{\n'
    '  role_name = aws_iam_role.listed.name\n  policy_arns = ["%(others)s", "%(grant)s"]\n}',
    "of_policy": 'resource "aws_iam_policy_attachment" "of_policy" {\n'
    '  name = "x"\n  roles = [aws_iam_role.inline.name]\n  policy_arn = "%(grant)s"\n}',
    "inline": 'resource "aws_iam_role_policies_exclusive" "inline" {\n'
    "  role_name = aws_iam_role.inline.name\n  policy_names = []\n}",
    "managed": "",
    "nothing": "",
    "plain": "",
}
WRITTEN = {"managed": 'managed_policy_arns = ["%(others)s"]', "nothing": "managed_policy_arns = var.nothing"}
REMOVED = {"exclusive", "of_policy", "managed"}
BY_STATE = {
    "one_by_one": "STAYS",
    "exclusive": "REMOVED",
    "listed": "STAYS",
    "of_policy": "REMOVED",
    **dict.fromkeys(("inline", "managed", "nothing", "plain"), "UNKNOWN"),
}
BY_PLAN = {
    **dict.fromkeys(HCL, "STAYS"),
    **dict.fromkeys(REMOVED, "REMOVED"),
    "nothing": "UNKNOWN",  # a variable may have a list just as well
}


def policy(style: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/grant-{style}"


def configuration() -> str:
    parts = [HEAD]
    for style, hcl in HCL.items():
        names = {"others": OTHERS, "grant": policy(style)}
        trust = json.dumps(json.dumps({"Version": "2012-10-17", "Statement": [TRUST]}))
        lines = (f'name = "{style}"', f"assume_role_policy = {trust}", WRITTEN.get(style, "") % names)
        parts += [f'resource "aws_iam_role" "{style}" {{\n' + "\n".join(lines) + "\n}", hcl % names]
    return "\n".join(parts) + "\n"


class Ended(NamedTuple):
    """What was said before the second apply, what Terraform planned, and who still has the grant after it."""

    by_state: Mapping[str, Ownership]
    by_plan: Mapping[str, Ownership]
    rc: int
    left: set[str]


@pytest.fixture(scope="module")
def ended(terraform: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    folder = tmp_path_factory.mktemp("roles")
    (folder / "main.tf").write_text(configuration(), "utf-8")
    with LocalAccount(pace=20, http_port=0) as account:
        iam: Any = account.client("iam")
        for name in ("others", *(f"grant-{style}" for style in HCL)):
            document = json.dumps({"Version": "2012-10-17", "Statement": [ALLOW]})
            iam.create_policy(PolicyName=name, PolicyDocument=document)
        keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": account.region}
        environment = terraform | keys | {"AWS_ENDPOINT_URL": str(account.endpoint_url)}

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            with ThreadPoolExecutor(1) as pool:  # the account's time goes on while it runs
                going = pool.submit(_run, ["terraform", *arguments], folder, environment)
                account.clock.run(until=going.done, limit=float("inf"))
            done = going.result()
            assert done.returncode in (0, 2), done.stderr
            return done

        run("init", "-input=false", "-no-color")
        run("apply", "-input=false", "-auto-approve", "-no-color")
        text = (folder / "terraform.tfstate").read_bytes()
        # Somebody takes off what the HCL has, and the grant gives just that back.
        iam.detach_role_policy(RoleName="listed", PolicyArn=policy("listed"))
        by_state = {style: judge(state.resources_of(text), grant(style)) for style in HCL}
        for style in HCL:
            iam.attach_role_policy(RoleName=style, PolicyArn=policy(style))
        rc = run("plan", "-input=false", "-no-color", "-detailed-exitcode", "-out=plan").returncode
        planned = plan.resources_of(run("show", "-json", "plan").stdout.encode())
        by_plan = {style: judge(planned, grant(style)._replace(attached=True)) for style in HCL}
        run("apply", "-input=false", "-no-color", "plan")
        left = {style for style in HCL if policy(style) in _attached(iam, style)}
        yield Ended(by_state, by_plan, rc, left)


def _run(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def grant(style: str) -> Grant:
    return Grant(f"arn:aws:iam::{ACCOUNT}:role/{style}", policy(style))


def _attached(iam: Any, role: str) -> list[str]:
    answer = iam.list_attached_role_policies(RoleName=role)
    return [each["PolicyArn"] for each in answer["AttachedPolicies"]]


def test_the_next_apply_removes_just_what_is_said_to_be_removed(ended: Ended) -> None:
    assert (ended.rc, HCL.keys() - ended.left) == (2, REMOVED)


@pytest.mark.parametrize("style", HCL)
def test_the_state_says_so_or_that_it_is_unknown(ended: Ended, style: str) -> None:
    assert ended.by_state[style].word == BY_STATE[style]


@pytest.mark.parametrize("style", HCL)
def test_the_plan_says_so(ended: Ended, style: str) -> None:
    assert ended.by_plan[style].word == BY_PLAN[style]


def test_the_address_is_that_of_the_resource(ended: Ended) -> None:
    assert ended.by_state["exclusive"].address == f"{EXCLUSIVE}.exclusive[0]"
    assert ended.by_plan["managed"].address == "aws_iam_role.managed"
