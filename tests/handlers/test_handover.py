"""Each handler of a handover on the seed's account in moto: what goes in and out, and what it changed."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from regrant.aws.executions import StateMachineExecutions
from regrant.aws.table.approvals import DynamoApprovals
from regrant.aws.table.handovers import DynamoHandovers
from regrant.aws.table.journal import DynamoJournal
from regrant.errors import AwsUnavailable, NotOfThisRun
from regrant.model import handover
from regrant.model.aws import Sent
from tests.aws.account import TABLE, client
from tests.handlers.conftest import HANDOVER, MODULES, Invoke, load
from tests.handlers.test_handlers import lease, sent, settle
from tests.unit.fakes import ROLE, WORKER
from tests.unit.handover.record import events, text
from tests.unit.handover.world import NAME, RUN

SHAPES: dict[str, type[msgspec.Struct]] = {
    "open_handover": handover.OpenHandoverEvent,
    "start_build": handover.BuildEvent,
    "ask_handover": handover.AskHandoverEvent,
    "close_handover": handover.CloseHandoverEvent,
    "page_handover": handover.CloseHandoverEvent,
}


@pytest.fixture
def project(account: None) -> None:
    client("s3").create_bucket(Bucket="regrant-work")
    client("codebuild").create_project(
        name="regrant-handover",
        source={"type": "S3", "location": "source/infra.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=ROLE.arn,
    )


@pytest.mark.parametrize("step", HANDOVER)
def test_an_event_is_what_the_state_machine_passes(step: str) -> None:
    shape = SHAPES.get(step, handover.HandoverEvent)
    assert set(load(step)) == {field.name for field in msgspec.structs.fields(shape)}
    msgspec.convert(load(step), shape)


def test_the_events_are_those_of_a_handover_as_it_goes_now() -> None:
    """python -m tests.unit.handover.record writes them."""
    recorded = events()
    assert sorted(recorded) == HANDOVER
    assert [name for name in HANDOVER if text(recorded[name]) != text(load(name))] == []


@pytest.mark.parametrize("step", HANDOVER)
@pytest.mark.parametrize("goes_on", [True, False])
def test_an_event_that_no_handover_has_sent_does_nothing(
    account: None, monkeypatch: pytest.MonkeyPatch, step: str, goes_on: bool
) -> None:
    asked: list[str] = []

    def waits_for(self: Any, execution: str) -> Sent | None:
        asked.append(execution)
        return Sent("regrant-another", {}) if goes_on else None

    monkeypatch.setattr(StateMachineExecutions, "waits_for", waits_for)
    handler = importlib.import_module(MODULES[step]).handler
    context = SimpleNamespace(
        function_name=step, memory_limit_in_mb=512, invoked_function_arn=step, aws_request_id="1"
    )
    with pytest.raises(AwsUnavailable if goes_on else NotOfThisRun):
        handler(load(step), context)
    assert asked == [RUN]
    assert client("dynamodb").scan(TableName=TABLE)["Items"] == [] and sent() == []


def test_open_handover_leases_the_worker_and_keeps_what_is_asked_for(invoke: Invoke) -> None:
    settle()
    opened = invoke("open_handover")["handover"]
    assert (opened["next"], opened["refusal"]) == ("CREATE", None)
    assert lease(f"service/{WORKER}")["held_by"] == RUN
    kept = DynamoHandovers(client("dynamodb"), TABLE).load(RUN)
    assert kept is not None and kept.spec.services == (WORKER,)


def test_create_state_makes_bucket_and_table_and_remove_state_takes_them_away(invoke: Invoke) -> None:
    made = invoke("create_state")
    assert made["created"] == ["bucket retainwise-terraform-state", "table retainwise-terraform-locks"]
    assert client("s3").get_bucket_versioning(Bucket="retainwise-terraform-state")["Status"] == "Enabled"
    again = invoke("create_state")
    assert again["created"] == made["created"]
    assert invoke("remove_state")["removed"] == made["created"]
    assert client("s3").list_buckets()["Buckets"] == []


def test_start_build_gives_the_build_its_config_and_token_and_writes_its_intent(
    invoke: Invoke, project: None
) -> None:
    build = invoke("start_build")
    keys = [each["Key"] for each in client("s3").list_objects_v2(Bucket="regrant-work")["Contents"]]
    assert keys == [f"{NAME}/import.json", f"{NAME}/import.token"]
    (change,) = DynamoJournal(client("dynamodb"), TABLE).load(RUN).changes
    assert (change.kind, change.target, change.value) == ("build", f"import/1 of {NAME}", build)


def test_read_build_goes_on_by_what_the_build_has_said(invoke: Invoke) -> None:
    assert invoke("read_build")["next"] == "PLAN"


def test_ask_handover_writes_the_question_and_mails_it_without_its_token(invoke: Invoke) -> None:
    invoke("ask_handover")
    question = DynamoApprovals(client("dynamodb"), TABLE).last(RUN)
    ((subject, message),) = sent()
    assert question is not None and subject == f"APPROVAL NEEDED handover of {WORKER}"
    assert f"RUN={RUN} PLAN={question.plan} ANSWER=approve" in message
    assert load("ask_handover")["token"] not in message


def test_close_handover_reports_and_gives_the_service_back(invoke: Invoke) -> None:
    settle()
    invoke("open_handover")
    report = invoke("close_handover")
    assert report["outcome"] == "HANDED_OVER"
    held = lease(f"service/{WORKER}")
    assert held["ends_at"] == load("close_handover")["now"]
    assert DynamoJournal(client("dynamodb"), TABLE).load(RUN).closed
    assert sent()[-1][0] == f"HANDED_OVER handover {WORKER}"
