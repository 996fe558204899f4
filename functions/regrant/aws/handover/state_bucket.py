"""The S3 bucket of Terraform's state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused

_NOBODYS = ("404", "NoSuchBucket")
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_BLOCKED = dict.fromkeys(_BLOCKS, True)
_ENCRYPTION = ("AES256", "aws:kms", "aws:kms:dsse")
# Where a bucket is made without a location constraint (API reference, CreateBucket).
_FIRST_REGION = "us-east-1"


class S3StateBucket:
    """Implements regrant.handover.ports.StateBucket. Every call names the account that the bucket has to be
    of (user guide, Verifying bucket ownership with bucket owner condition)."""

    def __init__(self, s3: Any, name: str, region: str, account: str) -> None:
        self._s3 = s3
        self._region = region
        self._name = name
        self._ours = {"Bucket": name, "ExpectedBucketOwner": account}

    @property
    def name(self) -> str:
        return self._name

    def exists(self) -> bool:
        """HeadBucket, whose errors have no body: 404 for a name that nobody has, 403 for somebody else's
        (API reference). Raises AwsUnavailable, AwsRefused."""
        try:
            with aws_errors():
                self._s3.head_bucket(**self._ours)
        except AwsRefused as refused:
            if refused.code in _NOBODYS:
                return False
            message = f"The bucket {self._name} is another account's, or this stack may not look: {refused}"
            raise AwsRefused(message, refused.code) from refused
        return True

    def create(self) -> None:
        """CreateBucket. Raises AwsUnavailable, AwsRefused (the name is taken)."""
        place: dict[str, Any] = {}
        if self._region != _FIRST_REGION:
            place = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        try:
            with aws_errors():
                self._s3.create_bucket(Bucket=self._name, **place)
        except AwsRefused as refused:
            if refused.code != "BucketAlreadyOwnedByYou":
                raise

    def secure(self) -> None:
        """PutPublicAccessBlock, PutBucketEncryption, PutBucketVersioning. Raises AwsUnavailable,
        AwsRefused."""
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        with aws_errors():
            self._s3.put_public_access_block(**self._ours, PublicAccessBlockConfiguration=_BLOCKED)
            self._s3.put_bucket_encryption(**self._ours, ServerSideEncryptionConfiguration={"Rules": [rule]})
            self._s3.put_bucket_versioning(**self._ours, VersioningConfiguration={"Status": "Enabled"})

    def faults(self) -> tuple[str, ...]:
        """GetBucketVersioning, GetBucketEncryption, GetPublicAccessBlock: what a state lacks there. Raises
        AwsUnavailable, AwsRefused."""
        return tuple(self._faults())

    def _faults(self) -> Iterator[str]:
        versioning = self._read(lambda: self._s3.get_bucket_versioning(**self._ours))
        if versioning.get("Status") != "Enabled":
            yield "it keeps no versions"
        encryption = self._read(lambda: self._s3.get_bucket_encryption(**self._ours))
        rules = encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        defaults = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
        if not any(default.get("SSEAlgorithm") in _ENCRYPTION for default in defaults):
            yield "it does not encrypt"
        access = self._read(lambda: self._s3.get_public_access_block(**self._ours))
        if access.get("PublicAccessBlockConfiguration") != _BLOCKED:
            yield "it does not block public access"

    def _read(self, call: Callable[[], Any]) -> dict[str, Any]:
        """The configuration; empty where there is none."""
        try:
            with aws_errors():
                found: dict[str, Any] = call()
        except AwsRefused as refused:
            if refused.code in (
                "ServerSideEncryptionConfigurationNotFoundError",
                "NoSuchPublicAccessBlockConfiguration",
            ):
                return {}
            raise
        return found

    def delete_if_empty(self) -> bool:
        """ListObjectVersions, DeleteBucket: S3 itself refuses a bucket with anything in it. Raises
        AwsUnavailable, AwsRefused."""
        try:
            with aws_errors():
                found = self._s3.list_object_versions(**self._ours, MaxKeys=1)
                if found.get("Versions") or found.get("DeleteMarkers"):
                    return False
                self._s3.delete_bucket(**self._ours)
        except AwsRefused as refused:
            if refused.code == "BucketNotEmpty":
                return False
            if refused.code not in _NOBODYS:
                raise
        return True
