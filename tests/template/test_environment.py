"""A function's environment has what its code reads, and nothing else.

Code reads a name to call AWS with it. So what a function may call says which names it needs, and `make
privileges` shows that it makes all those calls.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from regrant.settings import Settings
from tests.template.cloudformation import Template, as_list, statements

# A variable, and the calls that are made with it.
NEEDED_FOR = {
    "JOURNAL_TABLE": ("dynamodb:*",),
    "TOPIC_ARN": ("sns:Publish",),
    # Runs are asked about and started; a schedule starts one, too. Who started one is in CloudTrail.
    "STATE_MACHINE_ARN": ("states:*", "scheduler:CreateSchedule", "cloudtrail:LookupEvents"),
    "SCHEDULE_GROUP": ("scheduler:*",),
    "SCHEDULE_ROLE_ARN": ("scheduler:CreateSchedule",),
    "ALLOWED_PREFIX": ("ssm:GetParameters",),
}
# Those that no call is made with.
NEEDED_BY = {
    "ALARM_NAME_PREFIX": {"OpenIncident", "AuditGrants", "ListGrants"},
    "ALARM_RULE": {"AuditGrants", "ListGrants"},
    "APPROVERS": {"AskApproval", "AnswerApproval"},
    "CATALOGUE_PREFIX": {
        *("OpenIncident", "Diagnose", "AskApproval", "CaptureBaseline", "WithdrawGrants", "AuditGrants"),
        "ListGrants",
    },
    "REQUIRE_APPROVAL": {"Diagnose"},
    "EXPIRY_WINDOW": {"Diagnose", "CaptureBaseline", "WithdrawGrants", "UndoRole", "AuditGrants"},
    "POWERTOOLS_METRICS_NAMESPACE": {"CloseIncident", "PageOperator"},
}
# Lambda developer guide, Defined runtime environment variables.
BY_LAMBDA = {"AWS_REGION"}
FOR_ALL = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL"}


def environments(stack: Template) -> dict[str, set[str]]:
    """The names of each function's variables, by step."""
    return {
        name.removesuffix("Function"): set(each["Properties"]["Environment"]["Variables"])
        for name, each in stack["Resources"].items()
        if each["Type"] == "AWS::Lambda::Function"
    }


def calls(stack: Template, step: str) -> set[str]:
    found = [as_list(each["Action"]) for owner, each in statements(stack) if owner == step]
    return {action for actions in found for action in actions}


def test_each_function_has_the_names_that_it_calls_aws_with_and_no_others(stack: Template) -> None:
    for step, variables in environments(stack).items():
        made = calls(stack, step)
        needed = {
            name
            for name, patterns in NEEDED_FOR.items()
            if any(fnmatch.filter(made, each) for each in patterns)
        }
        needed |= {name for name, steps in NEEDED_BY.items() if step in steps}
        assert variables == needed | FOR_ALL, step


def test_no_list_stands_in_an_environment(source: Template) -> None:
    functions = [
        each["Properties"] for each in source["Resources"].values() if "Handler" in each.get("Properties", {})
    ]
    variables = [
        source["Globals"]["Function"]["Environment"],
        *(each.get("Environment") for each in functions),
    ]
    lists = {name for name, each in source["Parameters"].items() if each["Type"] == "CommaDelimitedList"}
    assert len(lists) == 5
    assert [name for name in lists if f"'Ref': '{name}'" in str(variables)] == []


class Asked(Mapping[str, str]):
    """An environment with every variable, which remembers what was read."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@pytest.fixture
def read() -> set[str]:
    """Every variable that the code reads."""
    asked = Asked()
    names: Any = Settings(asked)
    for each, kind in vars(Settings).items():
        if isinstance(kind, property):
            with suppress(ValueError):  # a variable's name is no window
                getattr(names, each)
    return asked.names


def test_the_template_sets_every_variable_that_the_code_reads_and_no_others(
    whole: Template, read: set[str]
) -> None:
    given = {name for variables in environments(whole).values() for name in variables}
    assert {name for name in given if not name.startswith("POWERTOOLS_")} == read - BY_LAMBDA
