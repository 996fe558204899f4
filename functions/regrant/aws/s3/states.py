"""Terraform's states in S3. What is read is handed on, and neither kept nor logged here."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from botocore.exceptions import BotoCoreError

from regrant.aws.clients import aws_errors
from regrant.errors import AwsUnavailable


class S3States:
    """Implements ports.TerraformStates."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def read(self, arn: str, most: int) -> bytes | None:
        """GetObject, of a state whose ContentLength says that it is not too long.

        Raises AwsUnavailable, AwsRefused (denied, not there, in another account, a key that may not be used).
        S3 says AccessDenied, too, of an object that is not there to who may not list the bucket (API
        reference, GetObject). The call is sent once: nothing waits for this.
        """
        bucket, _, key = arn.split(":", 5)[5].partition("/")
        with aws_errors():
            answer = self._s3.get_object(Bucket=bucket, Key=key)
            # Not the body itself: what it gives to `with` checks neither its length nor its checksum.
            with closing(answer["Body"]) as body:
                if int(answer["ContentLength"]) > most:
                    return None
                try:
                    text: bytes = body.read()  # no more than ContentLength
                except BotoCoreError as error:  # cut off, or its checksum is wrong
                    raise AwsUnavailable(str(error)) from error
        return text
