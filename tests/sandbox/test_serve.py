"""What `make serve` says of the account that it serves, and what it takes from its owner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox import serve
from sandbox.account import LocalAccount
from sandbox.aws.cloudformation.samconfig import as_here, parameters_in, stack_name_in
from sandbox.aws.cloudformation.template import TemplateError
from sandbox.scenarios.seeds import empty, retainwise

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
LISTS = re.findall(
    r"(?m)^  (\w+):\n    Type: CommaDelimitedList", (ROOT / "template.yaml").read_text("utf-8")
)


def samconfig(folder: Path, text: str) -> Path:
    file = folder / "samconfig.toml"
    file.write_text(text)
    return file


def documented(folder: Path) -> dict[str, str]:
    (text,) = re.findall(r"   ```toml\n(.*?)   ```", OPERATIONS, re.DOTALL)
    return parameters_in(samconfig(folder, text))


def said(
    account: LocalAccount, seed: str, given: Mapping[str, str] | None = None, *, alarms: bool = False
) -> list[str]:
    return [*serve._deploy(account, seed, given, alarms=alarms)]


def rule(account: LocalAccount) -> str:
    events: Any = account.client("events")
    return str(events.describe_rule(Name="regrant-alarm")["State"])


def test_the_seed_waits_for_a_person_with_three_commands_to_try() -> None:
    with LocalAccount(http_port=0) as account:
        lines = said(account, "retainwise")
        assert rule(account) == "DISABLED"
    assert f"seed retainwise: {retainwise.ABOUT}" in lines
    assert len([line for line in lines if line.startswith("  aws ")]) == 3
    for arns in retainwise.PARAMETERS.values():
        assert all(any(arn in line for line in lines) for arn in arns.split(",") if arn.startswith("arn:"))


def test_it_says_which_logs_it_reads_and_when_grants_are_tried() -> None:
    with LocalAccount(http_port=0) as account:
        lines = said(account, "retainwise", {**retainwise.PARAMETERS, "LogGroupPrefix": "/app/"})
    assert f"  {'LogGroupPrefix':24} /app/" in lines
    assert (
        f"  {'ExpiryWindow':24} {retainwise.PARAMETERS.get('ExpiryWindow', 'MON-FRI 09:00-16:00')}" in lines
    )


@pytest.mark.parametrize(
    ("demand", "approvers", "warned"),
    [("none", "", False), ("all", "", True), ("cure", "", True), ("all", "any", False)],
)
def test_it_says_what_asks_first_and_warns_where_nobody_can_answer(
    demand: str, approvers: str, warned: bool
) -> None:
    given = {**retainwise.PARAMETERS, "RequireApproval": demand, "ApproverArns": approvers}
    with LocalAccount(http_port=0) as account:
        lines = said(account, "retainwise", given)
    assert f"  {'RequireApproval':24} {demand}" in lines
    assert any("nobody can say yes" in line for line in lines) is warned


def test_the_stack_name_of_the_file_is_known(tmp_path: Path) -> None:
    """`make serve` says that it is not used."""
    text = '[default.global.parameters]\nstack_name = "guard"\n'
    assert stack_name_in(samconfig(tmp_path, text)) == "guard"
    assert stack_name_in(samconfig(tmp_path, "")) is None


def test_alarms_start_runs_where_that_is_asked_for() -> None:
    with LocalAccount(http_port=0) as account:
        assert any("alarms start runs" in line for line in said(account, "retainwise", alarms=True))
        assert rule(account) == "ENABLED"


def test_the_empty_seed_says_what_it_is() -> None:
    with LocalAccount(http_port=0) as account:
        lines = said(account, "empty")
    assert f"seed empty: {empty.ABOUT}" in lines
    assert [line.split() for line in lines if "ExecutionRoleArns" in line] == [
        ["ExecutionRoleArns", "(none)"]
    ]
    assert f"  {'TerraformStateObjectArns':24} (none)" in lines


def test_the_lists_that_operations_has_people_write_are_served(tmp_path: Path) -> None:
    elsewhere = {
        name: value.replace("123456789012", "210987654321").replace("us-east-1", "eu-west-1")
        for name, value in documented(tmp_path).items()
    }
    with LocalAccount(http_port=0) as account:
        lines = said(account, "empty", elsewhere)
        ecs: Any = account.client("ecs")
        assert ecs.list_clusters()["clusterArns"] == [elsewhere_here(elsewhere)["ManagedClusterArns"]]
    assert "the lists are of 210987654321, eu-west-1; here they stand for this account and Region" in lines
    assert any("ExecutionRoleArns" in line and "retainwise-ecs-execution-role" in line for line in lines)


def elsewhere_here(parameters: Mapping[str, str]) -> dict[str, str]:
    return as_here(parameters)[0]


def test_operations_shows_every_list_in_the_file_to_deploy_with(tmp_path: Path) -> None:
    shown = documented(tmp_path)
    # States hold secrets: who copies the file lets none be read.
    assert len(LISTS) == 5 and set(LISTS) - set(shown) == {"TerraformStateObjectArns"}
    assert as_here(shown) == (shown, [])


@pytest.mark.parametrize(
    "overrides",
    [
        '"A=1,2 B=\\"x y\\""',
        '["A=1,2", "B=x y"]',
        '{A = "1,2", B = "x y"}',
        '[{A = "1,2"}, "B=x y"]',
    ],
)
@pytest.mark.parametrize("command", ["deploy", "global"])
def test_parameters_are_read_in_every_form_that_sam_takes(
    overrides: str, command: str, tmp_path: Path
) -> None:
    text = f"version = 0.1\n[default.{command}.parameters]\nparameter_overrides = {overrides}\n"
    assert parameters_in(samconfig(tmp_path, text)) == {"A": "1,2", "B": "x y"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version = ", "is not TOML"),
        ("version = 0.1", "has no parameter_overrides"),
        ('[default.deploy.parameters]\nparameter_overrides = "A"', "which is not KEY=VALUE"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=words):
        parameters_in(samconfig(tmp_path, text))


def test_a_file_that_is_not_there_ends_it_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve.main(["--port", "0", "--parameters", str(tmp_path / "none.toml")]) == 1
    assert "cannot be read: No such file" in capsys.readouterr().err
