"""Whole handovers in the local account: the real state machine, functions, IAM, builds and Terraform.

Each build is a process in the runner's role, which has what template.yaml gives it and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.sns.models import sns_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from sandbox.account import LocalAccount
from sandbox.scenarios import approver
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import hcl, retainwise, retainwise_account
from tests.sandbox.building import needs_aws

pytestmark = needs_aws

BUCKET, TABLE = "retainwise-terraform-state", "retainwise-terraform-locks"
PARAMETERS = {
    "EnableHandover": "true",
    "StateBucket": BUCKET,
    "StateLockTable": TABLE,
    "HandoverSourceType": "S3",
    "HandoverSourceLocation": "sources/infra.zip",
}
SERVICES = (retainwise.BACKEND, retainwise.WORKER)


class Handovers:
    """The seed's account, its owner's HCL in S3, and the stack with handovers."""

    def __init__(self, account: LocalAccount, **parameters: str) -> None:
        self.account = account
        s3: Any = account.client("s3")
        s3.create_bucket(Bucket="sources")
        s3.put_bucket_versioning(Bucket="sources", VersioningConfiguration={"Status": "Enabled"})
        self.source = {
            version: s3.put_object(Bucket="sources", Key="infra.zip", Body=hcl.archive(files))["VersionId"]
            for version, files in (("before", hcl.before()), ("after", hcl.after()))
        }
        self.outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS | PARAMETERS | parameters)
        retainwise_account.create(account)
        account.client("events").disable_rule(Name=self.outputs["AlarmRuleName"])
        self.first = self.services()

    def given(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "imports": hcl.imports(),
            "services": hcl.SERVICES,
            "roles": hcl.ROLES,
        }

    def services(self) -> dict[str, str]:
        """The revision that each runs."""
        ecs: Any = self.account.client("ecs")
        shapes = ecs.describe_services(cluster=retainwise.CLUSTER, services=list(SERVICES))["services"]
        return {each["serviceName"]: each["taskDefinition"].rpartition("/")[2] for each in shapes}

    def start(self, name: str, given: dict[str, Any]) -> str:
        sfn: Any = self.account.client("stepfunctions")
        started = sfn.start_execution(
            stateMachineArn=self.outputs["HandoverArn"], name=name, input=json.dumps(given)
        )
        return str(started["executionArn"])

    def run(
        self, name: str, given: dict[str, Any], on_state: Callable[[str], None] = lambda state: None
    ) -> dict[str, Any]:
        """To its end; a person says yes. on_state hears each state soon after it was entered."""
        return self.ended(self.start(name, given), on_state)

    def ended(self, arn: str, on_state: Callable[[str], None] = lambda state: None) -> dict[str, Any]:
        sfn: Any = self.account.client("stepfunctions")
        heard, looked = 0, float("-inf")

        def over() -> bool:
            nonlocal heard, looked
            if self.account.clock.elapsed() < looked + 10:
                return False
            looked = self.account.clock.elapsed()
            path = self.path(arn)
            for state in path[heard:]:
                on_state(state)
            heard = len(path)
            if path and path[-1] == "AskHandover":
                self.say_yes()
            return bool(sfn.describe_execution(executionArn=arn)["status"] != "RUNNING")

        assert self.account.clock.run(until=over, limit=8 * 3600), self.path(arn)
        shown = sfn.describe_execution(executionArn=arn)
        text = shown.get("output") or shown.get("cause")
        return {"status": shown["status"], "error": shown.get("error"), "report": json.loads(text or "{}")}

    def say_yes(self) -> None:
        """As soon as CloudTrail says who has started it."""
        (topic,) = sns_backends[retainwise.ACCOUNT][self.account.region].topics.values()
        sent = topic.sent_notifications
        questions = [text for _, text, subject, *_ in sent if str(subject).startswith("APPROVAL")]
        if questions:
            approver.answer(self.account, questions[-1], "Yes")

    def path(self, arn: str) -> list[str]:
        events = stepfunctions_parser_backends[retainwise.ACCOUNT][self.account.region].get_execution_history(
            arn
        )["events"]
        entered = [event.get("stateEnteredEventDetails") for event in events]
        return [each["name"] for each in entered if each]

    def executions(self) -> list[str]:
        sfn: Any = self.account.client("stepfunctions")
        listed = sfn.list_executions(stateMachineArn=self.outputs["HandoverArn"])["executions"]
        return [str(each["executionArn"]) for each in sorted(listed, key=lambda each: each["startDate"])]

    def locks(self) -> list[str]:
        """The rows of the lock table that are locks, and no digests."""
        dynamodb: Any = self.account.client("dynamodb")
        rows = dynamodb.scan(TableName=TABLE)["Items"]
        return [row["LockID"]["S"] for row in rows if not row["LockID"]["S"].endswith("-md5")]


def said(ended: dict[str, Any]) -> list[str]:
    """What the report found, for whoever reads that it is not what was expected."""
    return [f"{each['code']}: {each['text']}" for each in ended["report"].get("findings", ())]


@contextmanager
def handovers(
    terraform: dict[str, str], monkeypatch: pytest.MonkeyPatch, **parameters: str
) -> Iterator[Handovers]:
    for name in ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR"):
        if name in terraform:
            monkeypatch.setenv(name, terraform[name])
    with LocalAccount(pace=20, http_port=0) as account:
        yield Handovers(account, **parameters)


def test_terraform_takes_over_and_gives_back_exactly_what_ran(
    terraform: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with handovers(terraform, monkeypatch) as there:
        done = there.run("first", there.given())
        codes = [finding["code"] for finding in done["report"]["findings"]]
        assert (done["status"], done["report"]["outcome"]) == ("SUCCEEDED", "HANDED_OVER"), said(done)
        assert codes.count("MOVED") == 2 and "NO_DRIFT" in codes and "ANSWERED" in codes
        assert there.services() == {name: f"{name}:2" for name in SERVICES}
        assert there.locks() == []

        undone = there.run("undo", {"mode": "undo", "handover": "first"})
        assert (undone["error"], undone["report"]["outcome"]) == ("HandoverUndone", "UNDONE"), said(undone)
        assert undone["report"]["receipt"]["equal"] is True
        assert there.services() == there.first and there.locks() == []
        ecs: Any = there.account.client("ecs")
        second = ecs.describe_task_definition(taskDefinition=f"{retainwise.WORKER}:2")["taskDefinition"]
        assert second["status"] == "INACTIVE"


def test_a_handover_that_is_stopped_in_its_apply_is_undone_by_the_event_of_its_end(
    terraform: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build is stopped, Terraform saves its state and gives its lock back, and the services go back."""
    with handovers(terraform, monkeypatch) as there:
        sfn: Any = there.account.client("stepfunctions")

        def stop(state: str) -> None:
            if state == "RunApply":
                there.account.clock.call_later(200, lambda: sfn.stop_execution(executionArn=arn))

        arn = there.start("first", there.given())
        assert there.ended(arn, stop)["status"] == "ABORTED"
        assert there.account.clock.run(until=lambda: len(there.executions()) == 2, limit=600)
        undone = there.ended(there.executions()[-1])
        assert (undone["error"], undone["report"]["outcome"]) == ("HandoverUndone", "UNDONE"), said(undone)
        assert there.services() == there.first and there.locks() == []
        builds = [change for change in undone["report"]["changes"] if change["kind"] == "build"]
        assert [build["target"].partition("/")[0] for build in builds] == ["import", "plan", "apply", "undo"]


def test_hcl_that_terraform_cannot_read_leaves_neither_bucket_nor_table(
    terraform: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with handovers(terraform, monkeypatch) as there:
        s3: Any = there.account.client("s3")
        broken = hcl.before() | {"more.tf": 'resource "aws_sqs_queue" {'}
        uploaded = s3.put_object(Bucket="sources", Key="infra.zip", Body=hcl.archive(broken))
        there.source["before"] = uploaded["VersionId"]
        refused = there.run("first", there.given())
        assert (refused["status"], refused["report"]["outcome"]) == ("SUCCEEDED", "REFUSED"), said(refused)
        assert any("HCL_INVALID" in line and "more.tf" in line for line in said(refused)), said(refused)
        assert refused["report"]["stays"] == [] and there.services() == there.first
        assert BUCKET not in [each["Name"] for each in s3.list_buckets()["Buckets"]]
        assert TABLE not in there.account.client("dynamodb").list_tables()["TableNames"]
