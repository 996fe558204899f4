"""What the runbook's roles may do. It can change IAM, so the limits are tested one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.template.cloudformation import ACCOUNT, Template, Values, as_list, attached, roles, statements

ROLE = "arn:aws:iam::123456789012:role/app/worker"
POLICY = "arn:aws:iam::123456789012:policy/app/sqs-send"
EXECUTION_ROLE = "arn:aws:iam::123456789012:role/app/execution"
CLUSTERS = [f"arn:aws:ecs:us-east-1:123456789012:cluster/{name}" for name in ("first", "second")]
SERVICES = [f"arn:aws:ecs:us-east-1:123456789012:service/{name}/*" for name in ("first", "second")]

# Who may change what. A step that is not named here only reads.
CHANGES = {
    "iam:AttachRolePolicy": {"AttachPolicies", "UndoRole"},
    "iam:DetachRolePolicy": {"WithdrawGrants", "UndoRole"},
    "iam:PassRole": {
        *("RedeployService", "UndoService"),
        *("AttachPolicies", "WithdrawGrants", "UndoRole"),  # the schedules' role only
    },
    "ecs:RegisterTaskDefinition": {"RedeployService"},
    "ecs:TagResource": {"RedeployService"},
    "ecs:DeregisterTaskDefinition": {"UndoService"},
    "scheduler:CreateSchedule": {"AttachPolicies", "WithdrawGrants", "UndoRole"},
    "scheduler:DeleteSchedule": {"AttachPolicies", "WithdrawGrants", "UndoRole", "CloseIncident"},
    "states:StartExecution": {"AlarmRuleRole", "ScheduleRole", "AuditGrants"},
    "states:SendTaskSuccess": {"AnswerApproval"},
    "sqs:SendMessage": {"AuditGrants"},  # its own failures, to the dead-letter queue
    "ecs:UpdateService": {"RedeployService", "UndoService"},
    "sns:Publish": {"AskApproval", "AuditGrants", "CloseIncident", "PageOperator"},
}
JOURNAL = {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"}

# Every call that is allowed on all resources, and why it cannot be narrower.
UNLIMITED = {
    "cloudtrail:LookupEvents": "CloudTrail has no resource for it; it only reads",
    "cloudwatch:DescribeAlarms": "CloudWatch shows composite alarms to no narrower right; it only reads",
    "ecs:DescribeTaskDefinition": "ECS has no resource for it; it only reads",
    "ecs:DeregisterTaskDefinition": "ECS has no resource for it; undone by registering again, tasks go on",
    "ecs:ListServices": "ECS has no resource for it; limited by ecs:cluster",
    "ecs:ListTaskDefinitions": "ECS has no resource for it; it only reads names",
    "ecs:ListTasks": "AWS has been seen to ask about *, too; limited by ecs:cluster",
    "iam:GetAccountSummary": "IAM has no resource for it; it only reads counts",
    "logs:CreateLogDelivery": "log delivery has no resource",
    "logs:DeleteLogDelivery": "log delivery has no resource",
    "logs:DescribeLogGroups": "part of setting up log delivery; it only reads names",
    "logs:DescribeResourcePolicies": "log delivery has no resource",
    "logs:GetLogDelivery": "log delivery has no resource",
    "logs:ListLogDeliveries": "log delivery has no resource",
    "logs:PutResourcePolicy": "log delivery has no resource",
    "logs:UpdateLogDelivery": "log delivery has no resource",
    "states:SendTaskSuccess": "Step Functions has no resource for it; a token names its run",
}


HERE = "us-east-1:123456789012"
# Who may assume a role of the stack, invoke a function of it or write to a queue or topic of it, and for what
# of its own: AWS's services serve other accounts, too.
TRUSTED = {
    "lambda": {f"arn:aws:lambda:{HERE}:function:regrant-*"},
    "states": {f"arn:aws:states:{HERE}:stateMachine:regrant-runbook"},
    "scheduler": {"<ScheduleGroup.Arn>"},
    "cloudwatch": {f"arn:aws:cloudwatch:{HERE}:alarm:regrant-*"},
    "events": {
        *(f"arn:aws:events:{HERE}:rule/regrant-{each}" for each in ("alarm", "ended-run")),
        *(f"<{each}Rule.Arn>" for each in ("Alarm", "EndedRun", "Audit")),
    },
}


def with_principal(value: Any) -> Iterator[dict[str, Any]]:
    """Every statement or resource in it that says whom it lets in."""
    if isinstance(value, dict):
        if "Principal" in value:
            yield value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from with_principal(each)


def granted(stack: Template, action: str) -> list[dict[str, Any]]:
    found = [each for _, each in statements(stack) if action in as_list(each["Action"])]
    assert found, f"nobody may call {action}"
    return found


@pytest.fixture
def values(source: Template) -> Values:
    resources = {name: f"<{name}>" for name in source["Resources"]}
    attributes = {f"{name}.Arn": f"<{name}.Arn>" for name in resources}
    return Values(
        source,
        ManagedRoleArns=[ROLE],
        GrantablePolicyArns=[POLICY],
        ManagedClusterArns=CLUSTERS,
        ExecutionRoleArns=[EXECUTION_ROLE],
        **resources,
        **attributes,
    )


def test_each_step_has_a_role_that_only_lambda_can_assume(stack: Template, tasks: Template) -> None:
    for task in tasks:
        role = stack["Resources"][f"{task}FunctionRole"]["Properties"]
        assert stack["Resources"][f"{task}Function"]["Properties"]["Role"] == {
            "Fn::GetAtt": [f"{task}FunctionRole", "Arn"]
        }
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": ["lambda.amazonaws.com"]}


def test_a_function_without_policies_has_no_statements() -> None:
    resource = {"Type": "AWS::IAM::Role", "Properties": {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/x"]}}
    alone = {"Resources": {"NothingFunctionRole": resource}}
    assert list(statements(alone)) == []


def test_nobody_but_aws_services_may_use_what_the_stack_makes_and_for_the_stack_only(
    stack: Template, values: Values
) -> None:
    found = set()
    for name, resource in stack["Resources"].items():
        for each in map(values, with_principal(resource.get("Properties", {}))):
            service, sources, account = _let_in(each)
            assert account == "123456789012", name
            assert sources and set(sources) <= TRUSTED[service], name
            found.add(name)
    roles_made = {name for name, each in stack["Resources"].items() if each["Type"] == "AWS::IAM::Role"}
    assert roles_made | {"AuditRulePermission", "DeadLetterQueuePolicy", "TopicPolicy"} == found


def _let_in(given: dict[str, Any]) -> tuple[str, list[str], str]:
    """The service that a statement or a Lambda permission lets in, for which ARNs and which account."""
    if "SourceArn" in given:
        return given["Principal"].removesuffix(".amazonaws.com"), [given["SourceArn"]], given["SourceAccount"]
    (service,) = as_list(given["Principal"]["Service"])
    conditions = {key: wanted for keys in given["Condition"].values() for key, wanted in keys.items()}
    assert set(given["Condition"]) <= {"StringEquals", "ArnEquals", "ArnLike"}
    sources = as_list(conditions["aws:SourceArn"])
    return service.removesuffix(".amazonaws.com"), sources, conditions["aws:SourceAccount"]


@pytest.mark.parametrize("action", sorted(CHANGES))
def test_a_change_is_allowed_to_its_steps_only(stack: Template, action: str) -> None:
    assert {owner for owner, each in statements(stack) if action in as_list(each["Action"])} == CHANGES[
        action
    ]


def test_every_other_step_only_reads(stack: Template) -> None:
    reading = ("Get", "List", "Describe", "FilterLogEvents", "LookupEvents")
    for owner, statement in statements(stack):
        if owner in ("RunbookRole", "AlarmRuleRole", "ScheduleRole"):
            continue
        for action in as_list(statement["Action"]):
            if action not in CHANGES and action not in JOURNAL:
                assert action.split(":")[1].startswith(reading), f"{owner} may call {action}"


@pytest.mark.parametrize("action", ["iam:AttachRolePolicy", "iam:DetachRolePolicy"])
def test_only_listed_policies_on_listed_roles(stack: Template, values: Values, action: str) -> None:
    for statement in granted(stack, action):
        assert values(statement["Resource"]) == [ROLE]
        assert values(statement["Condition"]) == {"ArnEquals": {"iam:PolicyARN": [POLICY]}}


def test_roles_are_passed_to_ecs_tasks_only_but_for_the_schedules_own(
    stack: Template, values: Values
) -> None:
    to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    to_scheduler = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    for statement in granted(stack, "iam:PassRole"):
        passed = values(statement["Resource"])
        assert passed in ([ROLE], [EXECUTION_ROLE], "<ScheduleRole.Arn>")
        assert statement["Condition"] == (to_scheduler if passed == "<ScheduleRole.Arn>" else to_tasks)


def test_only_what_is_being_registered_is_tagged(stack: Template) -> None:
    (statement,) = granted(stack, "ecs:TagResource")
    assert statement["Condition"] == {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}}


def test_no_role_may_both_change_policies_and_start_a_deployment(stack: Template) -> None:
    able: dict[str, set[str]] = {}
    for owner, statement in statements(stack):
        able.setdefault(owner, set()).update(as_list(statement["Action"]))
    attaching = {"iam:AttachRolePolicy", "iam:DetachRolePolicy"}
    deploying = {"ecs:UpdateService", "ecs:RegisterTaskDefinition"}
    assert not [owner for owner, actions in able.items() if actions & attaching and actions & deploying]


def test_an_execution_role_is_read_by_diagnose_and_only_passed_by_the_steps_that_deploy(
    stack: Template, values: Values
) -> None:
    found = [
        (owner, each["Action"])
        for owner, each in statements(stack)
        if EXECUTION_ROLE in as_list(values(each["Resource"]))
    ]
    reading = ["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy"]
    assert found == [
        ("Diagnose", reading),
        ("RedeployService", "iam:PassRole"),
        ("UndoService", "iam:PassRole"),
    ]


def test_each_of_the_stacks_managed_policies_is_used(stack: Template) -> None:
    made = {n for n, each in stack["Resources"].items() if each["Type"] == "AWS::IAM::ManagedPolicy"}
    assert made == {name for role in roles(stack).values() for name in attached(stack, role)}


NOT_OF_A_RUN = ["service#*", "audit#*", "approval#*", "lease#service/*"]
"""Last outcomes, notices, answers of persons, and the leases of services."""


@pytest.mark.parametrize(
    ("step", "actions", "operator", "items"),
    [
        ("OpenIncident", ["PutItem"], "StringLike", "lease#service/*"),
        ("AskApproval", ["PutItem"], "StringLike", ["lease#role/*", "approval#*"]),
        ("AnswerApproval", ["Query", "PutItem"], "StringLike", "approval#*"),
        ("AuditGrants", ["PutItem"], "StringLike", ["role#*", "audit#*"]),
        ("RedeployService", ["PutItem"], "StringNotLike", ["role#*", *NOT_OF_A_RUN]),
        ("WithdrawGrants", ["PutItem"], "StringNotLike", NOT_OF_A_RUN),
        ("UndoRole", ["PutItem"], "StringNotLike", NOT_OF_A_RUN),
        ("UndoService", ["PutItem"], "StringNotLike", "*#*"),
    ],
)
def test_a_step_writes_only_the_items_that_it_is_for(
    stack: Template, step: str, actions: list[str], operator: str, items: str | list[str]
) -> None:
    writes = [
        each
        for owner, each in statements(stack)
        if owner == step and "dynamodb:PutItem" in as_list(each["Action"])
    ]
    (statement,) = writes
    assert as_list(statement["Action"]) == [f"dynamodb:{each}" for each in actions]
    assert statement["Condition"] == {
        f"ForAllValues:{operator}": {"dynamodb:LeadingKeys": items},
        # ForAllValues also holds where there is no key at all.
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


@pytest.mark.parametrize("step", ["AlarmRuleRole", "ScheduleRole", "AuditGrants"])
def test_who_starts_a_run_may_see_whether_its_name_is_taken(
    stack: Template, values: Values, step: str
) -> None:
    seen = {
        str(values(each["Resource"]))
        for owner, each in statements(stack)
        if owner == step and "states:DescribeExecution" in as_list(each["Action"])
    }
    assert seen == {"arn:aws:states:us-east-1:123456789012:execution:regrant-runbook:*"}


def test_a_function_reads_only_the_lists_that_it_needs(stack: Template, values: Values) -> None:
    parameter = "arn:aws:ssm:us-east-1:123456789012:parameter"
    read = {
        owner: {each.removeprefix(parameter) for each in as_list(values(statement["Resource"]))}
        for owner, statement in statements(stack)
        if statement["Action"] == "ssm:GetParameters"
    }
    assert read == {
        "OpenIncident": {
            "/regrant/services/*",
            *("<AllowedRoles>", "<AllowedPolicies>", "<AllowedClusters>"),
        },
        "Diagnose": {
            "/regrant/services/*",
            *("<AllowedRoles>", "<AllowedPolicies>", "<AllowedClusters>", "<AllowedExecutionRoles>"),
        },
        "WithdrawGrants": {"<AllowedPolicies>", "<AllowedClusters>"},
        "CloseIncident": {"<AllowedRoles>"},
        "UndoService": {"<AllowedClusters>"},
        "PageOperator": {"<AllowedClusters>"},
        "AuditGrants": {"<AllowedRoles>", "<AllowedPolicies>", "<AllowedClusters>"},
        "ListGrants": {"<AllowedRoles>", "<AllowedPolicies>", "<AllowedClusters>"},
    }


@pytest.mark.parametrize("action", ["scheduler:CreateSchedule", "scheduler:DeleteSchedule"])
def test_only_schedules_of_the_stacks_own_group(stack: Template, values: Values, action: str) -> None:
    for statement in granted(stack, action):
        own = "arn:aws:scheduler:us-east-1:123456789012:schedule/<ScheduleGroup>/*"
        assert values(statement["Resource"]) == own


def test_the_schedules_role_starts_the_runbook_and_is_schedulers_only(stack: Template) -> None:
    role = roles(stack)["ScheduleRole"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    (statement,) = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "states:StartExecution"


def test_only_tasks_of_managed_clusters(stack: Template, values: Values) -> None:
    for statement in granted(stack, "ecs:DescribeTasks"):
        assert values(statement["Resource"]) == [each.replace(":service/", ":task/") for each in SERVICES]


@pytest.mark.parametrize("action", ["ecs:UpdateService", "ecs:DescribeServices"])
def test_only_services_of_managed_clusters(stack: Template, values: Values, action: str) -> None:
    for statement in granted(stack, action):
        assert values(statement["Resource"]) == SERVICES


@pytest.mark.parametrize("action", ["ecs:ListTasks", "ecs:ListServices"])
def test_managed_clusters_only_are_listed(stack: Template, values: Values, action: str) -> None:
    for statement in granted(stack, action):
        assert values(statement["Condition"]) == {"ArnEquals": {"ecs:cluster": CLUSTERS}}


def test_the_journal_is_only_added_to(stack: Template, values: Values) -> None:
    for owner, statement in statements(stack):
        actions = {each for each in as_list(statement["Action"]) if each.startswith("dynamodb:")}
        assert actions <= JOURNAL, owner
        if actions:
            assert values(statement["Resource"]) == "<JournalTable.Arn>"


def test_no_wildcards_but_those_with_a_reason(stack: Template) -> None:
    unlimited = set()
    for owner, statement in statements(stack):
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement and "NotResource" not in statement
        for action in as_list(statement["Action"]):
            assert "*" not in action, f"{owner} may call {action}"
            if "*" in as_list(statement["Resource"]):
                unlimited.add(action)
    assert unlimited == set(UNLIMITED)


def test_aws_managed_policies_are_for_logs_and_traces_only(stack: Template) -> None:
    arns = {
        arn if isinstance(arn, str) else arn["Fn::Sub"]
        for role in roles(stack).values()
        for arn in role.get("ManagedPolicyArns", [])
        if isinstance(arn, str) or "Fn::Sub" in arn
    }
    assert {arn.rpartition("/")[2] for arn in arns} == {
        "AWSLambdaBasicExecutionRole",
        "AWSXrayWriteOnlyAccess",
    }


def test_the_state_machine_invokes_its_steps_only(stack: Template, values: Values, tasks: Template) -> None:
    (statement,) = granted(stack, "lambda:InvokeFunction")
    assert sorted(values(statement["Resource"])) == sorted(f"<{task}Function.Arn>" for task in tasks)


def test_the_rule_and_the_schedules_start_the_runbook_only(stack: Template, values: Values) -> None:
    for statement in granted(stack, "states:StartExecution"):
        assert str(values(statement["Resource"])).endswith(("<Runbook>", ":stateMachine:regrant-runbook"))


def test_only_the_rules_write_to_the_dead_letter_queue(stack: Template, values: Values) -> None:
    document = stack["Resources"]["DeadLetterQueuePolicy"]["Properties"]["PolicyDocument"]
    (statement,) = document["Statement"]
    assert statement["Action"] == "sqs:SendMessage"
    assert values(statement["Condition"])["ArnEquals"] == {
        "aws:SourceArn": ["<AlarmRule.Arn>", "<EndedRunRule.Arn>", "<AuditRule.Arn>"]
    }


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_logs_are_read_in_groups_whose_names_start_so_and_in_no_other(
    source: Template, stack: Template, count: int
) -> None:
    starts = ["/ecs/", "/aws/ecs/", "app", "#a", "b-1/"][:count]
    found = stack["Resources"]["ReadLogsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (statement,) = Values(source, LogGroupPrefix=",".join(starts))(found)
    groups = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
    assert len(statement["Resource"]) == 5
    assert {*statement["Resource"]} == {f"{groups}{start}*" for start in starts}


def test_a_stack_that_names_no_start_reads_what_it_always_read(source: Template) -> None:
    assert Values(source).names["LogGroupPrefix"] == "/ecs/"
