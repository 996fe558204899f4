"""`make audit` as a person runs it: another process, against the local account over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.account import LocalAccount
from sandbox.engine.faults import Effect
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import empty

ROOT = Path(__file__).resolve().parents[2]


def make_audit(account: LocalAccount, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "PYTHONPATH": "functions",
        "AWS_ENDPOINT_URL": str(account.endpoint_url),
        "AWS_DEFAULT_REGION": account.region,
        "AWS_ACCESS_KEY_ID": "anything",
        "AWS_SECRET_ACCESS_KEY": "at all",
    }
    command = [sys.executable, "-m", "scripts.audit", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def served() -> Iterator[LocalAccount]:
    """As `make serve SEED=empty` has it; the demo's role does not exist."""
    with LocalAccount(http_port=0) as account:
        account.deploy(TEMPLATE, empty.PARAMETERS)
        empty.create(account)
        yield account


def record(account: LocalAccount, **changed: str) -> None:
    """A hold that is five hours old, of a policy that is on its role if the role exists."""
    made = account.clock.now() - timedelta(hours=5)
    hold = {
        "policy": empty.PARAMETERS["GrantablePolicyArns"],
        "incident": "run-1",
        "service": "demo-cluster/demo",
        "held_at": made.isoformat(),
        "expires_at": (made + timedelta(hours=24)).isoformat(),
        "why": "alarm regrant/demo-cluster/demo\x1b[2J",
    }
    item = {
        "incident": f"role#{empty.PARAMETERS['ManagedRoleArns']}",
        "entry": f"hold#{hold['policy']}#run-1",
        "body": json.dumps(hold | changed),
    }
    (table,) = account.client("dynamodb").list_tables()["TableNames"]
    account.client("dynamodb").put_item(TableName=table, Item={k: {"S": v} for k, v in item.items()})


def attach(account: LocalAccount, service: str = "ecs-tasks.amazonaws.com") -> None:
    iam = account.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trusted = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="demo-task-role", AssumeRolePolicyDocument=trusted)
    allow = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [allow]}
    iam.create_policy(PolicyName="demo-policy", PolicyDocument=json.dumps(document))
    iam.attach_role_policy(RoleName="demo-task-role", PolicyArn=empty.PARAMETERS["GrantablePolicyArns"])


def test_make_audit_lists_what_is_attached_by_the_accounts_own_clock(
    served: LocalAccount, tmp_path: Path
) -> None:
    attach(served)
    record(served)
    made = make_audit(served, "--json", str(tmp_path / "audit.json"))
    assert (made.returncode, made.stderr) == (0, "")
    # The why is a trigger's text, and must not clear the screen.
    assert made.stdout.splitlines() == [
        "held: demo-policy on demo-task-role",
        "  demo-cluster/demo, for 5.0 h until 2026-03-03T04:00Z",
        "  run run-1: alarm regrant/demo-cluster/demo\\u001b[2J",
    ]
    (grant,) = json.loads((tmp_path / "audit.json").read_text())["grants"]
    assert (grant["incident"], grant["age_hours"]) == ("run-1", 5.0)


def test_make_audit_asks_the_served_account_that_a_port_names(served: LocalAccount) -> None:
    """And not AWS, whatever the environment says."""
    attach(served)
    record(served)
    port = str(served.endpoint_url).rpartition(":")[2]
    environment = {name: value for name, value in os.environ.items() if name[:4] not in ("AWS_", "MAKE")}
    environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"  # where nothing listens
    command = ["make", "--no-print-directory", "audit", f"PORT={port}"]
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("held: demo-policy on demo-task-role\n")


def test_make_audit_fails_where_a_grant_is_overdue_and_starts_nothing(served: LocalAccount) -> None:
    attach(served)
    record(served, expires_at=(served.clock.now() - timedelta(hours=2)).isoformat())
    made = make_audit(served)
    assert (made.returncode, made.stdout.partition(":")[0]) == (1, "overdue")
    sfn = served.client("stepfunctions")
    (machine,) = sfn.list_state_machines()["stateMachines"]
    assert sfn.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"] == []


def test_make_audit_fails_where_the_role_is_gone_and_the_grant_on_record(served: LocalAccount) -> None:
    record(served)
    made = make_audit(served)
    assert (made.returncode, made.stdout.partition(":")[0]) == (1, "taken off by somebody")
    assert all(len(line) <= 80 for line in made.stdout.splitlines())


def test_make_audit_names_what_must_not_stand_in_the_lists(served: LocalAccount) -> None:
    attach(served, service="ec2.amazonaws.com")
    made = make_audit(served)
    assert made.returncode == 1 and "ROLE_NOT_FOR_TASKS" in made.stdout
    assert "refused list entry: -" in made.stdout.splitlines()
    assert all(len(line) <= 80 for line in made.stdout.splitlines())


def test_make_audit_counts_what_is_not_the_runbooks(served: LocalAccount) -> None:
    attach(served)
    made = make_audit(served)
    assert (made.returncode, made.stdout) == (0, "Nothing of this tool is attached.\n")
    assert made.stderr.startswith("demo-task-role: 1 ")


def test_make_audit_shows_an_alarm_that_no_run_works_on_and_why(served: LocalAccount) -> None:
    cloudwatch, name = served.client("cloudwatch"), "regrant/demo-cluster/demo"
    cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule='ALARM("x")')
    served.client("events").disable_rule(Name="regrant-alarm")
    served.client("ssm").put_parameter(Name=f"/regrant/services/{name[8:]}", Value="{}", Type="String")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="x")
    served.clock.run_for(1200)
    made = make_audit(served)
    assert made.returncode == 1
    nothing, _, head, alarm, why = made.stdout.splitlines()
    assert nothing == "Nothing of this tool is attached."
    assert head == "alarm without a run: demo-cluster/demo"
    assert alarm.startswith(f"  {name}, since 20")
    assert why == "  The rule regrant-alarm is disabled, so no alarm starts a run."


def test_make_audit_says_what_to_do_where_there_is_no_such_stack(served: LocalAccount) -> None:
    made = make_audit(served, "--stack", "other")
    assert (made.returncode, made.stdout) == (2, "")
    assert made.stderr.startswith("There is no function other-list-grants") and "STACK=" in made.stderr


def test_make_audit_tells_of_an_audit_that_failed(served: LocalAccount) -> None:
    served.faults.add(Effect.DENIED, "dynamodb", "Query", function="regrant-list-grants")
    made = make_audit(served)
    assert (made.returncode, made.stdout) == (2, "")
    assert "AwsRefused" in made.stderr and "in /aws/lambda/regrant." in made.stderr
