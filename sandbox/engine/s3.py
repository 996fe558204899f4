"""What IAM is asked with a request to S3, which has its own way through moto, and how S3 words a refusal.

Sources: the Service Authorization Reference, Amazon S3 (condition keys of ListBucket: s3:delimiter,
s3:max-keys and s3:prefix, and of PutObject s3:x-amz-server-side-encryption, each only where the request has
it); S3 API reference, GetObject and HeadObject: with a versionId the permission is s3:GetObjectVersion; "If
the object that you request doesn't exist, the error depends on whether you also have the s3:ListBucket
permission": 404 with it, 403 without.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from moto.core.responses import BaseResponse
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeDeleteMarker, s3_backends
from moto.s3.responses import S3Response

from sandbox.engine.errors import AwsError
from sandbox.iam.requests import ACCOUNT, Ask, asks

_QUERY = {"prefix": "Prefix", "delimiter": "Delimiter", "max-keys": "MaxKeys", "versionId": "VersionId"}
_SETTINGS = {"encryption": "BucketEncryption", "publicAccessBlock": "PublicAccessBlock"}
"""A bucket's settings that moto takes for the bucket itself."""
_HEADERS = {"x-amz-server-side-encryption": "ServerSideEncryption"}


def parameters(response: BaseResponse, bucket: str | None, key: str | None) -> dict[str, Any]:
    """Of a request, those that IAM looks at. An empty prefix was asked for; one that is left out was not."""
    query = parse_qs(urlsplit(response.uri or "").query, keep_blank_values=True)
    named = {"Bucket": bucket, "Key": key} | {
        name: query[text][0] for text, name in _QUERY.items() if text in query
    }
    headers = response.headers or {}
    named |= {name: headers[text] for text, name in _HEADERS.items() if text in headers}
    return {name: value for name, value in named.items() if value is not None}


def operation(response: BaseResponse) -> str | None:
    """That of a bucket's setting, which the query names; None for any other request."""
    if not isinstance(response, S3Response):
        return None
    asked = parse_qs(urlsplit(response.uri or "").query, keep_blank_values=True)
    verb = {"PUT": "Put", "GET": "Get", "DELETE": "Delete"}.get(response.method or "")
    return next((f"{verb}{name}" for text, name in _SETTINGS.items() if verb and text in asked), None)


def asked_if_missing(operation: str, p: dict[str, Any]) -> Ask | None:
    """What the caller must be allowed to do to hear that the object does not exist; None if it does.

    The reading is of a key, so the question has no prefix: a policy that demands one allows nothing here.
    """
    if operation not in ("GetObject", "HeadObject") or "VersionId" in p:
        return None
    bucket = s3_backends[ACCOUNT]["aws"].buckets.get(p["Bucket"])
    if bucket is None:
        return None
    found = bucket.keys.get(p["Key"])
    missing = found is None or isinstance(found, FakeDeleteMarker)
    return asks("s3", "ListBucket", {"Bucket": p["Bucket"]})[0] if missing else None


def denied() -> AwsError:
    return AwsError("AccessDenied", 403, "Access Denied")


def refused(error: AwsError) -> S3ClientError:
    """As moto lets S3 answer it."""
    return S3ClientError(error.code, error.message)
