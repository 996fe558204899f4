"""`make live ACCOUNT=<id>`: the whole story in an AWS account of your own, from nothing and back to nothing.

It costs a few cents: one small Fargate task for about half an hour, and what the runbook itself costs.
Everything it makes has a name that begins with regrant-live, and is deleted at the end, whatever happened;
what could not be is listed. It never runs without the account's id, and not in another account than that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parents[1]
ACCOUNT_STACK, RUNBOOK_STACK, ENROLMENT_STACK = "regrant-live", "regrant-live-runbook", "regrant-live-worker"
SERVICE = f"{ACCOUNT_STACK}/worker"
PATIENCE = 40 * 60
"""Seconds that one run may take."""


class Refused(Exception):
    """Nothing was made. The text says what to do."""


def check_account(wanted: str, sts: Any) -> None:
    """Raises Refused unless these credentials are of that account."""
    if not (wanted.isdigit() and len(wanted) == 12):
        raise Refused("Say which account: make live ACCOUNT=<12 digits>. Take one of no importance.")
    try:
        found = sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise Refused(f"No credentials that work: {error}. Log in first.") from error
    if found != wanted:
        raise Refused(f"These credentials are of account {found}, not of {wanted}. Nothing was made.")


def play(session: Any) -> None:
    """Contain, undo, contain again, cure; raises AssertionError where a run ends otherwise."""
    with (
        _stack(session, ACCOUNT_STACK, "live/account.yaml", _network(session)) as account,
        _runbook(session, account) as runbook,
        _enrolment(session, account),
    ):
        _say("Waiting for the worker to be denied.")
        time.sleep(120)
        contained = _run(session, runbook, {"service": SERVICE})
        _expect(contained, "CONTAINED", _roles(session, account, attached=True))
        undone = _run(session, runbook, {"mode": "rollback", "incident": contained["incident"]})
        _expect(undone, "ROLLED_BACK", _roles(session, account, attached=False))
        again = _run(session, runbook, {"service": SERVICE})
        _expect(again, "CONTAINED", _roles(session, account, attached=True))
        cured = _run(session, runbook, {"service": SERVICE, "mode": "cure"})
        _expect(cured, "CURED", _roles(session, account, attached=False))


def _network(session: Any) -> dict[str, str]:
    ec2 = session.client("ec2")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        raise Refused("The account has no default VPC in this Region; make one (aws ec2 create-default-vpc).")
    vpc = vpcs[0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    return {"VpcId": vpc, "SubnetIds": ",".join(subnet["SubnetId"] for subnet in subnets)}


@contextmanager
def _stack(session: Any, name: str, template: str, parameters: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The stack's outputs; it is deleted at the end, also if it could not be made."""
    cloudformation = session.client("cloudformation")
    try:
        _say(f"Making stack {name}.")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=(ROOT / template).read_text(),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
            OnFailure="DO_NOTHING",
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name)
        yield _outputs(cloudformation, name)
    finally:
        _delete(cloudformation, name)


@contextmanager
def _runbook(session: Any, account: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The runbook as a user deploys it: make build, sam deploy. What its stack keeps is deleted as well."""
    cloudformation = session.client("cloudformation")
    overrides = {
        "ManagedRoleArns": f"{account['OldRoleArn']},{account['NewRoleArn']}",
        "GrantablePolicyArns": account["PolicyArn"],
        "ManagedClusterArns": account["ClusterArn"],
        "ExecutionRoleArns": account["ExecutionRoleArn"],
    }
    command = [
        *(str(ROOT / ".venv-sam/bin/sam"), "deploy", "--stack-name", RUNBOOK_STACK, "--resolve-s3"),
        *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"),
        *("--region", session.region_name, "--parameter-overrides"),
        *(f"{name}={value}" for name, value in overrides.items()),
    ]
    outputs: dict[str, str] = {}
    try:
        _say(f"Deploying stack {RUNBOOK_STACK}.")
        subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"SAM_CLI_TELEMETRY": "0"})
        outputs = _outputs(cloudformation, RUNBOOK_STACK)
        # The runs are started here, one after the other.
        session.client("events").disable_rule(Name=outputs["AlarmRuleName"])
        yield outputs
    finally:
        _delete(cloudformation, RUNBOOK_STACK)
        if outputs:
            _try(
                "the journal",
                lambda: session.client("dynamodb").delete_table(TableName=outputs["JournalTable"]),
            )
            queue = outputs["DeadLetterQueueUrl"]
            _try("the dead-letter queue", lambda: session.client("sqs").delete_queue(QueueUrl=queue))


@contextmanager
def _enrolment(session: Any, account: Mapping[str, str]) -> Iterator[None]:
    parameters = {
        "Cluster": ACCOUNT_STACK,
        "Service": "worker",
        "TaskRoleArn": account["NewRoleArn"],
        "PolicyArns": account["PolicyArn"],
        "LogGroupName": account["LogGroup"],
        "SuccessText": "Successfully received",
        "QueueArn": account["QueueArn"],
    }
    with _stack(session, ENROLMENT_STACK, "enrol/service.yaml", parameters):
        yield


def _run(session: Any, runbook: Mapping[str, str], given: Mapping[str, str]) -> dict[str, Any]:
    """Start a run and wait for its end; its report."""
    sfn = session.client("stepfunctions")
    _say(f"Starting {json.dumps(given)}.")
    arn = sfn.start_execution(stateMachineArn=runbook["RunbookArn"], input=json.dumps(given))["executionArn"]
    until = time.monotonic() + PATIENCE
    while (shown := sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
        if time.monotonic() > until:
            sfn.stop_execution(executionArn=arn, cause="make live waited for too long")
            raise AssertionError(f"{arn} did not end in {PATIENCE / 60:.0f} minutes")
        time.sleep(10)
    report: dict[str, Any] = json.loads(shown.get("output") or shown.get("cause") or "{}")
    _say(f"{shown['status']} {report.get('outcome')}")
    return report


def _expect(report: Mapping[str, Any], outcome: str, roles_are_right: bool) -> None:
    told = json.dumps(report, indent=2)
    assert report.get("outcome") == outcome, f"expected {outcome}:\n{told}"
    assert roles_are_right, f"the roles are not as {outcome} says:\n{told}"


def _roles(session: Any, account: Mapping[str, str], *, attached: bool) -> bool:
    """Whether the old role has the policy, and only if it should."""
    name = account["OldRoleArn"].rpartition("/")[2]
    policies = session.client("iam").list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return [policy["PolicyArn"] for policy in policies] == ([account["PolicyArn"]] if attached else [])


def _outputs(cloudformation: Any, name: str) -> dict[str, str]:
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _delete(cloudformation: Any, name: str) -> None:
    def delete() -> None:
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)

    _say(f"Deleting stack {name}.")
    _try(f"stack {name}", delete)


def _try(what: str, delete: Callable[[], object]) -> None:
    try:
        delete()
    except (BotoCoreError, ClientError) as error:
        _say(f"LEFT BEHIND: {what}: {error}. Delete it by hand.")


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.live", description=__doc__)
    parser.add_argument(
        "--account", default="", help="the id of your own sandbox account; there is no default"
    )
    wanted = parser.parse_args(arguments).account
    try:
        session = boto3.Session()
        check_account(wanted, session.client("sts", region_name=session.region_name or "us-east-1"))
        if session.region_name is None:
            raise Refused("No Region: set AWS_DEFAULT_REGION.")
        play(session)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    except (AssertionError, BotoCoreError, ClientError, subprocess.CalledProcessError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    _say("Contained, undone, contained again and cured, in a real account.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
