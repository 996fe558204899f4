"""SQS as a health signal: counts only, never a receive (that would change visibility and counts)."""

from __future__ import annotations

import json
from threading import Lock
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
        self._urls = dict[str, str]()  # by ARN
        self._one_asks = Lock()

    def find(self, queue: str) -> QueueDepth | None:
        """Its depth, or None if there is no such queue. Raises AwsUnavailable, AwsRefused (denied)."""
        try:
            return self.depth(queue)
        except AwsRefused as refused:
            if refused.code in _NONEXISTENT:
                return None
            raise

    def depth(self, queue: str) -> QueueDepth:
        """GetQueueUrl once for the queues of an account, GetQueueAttributes: approximate counts,
        VisibilityTimeout times the RedrivePolicy's maxReceiveCount.

        Raises AwsUnavailable, AwsRefused (no such queue).
        """
        attributes = self._attributes(queue)
        visible, in_flight = (int(attributes[name]) for name in _COUNTS)
        # A queue without a dead-letter queue has no RedrivePolicy; else it is JSON, with numbers as either
        # type.
        redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
        receives = redrive.get("maxReceiveCount")
        seconds = float(attributes["VisibilityTimeout"]) * int(receives) if receives else None
        return QueueDepth(visible, in_flight, seconds)

    def _attributes(self, queue: str) -> dict[str, str]:
        url, taken_for_granted = self._url(queue)
        try:
            return self._read(url)
        except AwsRefused:
            if not taken_for_granted:
                raise
        return self._read(self._find_url(queue))

    def _read(self, url: str) -> dict[str, str]:
        with aws_errors():
            answer = self._sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=[*_COUNTS, "VisibilityTimeout", "RedrivePolicy"]
            )
        attributes: dict[str, str] = answer["Attributes"]
        return attributes

    def _url(self, queue: str) -> tuple[str, bool]:
        """The queue's URL, and whether it was only taken for that of another of its account and Region with
        this one's name (developer guide, Queue and message identifiers), which saves a call."""
        place, _, name = queue.rpartition(":")
        with self._one_asks:
            if queue in self._urls:
                return self._urls[queue], False
            for arn, url in self._urls.items():
                base, _, known = url.rpartition("/")
                if arn == f"{place}:{known}":
                    return f"{base}/{name}", True
            return self._find_url(queue), False

    def _find_url(self, queue: str) -> str:
        *_, account, name = queue.split(":")
        with aws_errors():
            answer = self._sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
        self._urls[queue] = str(answer["QueueUrl"])
        return self._urls[queue]
