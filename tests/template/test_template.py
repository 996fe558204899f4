"""The stack hangs together: states, functions, logs, triggers, and what a user sees."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from regrant.aws.allowed import EMPTY
from tests.statemachine.definition import reachable
from tests.template.cloudformation import ROOT, Template, Values

# Functions that are no step of a run.
BESIDE = {"AnswerApproval", "AuditGrants", "ListGrants"}


def of_type(stack: Template, kind: str) -> dict[str, Any]:
    return {name: each for name, each in stack["Resources"].items() if each["Type"] == kind}


def kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def test_each_task_state_has_a_function_and_each_function_a_task_state(
    stack: Template, tasks: Template
) -> None:
    functions = of_type(stack, "AWS::Lambda::Function")
    assert {name.removesuffix("Function") for name in functions} - BESIDE == set(tasks)
    for task, state in tasks.items():
        # A state that waits for a task token names its function among its parameters.
        invoked = state["Parameters"].get("FunctionName", state["Resource"])
        assert invoked == f"${{{task}FunctionArn}}"


def test_every_substitution_is_defined_and_used(source: Template) -> None:
    defined = source["Resources"]["Runbook"]["Properties"]["DefinitionSubstitutions"]
    used = re.findall(r"\$\{(\w+)\}", (ROOT / "statemachine/runbook.asl.yaml").read_text())
    assert set(defined) == set(used)
    waiting = "arn:${AWS::Partition}:states:::lambda:invoke.waitForTaskToken"
    assert defined.pop("InvokeAndWaitForToken") == {"Fn::Sub": waiting}
    for name, value in defined.items():
        assert value == {"Fn::GetAtt": [name.removesuffix("Arn"), "Arn"]}


def test_each_function_is_named_after_its_step_and_its_handler_exists(
    source: Template, stack: Template, tasks: Template
) -> None:
    values = Values(source)
    for task in {*tasks, *BESIDE}:
        properties = stack["Resources"][f"{task}Function"]["Properties"]
        assert values(properties["FunctionName"]) == f"regrant-{kebab(task)}"
        module, _, name = properties["Handler"].rpartition(".")
        assert module.split(".")[0] == "handlers"
        assert module.split(".")[-1] == kebab(task).replace("-", "_")
        code = ast.parse((ROOT / "functions" / f"{module.replace('.', '/')}.py").read_text())
        defined = [each.name for each in code.body if isinstance(each, ast.FunctionDef)]
        defined += [ast.unparse(each.targets[0]) for each in code.body if isinstance(each, ast.Assign)]
        assert name in defined


def test_each_function_has_an_event_to_be_tried_with(stack: Template) -> None:
    # The others start a run; their names have a hyphen, or are the trigger's.
    triggers = {"alarm", "cloudtrail", "console"}
    events = {path.stem for path in ROOT.glob("events/*.json") if "-" not in path.stem} - triggers
    functions = of_type(stack, "AWS::Lambda::Function")
    assert events == {kebab(name.removesuffix("Function")).replace("-", "_") for name in functions}


def test_a_function_times_out_before_its_state_does(stack: Template, tasks: Template) -> None:
    for task, state in tasks.items():
        timeout = stack["Resources"][f"{task}Function"]["Properties"]["Timeout"]
        assert timeout < state["TimeoutSeconds"], task


def test_the_state_machines_log_has_no_data_of_its_states(source: Template) -> None:
    """That of the state that asks a person has its task token."""
    logging = source["Resources"]["Runbook"]["Properties"]["Logging"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)


def test_the_function_for_answers_checks_signatures_and_lets_nobody_in_by_itself(stack: Template) -> None:
    (url,) = of_type(stack, "AWS::Lambda::Url").values()
    assert url["Properties"]["AuthType"] == "AWS_IAM"
    assert url["Properties"]["TargetFunctionArn"] == {"Ref": "AnswerApprovalFunction"}
    permissions = of_type(stack, "AWS::Lambda::Permission").values()
    assert [each for each in permissions if "AnswerApproval" in str(each)] == []


APPROVER = "arn:aws:iam::123456789012:role/a/b"
SESSION = "arn:aws:sts::123456789012:assumed-role/b"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("", True),
        ("any", True),
        (APPROVER, True),
        (f"{APPROVER},{SESSION}/*,{SESSION}/c@example.com,{APPROVER.replace('role', 'user')}", True),
        ("anybody", False),
        ("*", False),
        ("any,any", False),
        (f"{APPROVER},", False),
        (f"{APPROVER}, {APPROVER}", False),
        (f"{APPROVER[:-1]}*", False),
        (f"{SESSION}/c*", False),
        (SESSION, False),
        ("arn:aws:iam::123456789012:root", False),
        ("arn:aws:iam::*:role/b", False),
    ],
)
def test_who_may_approve_is_named_without_wildcards_but_for_a_roles_sessions(
    source: Template, given: str, taken: bool
) -> None:
    parameter = source["Parameters"]["ApproverArns"]
    assert bool(re.fullmatch(parameter["AllowedPattern"], given)) is taken
    # CloudFormation takes 4,096 bytes for all variables of a function.
    assert (parameter["Default"], parameter["MaxLength"]) == ("", 2000)


def test_all_functions_write_json_to_one_log_group_and_are_traced(source: Template, stack: Template) -> None:
    for name, function in of_type(stack, "AWS::Lambda::Function").items():
        properties = function["Properties"]
        logging = {"LogFormat": "JSON", "LogGroup": {"Ref": "FunctionLogGroup"}}
        assert properties["LoggingConfig"] == logging, name
        assert properties["TracingConfig"] == {"Mode": "Active"}, name
    group = stack["Resources"]["FunctionLogGroup"]["Properties"]
    assert Values(source)(group["LogGroupName"]) == "/aws/lambda/regrant"


def test_every_log_group_forgets(stack: Template) -> None:
    assert {
        each["Properties"]["RetentionInDays"] for each in of_type(stack, "AWS::Logs::LogGroup").values()
    } == {90}


def test_the_state_machine_is_standard_traced_and_logged(source: Template, stack: Template) -> None:
    properties = stack["Resources"]["Runbook"]["Properties"]
    assert properties["StateMachineType"] == "STANDARD"
    assert properties["TracingConfiguration"] == {"Enabled": True}
    assert properties["LoggingConfiguration"]["Level"] == "ALL"
    group = Values(source)(stack["Resources"]["RunbookLogGroup"]["Properties"]["LogGroupName"])
    assert group.startswith("/aws/vendedlogs/states/")


def test_an_alarm_with_the_prefix_starts_the_runbook_and_nothing_is_lost(
    source: Template, stack: Template
) -> None:
    rule = stack["Resources"]["AlarmRule"]["Properties"]
    assert Values(source)(rule["EventPattern"]) == {
        "account": ["123456789012"],
        "region": ["us-east-1"],
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": [{"prefix": "regrant/"}], "state": {"value": ["ALARM"]}},
    }
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Ref": "Runbook"}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}}
    assert "RetryPolicy" in target


def test_alarms_on_the_runbook_tell_the_topic(stack: Template) -> None:
    alarms = [each["Properties"] for each in of_type(stack, "AWS::CloudWatch::Alarm").values()]
    assert {each["MetricName"] for each in alarms} == {
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
        "NumberOfMessagesSent",
        "ApproximateNumberOfMessagesVisible",
    }
    assert all(each["AlarmActions"] == [{"Ref": "Topic"}] for each in alarms)


def test_an_alarm_on_the_runbook_cannot_start_the_runbook(source: Template, stack: Template) -> None:
    # A prefix ends in a slash, and these names are a stack's name (which has no slash) and a suffix.
    assert source["Parameters"]["AlarmNamePrefix"]["AllowedPattern"].endswith("/$")
    for alarm in of_type(stack, "AWS::CloudWatch::Alarm").values():
        name = alarm["Properties"]["AlarmName"]["Fn::Sub"]
        assert re.fullmatch(r"\$\{AWS::StackName\}-[a-z-]+", name)


def test_the_record_outlives_the_stack(stack: Template) -> None:
    for name in ("JournalTable", "DeadLetterQueue"):
        resource = stack["Resources"][name]
        # A first deployment that fails leaves nothing (CloudFormation user guide, DeletionPolicy attribute).
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (
            "RetainExceptOnCreate",
            "Retain",
        )
    journal = stack["Resources"]["JournalTable"]["Properties"]
    assert journal["BillingMode"] == "PAY_PER_REQUEST"
    assert journal["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert journal["SSESpecification"] == {"SSEEnabled": True}


def test_the_journal_is_protected_from_who_may_delete_tables_unless_somebody_says_no(
    source: Template, stack: Template
) -> None:
    protected = stack["Resources"]["JournalTable"]["Properties"]["DeletionProtectionEnabled"]
    assert Values(source)(protected) is True
    assert Values(source, ProtectJournal="false")(protected) is False


def test_mail_is_sent_only_where_an_address_is_given(source: Template, stack: Template) -> None:
    assert stack["Resources"]["TopicSubscription"]["Condition"] == "HasNotifyEmail"
    assert Values(source).conditions["HasNotifyEmail"] is False
    assert Values(source, NotifyEmail="ops@example.com").conditions["HasNotifyEmail"] is True


def test_execution_roles_are_passed_only_where_some_are_listed(source: Template, stack: Template) -> None:
    role = "arn:aws:iam::123456789012:role/app/execution"
    none, some = Values(source), Values(source, ExecutionRoleArns=[role])
    assert stack["Resources"]["PassExecutionRolesPolicy"]["Condition"] == "HasExecutionRoles"
    assert (none.conditions["HasExecutionRoles"], some.conditions["HasExecutionRoles"]) == (False, True)
    listed = stack["Resources"]["AllowedExecutionRoles"]["Properties"]["Value"]
    assert (none(listed), some(listed)) == (EMPTY, role)


def test_concurrency_is_reserved_only_where_asked_for_and_for_every_function_of_an_undo_or_of_a_run(
    source: Template, stack: Template
) -> None:
    none, some = Values(source), Values(source, UndoConcurrency="5", RunConcurrency="3")
    none.names["AWS::NoValue"] = None
    functions = {
        name.removesuffix("Function"): each["Properties"].get("ReservedConcurrentExecutions")
        for name, each in of_type(stack, "AWS::Lambda::Function").items()
    }
    undo = {"OpenIncident", *reachable("UndoRole") & functions.keys()}
    run = reachable("OpenIncident") & functions.keys() - undo
    assert (len(undo), len(run)) == (6, 7)
    reserved = dict.fromkeys(undo, "5") | dict.fromkeys(run, "3")
    assert {name: some(each) for name, each in functions.items() if each} == reserved
    assert {none(each) for each in functions.values()} == {None}


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (
            "ManagedRoleArns",
            "arn:aws:iam::123456789012:role/app/worker",
            ["*", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:policy/x", "worker"],
        ),
        (
            "ExecutionRoleArns",
            "arn:aws:iam::123456789012:role/app/execution",
            ["*", "arn:aws:iam::123456789012:role/*", "execution"],
        ),
        (
            "GrantablePolicyArns",
            "arn:aws-cn:iam::123456789012:policy/app/sqs-send",
            ["*", "arn:aws:iam::123456789012:policy/app/*", "arn:aws:iam::*:policy/x", "sqs-send"],
        ),
        (
            "ManagedClusterArns",
            "arn:aws:ecs:us-east-1:123456789012:cluster/shop",
            ["*", "arn:aws:ecs:us-east-1:123456789012:cluster/*", "shop"],
        ),
        ("AlarmNamePrefix", "regrant/", ["/", "regrant", "a/b/", "*/"]),
        ("UndoConcurrency", "5", ["0", "05", "-1", "5.5", "1000", "five"]),
        ("RunConcurrency", "5", ["0", "05", "-1", "5.5", "1000", "five"]),
        ("LogGroupPrefix", "/ecs/", ["", "*", "/ecs/*", "/ecs/,", ",/ecs/", "/a,,/b", "/a, /b"]),
        ("LogGroupPrefix", "/a,/b,/c,/d,/e", ["/a,/b,/c,/d,/e,/f", "/a,*"]),
        ("NotifyEmail", "ops@example.com", ["ops", "ops@example", "a b@example.com"]),
    ],
)
def test_parameters_refuse_what_would_widen_the_stack(
    source: Template, parameter: str, good: str, bad: list[str]
) -> None:
    pattern = source["Parameters"][parameter]["AllowedPattern"]
    assert re.fullmatch(pattern, good)
    assert [each for each in bad if re.fullmatch(pattern, each)] == []


def test_every_parameter_is_explained_and_grouped(source: Template) -> None:
    groups = source["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert {name for group in groups for name in group["Parameters"]} == set(source["Parameters"])
    assert all(each["Description"] for each in source["Parameters"].values())


def test_outputs_say_where_everything_is(source: Template) -> None:
    assert set(source["Outputs"]) == {
        "RunbookArn",
        "RunbookConsole",
        "StartCommand",
        "AnswerUrl",
        "AlarmRuleName",
        "AlarmNamePrefix",
        "CataloguePrefix",
        "JournalTable",
        "TopicArn",
        "DeadLetterQueueUrl",
        "RunbookLogGroup",
        "FunctionLogGroup",
    }
    assert all(each["Description"] for each in source["Outputs"].values())
