"""Leases in DynamoDB and the executions that own them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.executions import StateMachineExecutions
from regrant.aws.table.leases import DynamoLeases
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.journal import Lease
from tests.aws.account import TABLE, client, create_journal
from tests.unit.fakes import SETTINGS, at

RESOURCE = "service/retainwise-cluster/retainwise-worker"


@pytest.fixture
def leases() -> DynamoLeases:
    return DynamoLeases(create_journal(), TABLE)


def lease(owner: str, second: float = 0, end: float = 100) -> Lease:
    return Lease(RESOURCE, owner, at(second), at(end), subject=owner)


def test_one_owner_at_a_time(leases: DynamoLeases) -> None:
    assert leases.take(lease("a"), at(0)) == lease("a")
    assert leases.take(lease("b"), at(1)) == lease("a")
    assert leases.take(lease("a", 2), at(2)) == lease("a", 2)


def test_what_was_given_back_is_free_and_what_has_expired_is_looked_at_first(leases: DynamoLeases) -> None:
    leases.take(lease("a"), at(0))
    assert leases.take(lease("b", 100, 200), at(100)) == lease("a")
    assert leases.take(lease("b", 100, 200), at(100), instead_of="a") == lease("b", 100, 200)
    leases.release(RESOURCE, "b", at(120))
    assert leases.take(lease("c", 120, 200), at(120)).owner == "c"


def test_another_ones_is_not_given_back(leases: DynamoLeases) -> None:
    leases.take(lease("a"), at(0))
    leases.release(RESOURCE, "b", at(1))
    assert leases.take(lease("b"), at(1)).owner == "a"


def test_it_is_taken_over_from_the_one_that_was_looked_at_and_from_no_other(leases: DynamoLeases) -> None:
    leases.take(lease("a"), at(0))
    assert leases.take(lease("b"), at(1), instead_of="x").owner == "a"
    assert leases.take(lease("b"), at(1), instead_of="a").owner == "b"
    assert leases.take(lease("c"), at(1), instead_of="a").owner == "b"


def test_what_was_given_back_says_when(leases: DynamoLeases) -> None:
    leases.take(lease("a"), at(0))
    leases.release(RESOURCE, "a", at(40))
    assert leases.take(lease("b", 0, 90), at(39)) == lease("a", 40, 40)


def test_it_is_kept_which_incident_its_owner_works_on(leases: DynamoLeases) -> None:
    undo = Lease(RESOURCE, "undo-1", at(0), at(100), subject="a")
    leases.take(undo, at(0))
    assert leases.take(lease("b"), at(1)) == undo


def test_an_owner_of_whom_that_is_not_said_works_on_its_own_incident(leases: DynamoLeases) -> None:
    leases.take(Lease(RESOURCE, "a", at(0), at(100)), at(0))
    assert leases.take(lease("b"), at(1)).subject == "a"


def test_a_lease_that_is_gone_when_it_is_looked_at_is_asked_for_again() -> None:
    dynamodb = create_journal()
    with Stubber(dynamodb) as stub:
        stub.add_client_error("put_item", "ConditionalCheckFailedException", http_status_code=400)
        stub.add_response("get_item", {})
        with pytest.raises(AwsUnavailable):
            DynamoLeases(dynamodb, TABLE).take(lease("a"), at(0))


def test_a_table_that_may_not_be_written_is_not_a_lease_of_somebody_elses() -> None:
    dynamodb = create_journal()
    with Stubber(dynamodb) as stub:
        stub.add_client_error("put_item", "AccessDeniedException", http_status_code=400)
        with pytest.raises(AwsRefused):
            DynamoLeases(dynamodb, TABLE).take(lease("a"), at(0))


def machine() -> Any:
    stepfunctions = client("stepfunctions")
    waiting = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}}
    role = "arn:aws:iam::123456789012:role/states"
    created = stepfunctions.create_state_machine(
        name="regrant-runbook", definition=json.dumps(waiting), roleArn=role
    )
    assert created["stateMachineArn"] == SETTINGS.state_machine
    return stepfunctions


def test_a_run_ends_when_it_ends() -> None:
    stepfunctions = machine()
    executions = StateMachineExecutions(stepfunctions, SETTINGS.state_machine)
    arn = stepfunctions.start_execution(stateMachineArn=SETTINGS.state_machine, name="run-1")["executionArn"]
    assert executions.ended_at("run-1") is None
    stepfunctions.stop_execution(executionArn=arn)
    ended = executions.ended_at("run-1")
    assert ended is not None and ended.endswith("Z")


def test_a_run_that_is_not_known_yet_has_not_ended() -> None:
    assert StateMachineExecutions(machine(), SETTINGS.state_machine).ended_at("run-2") is None
