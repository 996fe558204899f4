"""Questions for approval as items of the journal's table: partition key `approval#<run>`, sort key when
it was asked."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from regrant.aws.clients import aws_errors, condition_met
from regrant.model.approval import Answer, Question

_OPEN = "open"


class DynamoApprovals:
    """Implements stored.Approvals. Each method raises AwsUnavailable, AwsRefused (denied, no such table)."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def ask(self, question: Question) -> None:
        """PutItem: a second try of the same step writes its new token over the first."""
        self._put(question, {})

    def last(self, run: str) -> Question | None:
        """Query, consistent, of the newest; None if the run has asked nothing."""
        with aws_errors():
            items = self._dynamodb.query(
                TableName=self._table,
                KeyConditionExpression="incident = :run",
                ExpressionAttributeValues={":run": {"S": f"approval#{run}"}},
                ConsistentRead=True,
                ScanIndexForward=False,
                Limit=1,
            )["Items"]
        return msgspec.json.decode(items[0]["body"]["S"], type=Question) if items else None

    def answer(self, question: Question, answer: Answer) -> bool:
        """PutItem, on the condition that nobody has answered and the question is the one that was read."""
        condition = {
            "ConditionExpression": "answer_state = :open AND body = :read",
            "ExpressionAttributeValues": {":open": {"S": _OPEN}, ":read": {"S": _body(question)}},
        }
        return condition_met(lambda: self._put(replace(question, answer=answer), condition))

    def settle(self, question: Question, delivered: Literal["SENT", "LATE"]) -> None:
        """PutItem, without the token, unless the run has asked the same again."""
        assert question.answer is not None
        settled = replace(question, token="", answer=replace(question.answer, delivered=delivered))
        condition = {
            "ConditionExpression": "body = :read",
            "ExpressionAttributeValues": {":read": {"S": _body(question)}},
        }
        condition_met(lambda: self._put(settled, condition))

    def _put(self, question: Question, condition: dict[str, Any]) -> None:
        item = {
            "incident": {"S": f"approval#{question.run}"},
            "entry": {"S": question.asked_at},
            "body": {"S": _body(question)},
            "answer_state": {"S": "given" if question.answer else _OPEN},
        }
        with aws_errors():
            self._dynamodb.put_item(TableName=self._table, Item=item, **condition)


def _body(question: Question) -> str:
    return msgspec.json.encode(question).decode()
