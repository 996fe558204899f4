"""The stack's own bucket for what goes to a build and comes from it."""

from __future__ import annotations

from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused

_LONGEST = 512
"""Bytes of a text that is read."""


class S3Work:
    """Implements regrant.handover.ports.Work."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def put(self, key: str, text: str) -> None:
        """PutObject. Raises AwsUnavailable, AwsRefused."""
        with aws_errors():
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=text.encode(), ServerSideEncryption="AES256"
            )

    def read(self, key: str) -> str | None:
        """GetObject. A key that is not there is NoSuchKey to whoever may list the bucket (API reference,
        GetObject, Permissions). Raises AwsUnavailable, AwsRefused."""
        try:
            with aws_errors():
                found = self._s3.get_object(Bucket=self._bucket, Key=key)
                text: bytes = found["Body"].read(_LONGEST + 1)
        except AwsRefused as refused:
            if refused.code == "NoSuchKey":
                return None
            raise
        plain = text.decode(errors="replace").strip()
        return plain if len(text) <= _LONGEST and plain.isprintable() and plain else None
