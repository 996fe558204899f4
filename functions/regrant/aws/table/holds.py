"""Who needs which temporary grant, as items of the journal's table: partition key `role#<role ARN>`, sort key
`hold#<policy ARN>#<incident>`."""

from __future__ import annotations

from typing import Any

import msgspec

from regrant.aws.clients import aws_errors, condition_met
from regrant.aws.table.readable import readable
from regrant.model.journal import Hold


class DynamoHolds:
    """Implements stored.Holds. Each method raises AwsUnavailable, AwsRefused (denied, no such table)."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def write(self, role: str, hold: Hold) -> None:
        """PutItem: nothing is ever deleted, so that the table says who held what."""
        with aws_errors():
            self._dynamodb.put_item(TableName=self._table, Item=hold_item(role, hold))

    def mark(self, role: str, hold: Hold, was: Hold) -> bool:
        """PutItem on condition that the hold is as it was read: whoever changed it since knows more.
        Whether it was."""

        def put() -> None:
            with aws_errors():
                self._dynamodb.put_item(TableName=self._table, **hold_put(role, hold, was))

        return condition_met(put)

    def of(self, role: str) -> tuple[Hold, ...]:
        """Query, consistent: those that were not dropped."""
        return tuple(hold for hold in self._all(role) if hold.dropped_at is None)

    def dropped(self, role: str) -> tuple[Hold, ...]:
        """Query, consistent: those that were dropped."""
        return tuple(hold for hold in self._all(role) if hold.dropped_at is not None)

    def _all(self, role: str) -> tuple[Hold, ...]:
        with aws_errors():
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="incident = :role",
                ExpressionAttributeValues={":role": {"S": f"role#{role}"}},
                ConsistentRead=True,
            )
            items = [item for page in pages for item in page["Items"]]
        with readable(role):
            return tuple(msgspec.json.decode(item["body"]["S"], type=Hold) for item in items)


def hold_put(role: str, hold: Hold, was: Hold) -> dict[str, Any]:
    """Put the hold on the role (ARN) on condition that it is as it was."""
    return {
        "Item": hold_item(role, hold),
        "ConditionExpression": "body = :was",
        "ExpressionAttributeValues": {":was": hold_item(role, was)["body"]},
    }


def hold_item(role: str, hold: Hold) -> dict[str, dict[str, str]]:
    """A hold on the role (ARN) as the table has it."""
    return {
        "incident": {"S": f"role#{role}"},
        "entry": {"S": f"hold#{hold.policy}#{hold.incident}"},
        "body": {"S": msgspec.json.encode(hold).decode()},
    }
