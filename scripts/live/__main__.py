"""`make live ACCOUNT=<id>`: the whole story in an AWS account of your own, from nothing and back to nothing.

It costs a few cents: one small Fargate task for about half an hour, and what the runbook itself costs.
Everything it makes has a name that begins with regrant-live, and is deleted at the end, whatever happened;
what could not be is listed; SAM's own bucket stays, and so does ECS's service-linked role. It never runs
without the account's id, not in another account than that, and not where something of those names is
already.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from regrant.denials.search import DENIAL_TERM
from scripts.live.stacks import (
    ACCOUNT_STACK,
    Failed,
    Refused,
    account_stack,
    check_names,
    enrolment_stack,
    runbook_stack,
    say,
)

SERVICE = f"{ACCOUNT_STACK}/worker"
PATIENCE = 40 * 60
"""Seconds that one run may take."""
DENIAL_PATIENCE = 5 * 60
"""Seconds that the worker's next denial may take to show."""


INTRODUCTION = """As {caller} in {region}: about half an hour and a few cents.
The credentials must last that long, and be allowed to make roles and policies; what else they need is in
docs/runtimes.md, make live. Ctrl-C ends it; what was made is deleted then, too, which takes some minutes."""


def end_as_by_ctrl_c(number: int, frame: FrameType | None) -> None:
    """A terminal that is closed, or a job that is cancelled, leaves nothing behind either."""
    raise KeyboardInterrupt


def check_account(wanted: str, sts: Any) -> str:
    """The ARN of whoever these credentials are of. Raises Refused unless that is in the wanted account."""
    if not (wanted.isdigit() and len(wanted) == 12):
        raise Refused("Say which account: make live ACCOUNT=<12 digits>. Take one of no importance.")
    try:
        caller = sts.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise Refused(f"No credentials that work: {error}. Log in first.") from error
    if caller["Account"] != wanted:
        raise Refused(
            f"These credentials are of account {caller['Account']}, not of {wanted}. Nothing was made."
        )
    return str(caller["Arn"])


def play(session: Any) -> None:
    """Contain, undo, contain again, cure. Raises Refused before it begins, Failed if a run ends otherwise."""
    check_names(session)
    with (
        account_stack(session) as account,
        runbook_stack(session, account) as runbook,
        enrolment_stack(session, account),
    ):
        _wait_for_denial(session, account["LogGroup"])
        contained = _run(session, runbook, {"service": SERVICE})
        _expect(contained, "CONTAINED", _roles(session, account, attached=True))
        undone = _run(session, runbook, {"mode": "rollback", "incident": contained["incident"]})
        _expect(undone, "ROLLED_BACK", _roles(session, account, attached=False))
        _wait_for_denial(session, account["LogGroup"])
        again = _run(session, runbook, {"service": SERVICE})
        _expect(again, "CONTAINED", _roles(session, account, attached=True))
        cured = _run(session, runbook, {"service": SERVICE, "mode": "cure"})
        _expect(cured, "CURED", _roles(session, account, attached=False))


def _wait_for_denial(session: Any, log_group: str) -> None:
    """Returns once the worker has been denied after now; raises Failed if it is not for too long."""
    say("Waiting for the worker to be denied.")
    since = int(time.time() * 1000)
    until = time.monotonic() + DENIAL_PATIENCE
    logs = session.client("logs").get_paginator("filter_log_events")
    asked = {"logGroupName": log_group, "startTime": since, "filterPattern": f'"{DENIAL_TERM}"'}
    while not any(page["events"] for page in logs.paginate(**asked)):
        if time.monotonic() > until:
            raise Failed(f"No denial in {log_group} for {DENIAL_PATIENCE / 60:.0f} minutes")
        time.sleep(10)


def _run(session: Any, runbook: Mapping[str, str], given: Mapping[str, str]) -> dict[str, Any]:
    """Start a run and wait for its end; its report. Raises Failed if it does not end, or without a report."""
    sfn = session.client("stepfunctions")
    say(f"Starting {json.dumps(given)}.")
    arn = sfn.start_execution(stateMachineArn=runbook["RunbookArn"], input=json.dumps(given))["executionArn"]
    until = time.monotonic() + PATIENCE
    while (shown := sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
        if time.monotonic() > until:
            sfn.stop_execution(executionArn=arn, cause="make live waited for too long")
            raise Failed(f"{arn} did not end in {PATIENCE / 60:.0f} minutes")
        time.sleep(10)
    report = _report(shown)
    say(f"{shown['status']} {report.get('outcome')}")
    return report


def _report(shown: Mapping[str, Any]) -> dict[str, Any]:
    """A run's output or cause. Raises Failed if that is no report: a cause may be any text."""
    text = shown.get("output") or shown.get("cause") or ""
    try:
        report = json.loads(text)
    except ValueError:
        report = None
    if not isinstance(report, dict):
        raise Failed(f"{shown['executionArn']} ended {shown['status']} without a report: {text}")
    return report


def _expect(report: Mapping[str, Any], outcome: str, roles_are_right: bool) -> None:
    """Raises Failed unless the run ended so and the roles are as that says."""
    text = json.dumps(report, indent=2)
    if report.get("outcome") != outcome:
        raise Failed(f"expected {outcome}:\n{text}")
    if not roles_are_right:
        raise Failed(f"the roles are not as {outcome} says:\n{text}")


def _roles(session: Any, account: Mapping[str, str], *, attached: bool) -> bool:
    """Whether the old role has the policy, and only if it should."""
    name = account["OldRoleArn"].rpartition("/")[2]
    policies = session.client("iam").list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return [policy["PolicyArn"] for policy in policies] == ([account["PolicyArn"]] if attached else [])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.live", description=__doc__)
    parser.add_argument(
        "--account", default="", help="the id of your own sandbox account; there is no default"
    )
    wanted = parser.parse_args(arguments).account
    try:
        session = boto3.Session()
        sts = session.client("sts", region_name=session.region_name or "us-east-1")
        caller = check_account(wanted, sts)
        if session.region_name is None:
            raise Refused("No Region: set AWS_DEFAULT_REGION.")
        say(INTRODUCTION.format(caller=caller, region=session.region_name))
        play(session)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    except (Failed, ValueError, BotoCoreError, ClientError, OSError, subprocess.CalledProcessError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    say("Contained, undone, contained again and cured, in a real account.")
    return 0


if __name__ == "__main__":
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, end_as_by_ctrl_c)
    sys.exit(main())
