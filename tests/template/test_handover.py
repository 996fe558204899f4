"""What a stack has with EnableHandover: its functions, what each role may do, and nothing else changes."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from regrant.handover.result import read_result
from tests.statemachine.test_handover_contract import TASKS, snake
from tests.template.cloudformation import OPTIONAL, ROOT, Template, Values, as_list, load, roles, statements
from tests.template.test_environment import FOR_ALL
from tests.template.test_permissions import HERE, POLICY, ROLE, with_principal
from tests.template.test_sizes import INLINE, LISTS, MANAGED, POLICIES, STACK, fifty, short, size
from tests.unit.handover.walk import STATES

FUNCTIONS = {name if not name.startswith("Run") else "StartBuild" for name in TASKS}
BUCKET, KEY, TABLE = "retainwise-terraform-state", "prod/terraform.tfstate", "retainwise-terraform-locks"
STATE = f"arn:aws:s3:::{BUCKET}"

# Who may change what. What is not named here only reads.
CHANGES = {
    "codebuild:StartBuild": {"StartBuild"},
    "codebuild:StopBuild": {"ReadBuild"},
    "dynamodb:CreateTable": {"CreateState"},
    "dynamodb:DeleteTable": {"RemoveState"},
    "dynamodb:DeleteItem": {"RunnerRole"},
    "ecs:DeregisterTaskDefinition": {"RestoreServices"},
    "ecs:RegisterTaskDefinition": {"RunnerRole"},
    "ecs:UpdateService": {"RestoreServices", "RunnerRole"},
    "iam:PassRole": {"RestoreServices", "RunnerRole"},
    "logs:CreateLogStream": {"RunnerRole"},
    "logs:PutLogEvents": {"RunnerRole"},
    "s3:CreateBucket": {"CreateState"},
    "s3:DeleteBucket": {"RemoveState"},
    "s3:PutBucketPublicAccessBlock": {"CreateState"},
    "s3:PutBucketVersioning": {"CreateState"},
    "s3:PutEncryptionConfiguration": {"CreateState"},
    "s3:PutObject": {"StartBuild", "RunnerRole"},
    "sns:Publish": {"AskHandover", "CloseHandover", "PageHandover"},
    "states:SendTaskSuccess": {"RunnerRole"},
    "states:StartExecution": {"CureServices", "RestoreServices", "EndedHandoverRuleRole"},
}
READING = ("Get", "List", "Describe", "BatchGet", "Query", "Scan", "GitPull")
UNLIMITED = {
    *("ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:DeregisterTaskDefinition"),
    *("ecs:ListServices", "ecs:ListTasks", "states:SendTaskSuccess"),
}


def of_handovers(whole: Template) -> Template:
    """Those resources alone, with the managed policies that their roles share with the runbook's."""
    kept = {
        name: each
        for name, each in whole["Resources"].items()
        if each.get("Condition") == OPTIONAL or each["Type"] == "AWS::IAM::ManagedPolicy"
    }
    return whole | {"Resources": kept}


@pytest.fixture(scope="module")
def handover(whole: Template) -> Template:
    return of_handovers(whole)


@pytest.fixture(scope="module")
def values(whole: Template) -> Values:
    names = {name: f"<{name}>" for name in whole["Resources"]}
    attributes = {f"{name}.Arn": f"<{name}.Arn>" for name in names}
    return Values(
        whole,
        ManagedRoleArns=[ROLE],
        GrantablePolicyArns=[POLICY],
        ManagedClusterArns=["arn:aws:ecs:us-east-1:123456789012:cluster/first"],
        ExecutionRoleArns=[],
        EnableHandover="true",
        StateBucket=BUCKET,
        StateLockTable=TABLE,
        HandoverSourceLocation="https://github.com/example/infra",
        **names,
        **attributes,
    )


def of(handover: Template, owner: str, values: Values) -> list[dict[str, Any]]:
    found = []
    for name, statement in statements(handover):
        if name == owner:
            resolved = values(statement)
            found.append(resolved)
    return [each for each in found if isinstance(each, dict)]


def actions(handover: Template, values: Values) -> dict[str, set[str]]:
    """By action, whose role may do it."""
    found: dict[str, set[str]] = {}
    for owner, raw in statements(handover):
        statement = values(raw)
        if isinstance(statement, dict) and owner != "HandoverRole":
            for action in as_list(statement["Action"]):
                found.setdefault(action, set()).add(owner)
    return found


def test_without_handovers_nothing_of_them_is_there_or_referred_to(stack: Template) -> None:
    """Whatever the rest of the stack refers to is in the rest of the stack."""
    resources = {name: f"<{name}>" for name in stack["Resources"]}
    known = Values(
        load("template.yaml"),
        ManagedRoleArns=[ROLE],
        GrantablePolicyArns=[POLICY],
        ManagedClusterArns=["arn:aws:ecs:us-east-1:123456789012:cluster/first"],
        ExecutionRoleArns=[],
        **resources,
        **{f"{name}.Arn": f"<{name}>" for name in resources},
        **{"DeadLetterQueue.QueueName": "q", "AnswerApprovalFunctionUrl.FunctionUrl": "u"},
    )
    known({name: each.get("Properties", {}) for name, each in stack["Resources"].items()})
    known({name: each["Value"] for name, each in stack["Outputs"].items()})


def test_each_task_state_has_its_function_and_each_function_a_state(whole: Template) -> None:
    made = {
        name.removesuffix("Function"): each
        for name, each in whole["Resources"].items()
        if each["Type"] == "AWS::Lambda::Function" and each.get("Condition") == OPTIONAL
    }
    assert set(made) == FUNCTIONS
    for name, each in made.items():
        kebab = snake(name).replace("_", "-")
        assert Values(whole)(each["Properties"]["FunctionName"]) == f"regrant-{kebab}"
        assert each["Properties"]["Handler"] == f"handlers.handover.{snake(name)}.handler"
        assert each["Properties"]["Timeout"] < min(state["TimeoutSeconds"] for state in TASKS.values())


def test_every_substitution_is_defined_and_used() -> None:
    defined = load("template.yaml")["Resources"]["Handover"]["Properties"]["DefinitionSubstitutions"]
    text = (ROOT / "statemachine/handover.asl.yaml").read_text("utf-8")
    assert set(defined) == set(re.findall(r"\$\{(\w+)\}", text))
    assert {name.removesuffix("FunctionArn") for name in defined} - {"InvokeAndWaitForToken"} == FUNCTIONS


def test_the_machines_log_has_no_data_of_its_states_where_tokens_are() -> None:
    logging = load("template.yaml")["Resources"]["Handover"]["Properties"]["Logging"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)


@pytest.mark.parametrize("action", sorted(CHANGES))
def test_a_change_is_allowed_to_its_functions_only(handover: Template, values: Values, action: str) -> None:
    assert actions(handover, values)[action] == CHANGES[action]


def test_everything_else_only_reads(handover: Template, values: Values) -> None:
    others = set(actions(handover, values)) - set(CHANGES) - {"dynamodb:PutItem"}
    assert [action for action in sorted(others) if not action.split(":")[1].startswith(READING)] == []


def test_only_what_has_no_resource_is_allowed_on_all(handover: Template, values: Values) -> None:
    owners = FUNCTIONS | {"RunnerRole", "EndedHandoverRuleRole"}
    wide = {
        action
        for owner in owners
        for each in of(handover, owner, values)
        if "*" in as_list(each["Resource"])
        for action in as_list(each["Action"])
    }
    assert wide == UNLIMITED


def test_roles_are_passed_to_ecs_tasks_only(handover: Template, values: Values) -> None:
    for owner in CHANGES["iam:PassRole"]:
        found = of(handover, owner, values)
        passing = [each for each in found if "iam:PassRole" in as_list(each["Action"])]
        # Of execution roles none is listed.
        assert [each["Resource"] for each in passing if each["Resource"]] == [[ROLE]]
        assert all(
            each["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
            for each in passing
        )


def test_no_role_of_a_handover_may_attach_a_policy(handover: Template, values: Values) -> None:
    assert not [
        action for action in actions(handover, values) if re.match(r"iam:(Attach|Put|Detach)", action)
    ]


@pytest.mark.parametrize(
    ("step", "keys"),
    [
        *(
            (step, ["handover/*", "lease#service/*"])
            for step in ("OpenHandover", "CaptureServices", "CureServices", "RestoreServices")
        ),
        *((step, ["handover/*", "lease#service/*"]) for step in ("CloseHandover", "PageHandover")),
        *((step, ["handover/*"]) for step in ("CreateState", "RemoveState", "StartBuild", "ReadBuild")),
        ("AskHandover", ["approval#handover/*"]),
    ],
)
def test_a_step_writes_only_the_items_that_it_is_for(
    handover: Template, values: Values, step: str, keys: list[str]
) -> None:
    (writing,) = [e for e in of(handover, step, values) if "dynamodb:PutItem" in as_list(e["Action"])]
    assert as_list(writing["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]) == keys
    assert writing["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}


def test_a_build_is_started_as_the_project_says_and_with_the_jobs_own_variables(
    handover: Template, values: Values
) -> None:
    (starting,) = [
        e for e in of(handover, "StartBuild", values) if "codebuild:StartBuild" in as_list(e["Action"])
    ]
    assert starting["Resource"] == f"arn:aws:codebuild:{HERE}:project/regrant-handover"
    condition = starting["Condition"]
    assert set(condition["Null"].values()) == {"true"}
    assert {"codebuild:source.buildspec", "codebuild:serviceRole", "codebuild:environment.image"} <= set(
        condition["Null"]
    )
    named = condition["ForAllValues:StringEquals"]["codebuild:environment.environmentVariables.name"]
    used = set(re.findall(r"\$(HANDOVER_\w+)", buildspec()))
    assert used <= set(named) and set(named) - used == {"HANDOVER_RUN", "HANDOVER_ONCE"}


def buildspec() -> str:
    text: str = load("template.yaml")["Resources"]["BuildProject"]["Properties"]["Source"]["BuildSpec"]
    return text


def test_the_buildspec_is_one_that_codebuild_reads() -> None:
    spec = yaml.safe_load(buildspec())
    assert (spec["version"], set(spec["phases"])) == (0.2, {"install", "build", "post_build"})
    commands = [each for phase in spec["phases"].values() for each in phase["commands"]]
    assert all(isinstance(each, str) for each in commands)
    assert [each for each in commands if "TASK_TOKEN" in each] == []


@pytest.mark.parametrize(("changes", "kept"), [(3, 3), (2000, 200)])
def test_a_result_that_is_too_long_for_a_state_is_shortened(tmp_path: Path, changes: int, kept: int) -> None:
    """By the command of the buildspec itself."""
    commands = yaml.safe_load(buildspec())["phases"]["post_build"]["commands"]
    (command,) = [each for each in commands if "60000" in each]
    file = tmp_path / "result.json"
    one = {"actions": ["update"], "attributes": ["tags"]}
    listed = [{"address": f"aws_sqs_queue.q{number}", **one} for number in range(changes)]
    result = {"action": "plan", "status": "FAILED", "error": "PLAN_REFUSED", "reason": "x", "changes": listed}
    file.write_text(json.dumps(result), "utf-8")
    subprocess.run(["bash", "-ec", command], env={**os.environ, "RUNNER": str(tmp_path)}, check=True)
    read = read_result(json.loads(file.read_text("utf-8")), "plan")
    assert not isinstance(read, str)
    assert (read.error, len(read.changes), file.stat().st_size <= 60_000) == ("PLAN_REFUSED", kept, True)


def test_the_runner_reaches_its_state_and_no_other_key(handover: Template, values: Values) -> None:
    granted = of(handover, "RunnerRole", values)
    s3 = [each for each in granted if "s3:" in str(each["Action"]) and STATE in str(each["Resource"])]
    assert {(action, each["Resource"]) for each in s3 for action in as_list(each["Action"])} == {
        ("s3:ListBucket", STATE),
        ("s3:GetObject", f"{STATE}/{KEY}"),
        ("s3:PutObject", f"{STATE}/{KEY}"),
    }
    (lock,) = [each for each in granted if "dynamodb:" in str(each["Action"])]
    keys = lock["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
    assert keys == [f"{BUCKET}/{KEY}", f"{BUCKET}/{KEY}-md5"]
    assert lock["Resource"] == f"arn:aws:dynamodb:{HERE}:table/{TABLE}"


def test_without_a_table_the_lock_is_a_file_beside_the_state(whole: Template, handover: Template) -> None:
    names = {name: f"<{name}>" for name in whole["Resources"]}
    no_table = Values(
        whole,
        ManagedRoleArns=[ROLE],
        GrantablePolicyArns=[POLICY],
        ManagedClusterArns=["arn:aws:ecs:us-east-1:123456789012:cluster/first"],
        ExecutionRoleArns=[],
        StateBucket=BUCKET,
        EnableHandover="true",
        HandoverSourceLocation="sources/infra.zip",
        HandoverSourceType="S3",
        **names,
        **{f"{name}.Arn": f"<{name}.Arn>" for name in names},
    )
    granted = of(handover, "RunnerRole", no_table)
    assert [each for each in granted if "dynamodb:" in str(each["Action"])] == []
    (lock,) = [each for each in granted if each["Resource"] == f"{STATE}/{KEY}.tflock"]
    assert lock["Action"] == ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    (source,) = [each for each in granted if each["Resource"] == "arn:aws:s3:::sources/infra.zip"]
    assert source["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    for step in ("CreateState", "RemoveState"):
        made = [e for e in of(handover, step, no_table) if "Table" in str(e["Action"])]
        assert made == []


def test_what_a_build_gives_and_takes_is_kept_apart_by_its_kind(handover: Template, values: Values) -> None:
    """A build cannot write what says what a build does, or whose token it answers with."""
    given = [e for e in of(handover, "RunnerRole", values) if "WorkBucket" in str(e["Resource"])]
    kinds = {
        action: {re.sub(r".*\*\.", "", str(place)) for place in as_list(each["Resource"])}
        for each in given
        for action in as_list(each["Action"])
    }
    assert kinds == {"s3:GetObject": {"json", "token", "tfplan"}, "s3:PutObject": {"who", "tfplan"}}


def test_the_work_bucket_is_private_encrypted_and_forgets_within_a_day() -> None:
    bucket = load("template.yaml")["Resources"]["WorkBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (lifecycle,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (lifecycle["Status"], lifecycle["ExpirationInDays"]) == ("Enabled", 1)


def test_only_aws_services_may_use_its_roles_and_for_this_stack_only(
    handover: Template, values: Values
) -> None:
    trusted = {
        "lambda": f"arn:aws:lambda:{HERE}:function:regrant-*",
        "states": f"arn:aws:states:{HERE}:stateMachine:regrant-handover",
        "events": f"arn:aws:events:{HERE}:rule/regrant-ended-handover",
        "codebuild": f"arn:aws:codebuild:{HERE}:project/regrant-handover",
    }
    seen = set()
    for name, role in roles(handover).items():
        (let_in,) = map(values, with_principal(role["AssumeRolePolicyDocument"]))
        service = as_list(let_in["Principal"]["Service"])[0].removesuffix(".amazonaws.com")
        keys = {key: wanted for each in let_in["Condition"].values() for key, wanted in each.items()}
        assert keys == {"aws:SourceAccount": "123456789012", "aws:SourceArn": trusted[service]}, name
        seen.add(service)
    assert seen == set(trusted)


NEEDED_FOR = {
    "JOURNAL_TABLE": ("dynamodb:PutItem", "dynamodb:Query", "dynamodb:GetItem"),
    "TOPIC_ARN": ("sns:Publish",),
    "STATE_MACHINE_ARN": ("states:*",),
    "ALLOWED_PREFIX": ("ssm:GetParameters",),
    "STATE_BUCKET": ("s3:CreateBucket", "s3:DeleteBucket", "codebuild:StartBuild"),
    "STATE_LOCK_TABLE": ("s3:CreateBucket", "s3:DeleteBucket", "codebuild:StartBuild"),
    "STATE_KEY": ("codebuild:StartBuild",),
    "BUILD_PROJECT": ("codebuild:*",),
    "WORK_BUCKET": ("codebuild:*",),
}


def test_each_function_has_the_names_that_it_calls_aws_with_and_no_others(
    handover: Template, values: Values
) -> None:
    for step in FUNCTIONS:
        variables = handover["Resources"][f"{step}Function"]["Properties"]["Environment"]["Variables"]
        made = [action for each in of(handover, step, values) for action in as_list(each["Action"])]
        needed = {n for n, ways in NEEDED_FOR.items() if any(fnmatch.filter(made, way) for way in ways)}
        needed |= {"APPROVERS", "CATALOGUE_PREFIX"} if step == "AskHandover" else set()
        assert set(variables) == needed | FOR_ALL, step


@pytest.mark.parametrize("arns", [fifty, short])
def test_four_full_lists_fit_its_policies_too(whole: Template, handover: Template, arns: Any) -> None:
    names = {name: f"{STACK}-{name}-ABCDEFGHIJKLM" for name in whole["Resources"]}
    full = Values(
        whole,
        **names,
        **{
            f"{name}.Arn": f"arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/{name}"
            for name in names
        },
        **{name: arns(start) for name, start in LISTS.items()},
        EnableHandover="true",
        StateBucket="b" * 63,
        StateKey="k" * 500,
        StateLockTable="t" * 255,
        HandoverSourceLocation="s" * 500,
        HandoverSourceType="S3",
        LogGroupPrefix="/ecs/",
        **{"AWS::StackName": STACK, "AWS::Region": "us-gov-west-1", "AWS::Partition": "aws-us-gov"},
    )
    for name, role in roles(handover).items():
        own = sum(size(full(each["PolicyDocument"])) for each in role.get("Policies", []))
        assert own <= INLINE, name
        assert len(role.get("ManagedPolicyArns", [])) <= POLICIES, name
    for name, each in handover["Resources"].items():
        if each["Type"] == "AWS::IAM::ManagedPolicy":
            assert size(full(each["Properties"]["PolicyDocument"])) <= MANAGED, name


def test_each_state_that_may_not_be_entered_twice_is_reached_by_its_own_function_only() -> None:
    """One function, one state, but for the builds: a role says what a state may do."""
    named: dict[str, set[str]] = {}
    for name, state in TASKS.items():
        resource = state["Parameters"].get("FunctionName", state["Resource"])
        named.setdefault(resource, set()).add(name)
    shared = [names for names in named.values() if len(names) > 1]
    assert shared == [{name for name in STATES if name.startswith("Run")}]
