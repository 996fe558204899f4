"""`make enrol`: enrol/service.yaml applied to a served account."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox import enrol
from sandbox.account import LocalAccount

ROOT = Path(__file__).parents[2]
PARAMETERS = {
    "Cluster": "demo-cluster",
    "Service": "hello",
    "TaskRoleArn": "arn:aws:iam::123456789012:role/demo-task-role",
    "PolicyArns": "arn:aws:iam::123456789012:policy/demo-policy",
    "LogGroupName": "/ecs/hello",
    "SuccessText": "Successfully sent",
}


def run(account: LocalAccount, **changed: str) -> int:
    pairs = [f"{key}={value}" for key, value in (PARAMETERS | changed).items()]
    return enrol.main(["--endpoint", str(account.endpoint_url), *pairs])


def entry(account: LocalAccount) -> Any:
    ssm: Any = account.client("ssm")
    name = "/regrant/services/demo-cluster/hello"
    return json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])


def test_it_makes_entry_filter_and_alarm_and_replaces_them_the_next_time() -> None:
    with LocalAccount(http_port=0) as account:
        logs: Any = account.client("logs")
        logs.create_log_group(logGroupName="/ecs/hello")
        assert run(account) == 0
        assert entry(account)["health"]["success"] == "Successfully sent"
        assert run(account, SuccessText="Sent it") == 0
        assert entry(account)["health"]["success"] == "Sent it"
        alarms: Any = account.client("cloudwatch")
        (alarm,) = alarms.describe_alarms()["MetricAlarms"]
        assert alarm["AlarmName"] == "regrant/demo-cluster/hello"
        assert len(logs.describe_metric_filters(logGroupName="/ecs/hello")["metricFilters"]) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"TaskRoleArn": "demo-task-role"}, "Parameter TaskRoleArn does not allow 'demo-task-role'"),
        ({"GrantTtlHours": "721"}, "Parameter GrantTtlHours does not allow '721': at most 720"),
        ({"GrantTtlHours": "0"}, "Parameter GrantTtlHours does not allow '0': at least 1"),
        ({"GrantTtlHours": "day"}, "Parameter GrantTtlHours does not allow 'day': it is not a number"),
        ({"Approval": "yes"}, "Parameter Approval does not allow 'yes': one of none, required"),
        ({"Colour": "blue"}, "Parameters that the template does not have: Colour"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    changed: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with LocalAccount(http_port=0) as account:
        assert run(account, **changed) == 1
    error = capsys.readouterr().err
    assert words in error and error.startswith("not enrolled: ") and error.count("\n") == 1


def test_without_parameters_it_says_how_they_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert enrol.main([]) == 1
    assert "WITH='Cluster=... Service=...'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ((), "http://127.0.0.1:4700"),
        (("PORT=4739",), "http://127.0.0.1:4739"),
        (("HOST=10.0.0.1", "PORT=4739"), "http://10.0.0.1:4739"),
    ],
)
def test_a_port_on_the_command_line_counts_more_than_the_environment(
    given: tuple[str, ...], endpoint: str
) -> None:
    make = ["make", "--no-print-directory", "--dry-run", "enrol", "WITH=Cluster=c", *given]
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:4700"}
    printed = subprocess.run(
        make, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    (found,) = re.findall(r'--endpoint "([^"]*)"', printed)
    assert (
        found.replace("${AWS_ENDPOINT_URL:-http://127.0.0.1:4599}", environment["AWS_ENDPOINT_URL"])
        == endpoint
    )


def test_it_is_never_for_aws(capsys: pytest.CaptureFixture[str]) -> None:
    assert enrol.main(["--endpoint", "https://ssm.us-east-1.amazonaws.com", "Cluster=c"]) == 1
    assert "aws cloudformation deploy" in capsys.readouterr().err


def test_nobody_there_is_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [f"{key}={value}" for key, value in PARAMETERS.items()]
    assert enrol.main(["--endpoint", "http://127.0.0.1:9", *pairs]) == 1
    assert "Is make serve running?" in capsys.readouterr().err
