"""What the audit has notified of or is to leave alone, as items of the journal's table: partition key
`audit#<what>`, sort key `notice`."""

from __future__ import annotations

from typing import Any

from regrant.aws.clients import aws_errors


class DynamoNotices:
    """Implements stored.Notices. Each method raises AwsUnavailable, AwsRefused (denied, no such table)."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def last(self, about: str) -> str | None:
        """GetItem, consistent."""
        with aws_errors():
            item = self._dynamodb.get_item(TableName=self._table, Key=_key(about), ConsistentRead=True)
        return str(item["Item"]["body"]["S"]) if "Item" in item else None

    def note(self, about: str, text: str) -> None:
        """PutItem."""
        with aws_errors():
            self._dynamodb.put_item(TableName=self._table, Item=_key(about) | {"body": {"S": text}})


def _key(about: str) -> dict[str, dict[str, str]]:
    return {"incident": {"S": f"audit#{about}"}, "entry": {"S": "notice"}}
