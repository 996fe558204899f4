"""Leases as items of the journal's table: partition key `lease#<resource>`, sort key `lease`."""

from __future__ import annotations

from typing import Any

from regrant.aws.clients import aws_errors, condition_met
from regrant.errors import AwsUnavailable
from regrant.model.journal import Lease


class DynamoLeases:
    """Implements stored.Leases. Each method raises AwsUnavailable, AwsRefused (denied, no such table)."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def take(self, lease: Lease, now: str, instead_of: str | None = None) -> Lease:
        """PutItem on the condition that nobody else holds it, else a consistent GetItem: what stands. One
        that was given back ends when it was taken (see release_put)."""
        values = {":me": {"S": lease.owner}, ":now": {"S": now}, ":other": {"S": instead_of or lease.owner}}
        given_back = "ends_at <= taken_at AND ends_at <= :now"
        condition = f"attribute_not_exists(entry) OR held_by IN (:me, :other) OR ({given_back})"
        if self._put(_conditional(lease, condition, values)):
            return lease
        standing = self.standing(lease.resource)
        if standing is None:
            raise AwsUnavailable(f"The lease on {lease.resource} was there and is not")
        return standing

    def standing(self, resource: str) -> Lease | None:
        """GetItem, consistent; None if there never was one."""
        with aws_errors():
            item = self._dynamodb.get_item(
                TableName=self._table, Key=_key(resource), ConsistentRead=True
            ).get("Item")
        if item is None:
            return None
        text = {name: value["S"] for name, value in item.items()}
        owner, subject = text["held_by"], text.get("works_on", text["held_by"])
        return Lease(resource, owner, text["taken_at"], text["ends_at"], subject)

    def release(self, resource: str, owner: str, now: str) -> None:
        """PutItem of an end, on the condition that it is the owner's."""
        self._put(release_put(resource, owner, now))

    def _put(self, put: dict[str, Any]) -> bool:
        def write() -> None:
            with aws_errors():
                self._dynamodb.put_item(TableName=self._table, **put)

        return condition_met(write)


def lease_put(lease: Lease, untouched_since: str) -> dict[str, Any]:
    """The lease, if it has ended or there is none, and nobody took or released it since then (ISO 8601)."""
    values = {":now": {"S": lease.taken_at}, ":since": {"S": untouched_since}}
    condition = "attribute_not_exists(entry) OR (ends_at <= :now AND taken_at < :since)"
    return _conditional(lease, condition, values)


def release_put(resource: str, owner: str, now: str) -> dict[str, Any]:
    """The end of the lease, if it is the owner's. taken_at is when it was released, then."""
    return _conditional(Lease(resource, owner, now, now), "held_by = :me", {":me": {"S": owner}})


def _conditional(lease: Lease, condition: str, values: dict[str, Any]) -> dict[str, Any]:
    item = _key(lease.resource) | {
        "held_by": {"S": lease.owner},
        "taken_at": {"S": lease.taken_at},
        "ends_at": {"S": lease.ends_at},
        "works_on": {"S": lease.subject or lease.owner},
    }
    return {"Item": item, "ConditionExpression": condition, "ExpressionAttributeValues": values}


def _key(resource: str) -> dict[str, Any]:
    return {"incident": {"S": f"lease#{resource}"}, "entry": {"S": "lease"}}
