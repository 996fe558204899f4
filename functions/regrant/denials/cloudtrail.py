"""CloudTrail's record of a refused call.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from regrant.denials.actions import canonical_action
from regrant.denials.arns import partition, role_name
from regrant.denials.cloudtrail_names import OPERATIONS, SERVICES, VERBS
from regrant.denials.sentence import find_sentences
from regrant.denials.text import plain
from regrant.model.denial import Denial

_DENIED = re.compile(
    r"(?:[\w-]++\.)*+(?:\w*AccessDenied\w*+|UnauthorizedOperation|AuthorizationError(?:Exception)?)"
)
# Lambda and CloudFront put their API's version into the event's name.
_VERSION = re.compile(r"(?:\d{8}|_?\d{4}_\d{2}_\d{2})(?:v\d+)?\Z")
_ARN_PARAMETERS = (
    "topicArn",
    "targetArn",
    "queueArn",
    "secretId",
    "keyId",
    "roleArn",
    "functionName",
    "stateMachineArn",
    "executionArn",
    "streamARN",
    "tableArn",
    "tableName",
    "resourceArn",
    "arn",
)


def is_record(value: Mapping[Any, Any]) -> bool:
    """Whether it is one CloudTrail event."""
    return _text(value, "eventSource").endswith(".amazonaws.com") and bool(_text(value, "eventName"))


def read_record(record: Mapping[Any, Any]) -> Denial | None:
    """The denial in the event, if its error code is one's; the message alone decides nothing."""
    code = _text(record, "errorCode")
    if not _DENIED.fullmatch(code):
        return None
    message = plain(_text(record, "errorMessage"))
    sentence = next((found.denial for found in find_sentences(message)), Denial())
    denial = replace(
        sentence,
        action=sentence.action or _action(record),
        principal_arn=sentence.principal_arn or _principal(record),
        encoded=sentence.encoded or "Encoded authorization failure message" in message,
    )
    denial = replace(
        denial,
        resource=denial.resource or _resource(record),
        role_name=denial.role_name or _role(record, denial.principal_arn),
    )
    return replace(denial, policy_type="vpce") if code.startswith("Vpce") else denial


def _principal(record: Mapping[Any, Any]) -> str | None:
    return _text(_mapping(record, "userIdentity"), "arn") or None


def _role(record: Mapping[Any, Any], principal: str | None) -> str | None:
    issuer = _mapping(_mapping(_mapping(record, "userIdentity"), "sessionContext"), "sessionIssuer")
    if _text(issuer, "type") in ("", "Role"):
        return _text(issuer, "userName") or role_name(_text(issuer, "arn")) or role_name(principal)
    return role_name(principal)


def _action(record: Mapping[Any, Any]) -> str | None:
    host = _text(record, "eventSource").removesuffix(".amazonaws.com")
    service = SERVICES.get(host, host.rsplit(".", 1)[-1])
    name = _VERSION.sub("", _text(record, "eventName"))
    if service == "apigateway":  # its actions are HTTP's
        name = next((verb for begin, verb in VERBS.items() if name.startswith(begin)), name)
    return canonical_action(service, OPERATIONS.get(f"{service}:{name}", name))


def _resource(record: Mapping[Any, Any]) -> str | None:
    parameters = _mapping(record, "requestParameters")
    host = _text(record, "eventSource").removesuffix(".amazonaws.com")
    if host == "s3" and _text(parameters, "bucketName"):
        bucket = f"arn:{partition(_text(record, 'awsRegion'))}:s3:::{_text(parameters, 'bucketName')}"
        key = _text(parameters, "key")
        return f"{bucket}/{key}" if key else bucket
    listed = record.get("resources")
    for resource in listed if isinstance(listed, (list, tuple)) else ():
        arn = _text(resource, "ARN") or _text(resource, "arn") if isinstance(resource, Mapping) else ""
        if arn:
            return arn
    if host == "sqs":
        return _queue(_text(parameters, "queueUrl"), _text(record, "awsRegion"))
    named = (_text(parameters, name) for name in _ARN_PARAMETERS)
    return next((arn for arn in named if arn.startswith("arn:")), None)


def _queue(url: str, region: str) -> str | None:
    """A queue's ARN from its URL, https://sqs.REGION.amazonaws.com/ACCOUNT/NAME."""
    try:
        path = urlsplit(url).path.strip("/").split("/")
    except ValueError:
        return None
    if len(path) != 2 or not region:
        return None
    return f"arn:{partition(region)}:sqs:{region}:{path[0]}:{path[1]}"


def _mapping(value: Mapping[Any, Any], key: str) -> Mapping[Any, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(value: Mapping[Any, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
