"""Handovers as items of the journal's table, beside their changes: partition key `handover/<execution>`, sort
keys `handover` and, once it is closed, `outcome`."""

from __future__ import annotations

from typing import Any

import msgspec

from regrant.aws.clients import aws_errors, condition_met
from regrant.aws.table.readable import readable
from regrant.model.handover import HandoverReport, Kept


class DynamoHandovers:
    """Implements regrant.handover.ports.Handovers. Each method raises AwsUnavailable, AwsRefused (denied, no
    such table)."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def keep(self, run: str, kept: Kept) -> Kept:
        """PutItem on condition that there is none, else GetItem: what stands."""
        new = {"ConditionExpression": "attribute_not_exists(entry)"}
        if condition_met(lambda: self._put(run, "handover", kept, **new)):
            return kept
        standing = self.load(run)
        assert standing is not None  # the condition failed because it is there
        return standing

    def replace(self, run: str, kept: Kept) -> None:
        """PutItem, over what stands."""
        self._put(run, "handover", kept)

    def load(self, run: str) -> Kept | None:
        """GetItem, consistent."""
        with aws_errors():
            key = {"incident": {"S": run}, "entry": {"S": "handover"}}
            found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        with readable(run):
            return msgspec.json.decode(found["body"]["S"], type=Kept) if found else None

    def close(self, run: str, report: HandoverReport) -> None:
        """PutItem."""
        self._put(run, "outcome", report)

    def _put(self, run: str, entry: str, body: object, **condition: str) -> None:
        item = {
            "incident": {"S": run},
            "entry": {"S": entry},
            "body": {"S": msgspec.json.encode(body).decode()},
        }
        with aws_errors():
            self._dynamodb.put_item(TableName=self._table, Item=item, **condition)
