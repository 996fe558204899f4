"""The DynamoDB table of Terraform's locks: one string, LockID, is its key (Terraform documentation, Backend
type s3)."""

from __future__ import annotations

from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused, AwsUnavailable

_KEY = [{"AttributeName": "LockID", "KeyType": "HASH"}]
_ATTRIBUTES = [{"AttributeName": "LockID", "AttributeType": "S"}]
_NONE = "ResourceNotFoundException"
_IN_USE = "ResourceInUseException"


class DynamoLockTable:
    """Implements regrant.handover.ports.LockTable. Each method raises AwsUnavailable, AwsRefused. Without a
    name there is no table, and nothing but that may be asked."""

    def __init__(self, dynamodb: Any, name: str | None) -> None:
        self._dynamodb = dynamodb
        self._name = name

    @property
    def name(self) -> str | None:
        return self._name

    def exists(self) -> bool:
        """DescribeTable. One that is CREATING or DELETING is waited for."""
        table = self._table()
        if table is not None and table.get("TableStatus") in ("CREATING", "DELETING"):
            raise AwsUnavailable(f"The table {self._name} is {table['TableStatus']}")
        return table is not None

    def create(self) -> None:
        """CreateTable, which goes on after the answer."""
        try:
            with aws_errors():
                self._dynamodb.create_table(
                    TableName=self._name,
                    AttributeDefinitions=_ATTRIBUTES,
                    KeySchema=_KEY,
                    BillingMode="PAY_PER_REQUEST",
                )
        except AwsRefused as refused:
            if refused.code != _IN_USE:
                raise

    def faults(self) -> tuple[str, ...]:
        """DescribeTable. Raises AwsUnavailable while it is not ACTIVE."""
        if not self.exists():
            raise AwsUnavailable(f"The table {self._name} is not there yet")
        table = self._table() or {}
        if table.get("KeySchema") != _KEY or table.get("AttributeDefinitions") != _ATTRIBUTES:
            return ("its key is not the one string LockID",)
        return ()

    def delete_if_empty(self) -> bool:
        """Scan of one row, DeleteTable."""
        try:
            with aws_errors():
                if self._dynamodb.scan(TableName=self._name, Limit=1, ConsistentRead=True)["Items"]:
                    return False
                self._dynamodb.delete_table(TableName=self._name)
        except AwsRefused as refused:
            if refused.code == _IN_USE:
                raise AwsUnavailable(f"The table {self._name} is being created or deleted") from refused
            if refused.code != _NONE:
                raise
        return True

    def _table(self) -> dict[str, Any] | None:
        try:
            with aws_errors():
                table: dict[str, Any] = self._dynamodb.describe_table(TableName=self._name)["Table"]
        except AwsRefused as refused:
            if refused.code == _NONE:
                return None
            raise
        return table
