"""Who needs which grant, in DynamoDB."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.aws.table.holds import DynamoHolds
from regrant.errors import AwsRefused
from regrant.model.journal import Hold
from tests.aws.account import TABLE, create_journal
from tests.unit.fakes import OLD_ROLE, RECEIVE, SEND, WORKER_ROLE, at

HOLD = Hold(RECEIVE, "run-1", "retainwise-cluster/retainwise-worker")


def test_a_role_has_the_holds_that_were_written_and_not_dropped() -> None:
    holds = DynamoHolds(create_journal(), TABLE)
    other, more = replace(HOLD, incident="run-2"), replace(HOLD, policy=SEND)
    for hold in (HOLD, HOLD, other, more):
        holds.write(OLD_ROLE, hold)
    holds.write(OLD_ROLE, replace(other, dropped_at=at(9)))
    assert set(holds.of(OLD_ROLE)) == {HOLD, more}
    assert holds.dropped(OLD_ROLE) == (replace(other, dropped_at=at(9)),)
    assert holds.of(WORKER_ROLE) == ()


def test_a_hold_that_cannot_be_read_is_refused_so_that_a_person_is_paged() -> None:
    dynamodb = create_journal()
    key = {"incident": {"S": f"role#{OLD_ROLE}"}, "entry": {"S": "hold#forged"}}
    dynamodb.put_item(TableName=TABLE, Item=key | {"body": {"N": "7"}})
    with pytest.raises(AwsRefused, match="cannot be read"):
        DynamoHolds(dynamodb, TABLE).of(OLD_ROLE)
