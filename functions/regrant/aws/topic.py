"""The SNS topic that people read."""

from __future__ import annotations

from typing import Any

from regrant.aws.clients import aws_errors


class SnsTopic:
    """Implements ports.Topic."""

    def __init__(self, sns: Any, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    def publish(self, subject: str, message: str) -> None:
        """Publish, plain text. Raises AwsUnavailable, AwsRefused (denied, no such topic, over 256 KB)."""
        # A subject has less than 100 characters and no line breaks (API reference, Publish).
        with aws_errors():
            self._sns.publish(TopicArn=self._arn, Subject=subject[:99], Message=message)
