"""SQS as a health signal: counts only, never a receive (that would change visibility and counts)."""

from __future__ import annotations

from functools import cache
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.resources import QueueDepth

# The query protocol's code and that of the JSON protocol (API reference, GetQueueUrl).
_NONEXISTENT = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


class SqsQueues:
    """Implements ports.Queues."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        self._url = cache(self._find_url)

    def exists(self, queue: str) -> bool:
        """GetQueueUrl. Raises AwsUnavailable, AwsRefused (denied)."""
        try:
            with aws_errors():
                self._url(queue)
        except AwsRefused as refused:
            if refused.code in _NONEXISTENT:
                return False
            raise
        return True

    def depth(self, queue: str) -> QueueDepth:
        """GetQueueAttributes: approximate counts. Raises AwsUnavailable, AwsRefused (no such queue)."""
        with aws_errors():
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self._url(queue),
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )
        counts = answer["Attributes"]
        return QueueDepth(
            waiting=int(counts["ApproximateNumberOfMessages"]),
            in_flight=int(counts["ApproximateNumberOfMessagesNotVisible"]),
        )

    def _find_url(self, queue: str) -> str:
        *_, account, name = queue.split(":")
        answer = self._sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
        return str(answer["QueueUrl"])
