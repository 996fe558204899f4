"""SQS as a health signal: counts only, never a receive (that would change visibility and counts)."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.model.aws import QueueDepth

# The query protocol's code and that of the JSON protocol (API reference, GetQueueUrl).
_NONEXISTENT = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


class SqsQueues:
    """Implements ports.Queues."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        self._url = cache(self._find_url)

    def find(self, queue: str) -> QueueDepth | None:
        """Its depth, or None if there is no such queue. Raises AwsUnavailable, AwsRefused (denied)."""
        try:
            return self.depth(queue)
        except AwsRefused as refused:
            if refused.code in _NONEXISTENT:
                return None
            raise

    def depth(self, queue: str) -> QueueDepth:
        """GetQueueUrl once, GetQueueAttributes: approximate counts, VisibilityTimeout times the
        RedrivePolicy's maxReceiveCount.

        Raises AwsUnavailable, AwsRefused (no such queue).
        """
        with aws_errors():
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self._url(queue),
                AttributeNames=[*_COUNTS, "VisibilityTimeout", "RedrivePolicy"],
            )
        attributes = answer["Attributes"]
        visible, in_flight = (int(attributes[name]) for name in _COUNTS)
        # A queue without a dead-letter queue has no RedrivePolicy; else it is JSON, with numbers as either
        # type.
        redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
        receives = redrive.get("maxReceiveCount")
        seconds = float(attributes["VisibilityTimeout"]) * int(receives) if receives else None
        return QueueDepth(visible, in_flight, seconds)

    def _find_url(self, queue: str) -> str:
        *_, account, name = queue.split(":")
        answer = self._sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
        return str(answer["QueueUrl"])
