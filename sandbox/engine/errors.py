"""Error answers that this account gives itself, in the protocol, code and words of each service.

Texts: IAM User Guide, "Troubleshoot access denied error messages", and public captures of IAM, SQS, SNS and
ECS.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from sandbox.iam.evaluate import Verdict
from sandbox.iam.requests import Ask

Response: TypeAlias = tuple[int, dict[str, Any], Any]

# Query and XML services say AccessDenied, SNS has a name of its own, JSON services say AccessDeniedException.
DENIAL_CODES = {
    "iam": "AccessDenied",
    "sts": "AccessDenied",
    "sqs": "AccessDenied",
    "s3": "AccessDenied",
    "cloudwatch": "AccessDenied",
    "sns": "AuthorizationError",
}


class AwsError(ServiceException):
    """An error answer. `code` and `message` are what botocore prints."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(code, message)
        self.code: str = code
        self.message: str = message
        self.status = status


def denial(service: str, principal_arn: str, ask: Ask, verdict: Verdict) -> AwsError:
    """`service` is the one that answers: a denied iam:PassRole is reported by ECS."""
    code = DENIAL_CODES.get(service, "AccessDeniedException")
    prefix, _, name = ask.action.partition(":")
    action = {"sqs": ask.action.lower(), "sns": f"SNS:{name}"}.get(prefix, ask.action)
    message = (
        f"User: {principal_arn} is not authorized to perform: {action} "
        f"on resource: {ask.shown or ask.resource} {verdict.reason(action)}"
    )
    return AwsError(code, 403 if service in DENIAL_CODES else 400, message)


def serialize(response: BaseResponse, error: AwsError) -> Response:
    """As moto would answer, but with the status that AWS sends for errors outside of botocore's models."""
    _, headers, body = response.serialized(ActionResult(error))
    headers, body = response._enrich_response(headers, body)  # a request id, which callers put into causes
    return error.status, headers, body


def error_code(answer: Response) -> str | None:
    """The error code in an answer of moto's."""
    status, headers, body = answer
    if status < 400:
        return None
    by_name = {name.lower(): value for name, value in headers.items()}
    code = by_name.get("x-amzn-query-error") or by_name.get("x-amzn-errortype")
    if code:
        return re.split(r"[;:]", str(code))[0].rpartition("#")[2]
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    if found := re.search(r"<Code>([^<]+)</Code>", text):
        return found.group(1)
    try:
        return str(json.loads(text)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return str(status)
