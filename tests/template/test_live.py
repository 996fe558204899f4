"""make live touches no account that it was not given, nothing that was there, and leaves nothing there."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from moto import mock_aws

from scripts.live import __main__ as live
from scripts.live import stacks as live_stacks
from tests.aws.account import ENVIRONMENT

REALLY_PLAY = live.play
PREFIXES = {"stepfunctions": "states"}
"""Where IAM names a service otherwise than botocore."""


class Stacks:
    """As much of CloudFormation as make live asks for; moto's needs packages that are not installed."""

    def __init__(self, *names: str, outputs: Mapping[str, str] | None = None) -> None:
        self.resources: dict[str, dict[str, str]] = {name: {} for name in names}
        self.outputs = outputs or {}

    def create_stack(self, *, StackName: str, **_: Any) -> dict[str, str]:  # noqa: N803
        if StackName in self.resources:
            raise _error("AlreadyExistsException", f"Stack [{StackName}] already exists")
        self.resources[StackName] = {}
        return {"StackId": _arn(StackName)}

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803
        if _name(StackName) not in self.resources:
            raise _error("ValidationError", f"Stack with id {StackName} does not exist")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"StackId": _arn(_name(StackName)), "Outputs": outputs}]}

    def delete_stack(self, *, StackName: str) -> None:  # noqa: N803
        self.resources.pop(_name(StackName), None)

    def get_waiter(self, _: str) -> Any:
        return SimpleNamespace(wait=lambda **_: None)

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=self._resources)

    def _resources(self, *, StackName: str) -> list[dict[str, Any]]:  # noqa: N803
        made = self.resources[StackName].items()
        return [{"StackResourceSummaries": [_resource(*each)]} for each in made]


class Session:
    """A session whose CloudFormation is a fake, and the rest moto."""

    def __init__(self, stacks: Stacks) -> None:
        self.stacks = stacks
        self.region_name = ENVIRONMENT["AWS_REGION"]

    def client(self, service: str, **_: Any) -> Any:
        return self.stacks if service == "cloudformation" else boto3.client(service)

    def get_credentials(self) -> Any:
        return boto3.Session().get_credentials()


def _arn(name: str) -> str:
    return f"arn:aws:cloudformation:eu-west-1:123456789012:stack/{name}/1"


def _name(given: str) -> str:
    return given.split("/")[1] if given.startswith("arn:") else given


def _error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


def _resource(logical: str, physical: str) -> dict[str, str]:
    return {
        "LogicalResourceId": logical,
        "PhysicalResourceId": physical,
        "ResourceStatus": "CREATE_COMPLETE",
    }


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(live, "play", lambda session: pytest.fail("it began to make things"))


@pytest.mark.parametrize("account", ["", "regrant", "12345", "1234567890123"])
def test_without_the_accounts_id_it_does_nothing(account: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--account", account]) == 2
    assert "make live ACCOUNT=<12 digits>" in capsys.readouterr().err


@mock_aws
def test_in_another_account_it_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--account", "999999999999"]) == 2
    assert "not of 999999999999" in capsys.readouterr().err


@mock_aws
def test_in_the_account_that_was_said_it_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[object] = []
    monkeypatch.setattr(live, "play", played.append)
    assert live.main(["--account", "123456789012"]) == 0
    assert len(played) == 1


@pytest.mark.parametrize("name", ["regrant-live", "regrant-live-worker", "regrant-live-runbook"])
@mock_aws
def test_a_stack_that_is_there_is_left_alone(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks = _really_play(monkeypatch, Stacks(name))
    assert live.main(["--account", "123456789012"]) == 2
    assert f"There is a stack {name} already" in capsys.readouterr().err
    assert list(stacks.resources) == [name]


@mock_aws
def test_a_task_definition_that_is_there_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks = _really_play(monkeypatch, Stacks())
    _register("regrant-live")
    assert live.main(["--account", "123456789012"]) == 2
    assert "task-definition/regrant-live:1 already" in capsys.readouterr().err
    assert len(_active("regrant-live")) == 1 and not stacks.resources


@mock_aws
def test_a_cluster_that_is_there_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CreateCluster would answer with it, and the stack would take it for its own."""
    stacks = _really_play(monkeypatch, Stacks())
    boto3.client("ecs").create_cluster(clusterName="regrant-live")
    assert live.main(["--account", "123456789012"]) == 2
    assert "There is a cluster regrant-live already" in capsys.readouterr().err
    assert not stacks.resources


@mock_aws
def test_a_stack_that_appears_after_the_look_is_left_alone() -> None:
    stacks = Stacks("regrant-live")
    making = live_stacks._stack(Session(stacks), "regrant-live", "scripts/live/account.yaml", {})
    with pytest.raises(ClientError, match="AlreadyExists"), making:
        pass
    assert list(stacks.resources) == ["regrant-live"]


@pytest.mark.parametrize(
    ("ending", "said"),
    [(subprocess.CalledProcessError(1, "sam"), "FAILED"), (KeyboardInterrupt(), "Stopped")],
)
@mock_aws
def test_a_deployment_that_ends_in_the_middle_leaves_nothing(
    ending: BaseException, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live_stacks, "ROLE_SECONDS", 0)
    account = _account()
    stacks = Stacks(outputs=account)
    _really_play(monkeypatch, stacks)
    _register("regrant-live-other")

    def sam(command: list[str], **_: Any) -> None:
        """Deploys half, and by then a run has granted and registered."""
        assert command[command.index("--config-env") + 1] == "regrant-live"
        stacks.resources["regrant-live-runbook"] = _kept()
        boto3.client("iam").attach_role_policy(RoleName="old", PolicyArn=account["PolicyArn"])
        _register("regrant-live")
        raise ending

    monkeypatch.setattr(subprocess, "run", sam)
    assert live.main(["--account", "123456789012"]) == 1
    shown = capsys.readouterr()
    assert said in shown.err and "LEFT BEHIND" not in shown.out and live_stacks.STAYS in shown.out
    assert not stacks.resources and not _active("regrant-live")
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []
    assert "QueueUrls" not in boto3.client("sqs").list_queues()
    assert boto3.client("iam").list_attached_role_policies(RoleName="old")["AttachedPolicies"] == []
    assert len(_active("regrant-live-other")) == 1


def test_sam_is_given_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(Stacks())
    credentials = boto3.Session().get_credentials()
    monkeypatch.setattr(session, "get_credentials", lambda: credentials)
    monkeypatch.setenv("AWS_PROFILE", "another")
    monkeypatch.setenv("AWS_DEFAULT_PROFILE", "another")
    given = live_stacks._environment(session)
    assert given["AWS_ACCESS_KEY_ID"] == given["AWS_SESSION_TOKEN"] == "testing"
    assert given["AWS_REGION"] == session.region_name
    assert not {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} & given.keys()


@mock_aws
def test_what_cannot_be_deleted_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    stacks = Stacks("regrant-live-runbook")
    stacks.resources["regrant-live-runbook"] = _kept()
    boto3.client("dynamodb").update_table(TableName="journal", DeletionProtectionEnabled=True)
    live_stacks._delete_runbook(Session(stacks))
    assert "LEFT BEHIND: table journal" in capsys.readouterr().out


def _iam(
    monkeypatch: pytest.MonkeyPatch, *, there: bool = False, error: ClientError | None = None
) -> list[str]:
    """What was asked for and how long was waited, of an IAM that has the role, or answers so."""
    done: list[str] = []

    def get(*, RoleName: str) -> None:  # noqa: N803
        assert RoleName == "AWSServiceRoleForECS"
        if not there:
            raise _error("NoSuchEntity", "The role with name AWSServiceRoleForECS cannot be found.")

    def create(*, AWSServiceName: str) -> None:  # noqa: N803
        done.append(AWSServiceName)
        if error:
            raise error

    iam = SimpleNamespace(get_role=get, create_service_linked_role=create)
    monkeypatch.setattr(Session, "client", lambda *_: iam)
    monkeypatch.setattr(time, "sleep", lambda seconds: done.append(f"{seconds} s"))
    return done


def test_ecs_has_its_service_linked_role_before_there_is_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it: "Unable to assume the service linked role" (CreateCluster, CreateService)."""
    done = _iam(monkeypatch)
    live_stacks.ecs_role(Session(Stacks()))
    assert done == ["ecs.amazonaws.com", "20 s"]


def test_a_role_that_is_there_needs_no_right_to_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done = _iam(monkeypatch, there=True, error=_error("AccessDenied", "no"))
    live_stacks.ecs_role(Session(Stacks()))
    assert done == []


def test_a_role_that_somebody_makes_at_that_moment_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """IAM's words, as users of Terraform report them."""
    words = "Service role name AWSServiceRoleForECS has been taken in this account, please try another."
    _iam(monkeypatch, error=_error("InvalidInput", words))
    live_stacks.ecs_role(Session(Stacks()))


def test_another_refusal_of_the_role_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _iam(monkeypatch, error=_error("AccessDenied", "no"))
    with pytest.raises(ClientError):
        live_stacks.ecs_role(Session(Stacks()))


@mock_aws
def test_tasks_run_only_in_subnets_that_the_default_vpc_came_with() -> None:
    """Others may have no way to the internet, from where the image comes."""
    ec2: Any = boto3.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    added = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="172.31.128.0/20")["Subnet"]["SubnetId"]
    network = live_stacks._network(boto3.Session())
    subnets = network["SubnetIds"].split(",")
    assert network["VpcId"] == vpc["VpcId"] and len(subnets) > 1 and added not in subnets
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    with pytest.raises(live_stacks.Refused, match="create-default-subnet"):
        live_stacks._network(boto3.Session())


def test_the_page_names_every_action_that_its_own_calls_need() -> None:
    """Whoever runs it may read there what to allow; the operations' names are botocore's."""
    source = "".join(
        (live_stacks.ROOT / f"scripts/live/{name}.py").read_text() for name in ("__main__", "stacks")
    )
    services = re.findall(r'client\("([a-z0-9]+)"', source)
    called = {
        *re.findall(r"\.([a-z]+_[a-z_]+)\(", source),
        *re.findall(r'get_paginator\("([a-z_]+)"\)', source),
    }
    needed = set()
    for service in {*services}:
        client: Any = boto3.client(service)
        model = client.meta.service_model
        prefix = PREFIXES.get(service, service)
        names = {xform_name(name): name for name in model.operation_names}
        needed |= {f"{prefix}:{names[call]}" for call in called & names.keys()}
    # It "does not require any permissions" (STS API reference).
    needed.remove("sts:GetCallerIdentity")
    assert len(needed) > 15
    page = (live_stacks.ROOT / "docs/runtimes.md").read_text()
    section = page[page.index("\n## make live") :]
    assert {action for action in needed if f"`{action}`" not in section} == set()
    assert {*re.findall(r"`([a-z0-9]+:[A-Z]\w+)`", section)} <= needed


def test_it_knows_all_that_the_runbooks_stack_keeps() -> None:
    template = (live_stacks.ROOT / "template.yaml").read_text()
    resources = re.split(r"^  (?=\w+:$)", template, flags=re.MULTILINE)
    kept = [text.partition(":")[0] for text in resources if "    DeletionPolicy: Retain" in text]
    assert sorted(kept) == sorted(live_stacks.RETAINED)


def test_a_runbook_in_another_account_is_an_error() -> None:
    stacks = Stacks("regrant-live-runbook")
    live_stacks._check_stack(stacks, "123456789012")
    with pytest.raises(live_stacks.Failed, match="not in account 999999999999"):
        live_stacks._check_stack(stacks, "999999999999")


@mock_aws
def test_it_waits_for_a_denial_that_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="/ecs/regrant-live")
    logs.create_log_stream(logGroupName="/ecs/regrant-live", logStreamName="worker")
    now = time.time()
    slept: list[float] = []

    def deny(at: float) -> None:
        event = {
            "timestamp": int(at * 1000),
            "message": "User: x is not authorized to perform: sqs:ReceiveMessage",
        }
        logs.put_log_events(logGroupName="/ecs/regrant-live", logStreamName="worker", logEvents=[event])

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        deny(now + 5)

    deny(now - 60)
    monkeypatch.setattr(time, "sleep", sleep)
    live._wait_for_denial(boto3.Session(), "/ecs/regrant-live")
    assert slept == [10]


@mock_aws
def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("logs").create_log_group(logGroupName="/ecs/regrant-live")
    monkeypatch.setattr(live, "DENIAL_PATIENCE", -1)
    with pytest.raises(live_stacks.Failed, match="No denial in /ecs/regrant-live"):
        live._wait_for_denial(boto3.Session(), "/ecs/regrant-live")


@pytest.mark.parametrize("cause", ["Internal error.", "", "[]"])
def test_a_cause_that_is_no_report_is_told(cause: str) -> None:
    with pytest.raises(live_stacks.Failed, match="ended FAILED without a report"):
        live._report({"executionArn": "arn", "status": "FAILED", "cause": cause})


def test_another_outcome_is_an_error() -> None:
    with pytest.raises(live_stacks.Failed, match="expected CURED"):
        live._expect({"outcome": "CONTAINED"}, "CURED", True)
    with pytest.raises(live_stacks.Failed, match="the roles are not as CURED says"):
        live._expect({"outcome": "CURED"}, "CURED", False)


def _really_play(monkeypatch: pytest.MonkeyPatch, stacks: Stacks) -> Stacks:
    monkeypatch.setattr(live, "play", REALLY_PLAY)
    monkeypatch.setattr(live, "boto3", SimpleNamespace(Session=lambda: Session(stacks)))
    return stacks


def _account() -> dict[str, str]:
    """What scripts/live/account.yaml makes, as far as it is looked at, and its outputs."""
    iam = boto3.client("iam")
    role = iam.create_role(RoleName="old", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    names = re.findall(
        r"^  (\w+): {Value:", (live_stacks.ROOT / "scripts/live/account.yaml").read_text(), re.MULTILINE
    )
    return dict.fromkeys(names, "arn:aws:any:eu-west-1:123456789012:thing") | {
        "OldRoleArn": role,
        "PolicyArn": iam.create_policy(PolicyName="receive", PolicyDocument=document)["Policy"]["Arn"],
    }


def _kept() -> dict[str, str]:
    boto3.client("dynamodb").create_table(
        TableName="journal",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "incident", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "incident", "KeyType": "HASH"}],
    )
    queue = boto3.client("sqs").create_queue(QueueName="dead-letters")["QueueUrl"]
    return {"JournalTable": "journal", "DeadLetterQueue": queue}


def _register(family: str) -> None:
    container = {"name": "worker", "image": "x", "memory": 128}
    boto3.client("ecs").register_task_definition(family=family, containerDefinitions=[container])


def _active(family: str) -> list[str]:
    found: list[str] = boto3.client("ecs").list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
    return [arn for arn in found if f"/{family}:" in arn]
