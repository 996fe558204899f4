"""The answer over HTTP: the reply as a response, whatever went wrong, and what may be logged of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from regrant.approval.answer import AGAIN, Reply, answer_approval
from regrant.approval.request import caller_of
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.ports import Account


def respond(event: Mapping[str, Any], aws: Account, now: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The response (Lambda developer guide, Invoking Lambda function URLs, Response payload format), and who
    asked and what came of it. Nothing else of the request is logged."""
    caller = caller_of(event)
    try:
        reply = answer_approval(event, aws, now)
    except AwsUnavailable as error:
        reply = Reply(503, "TRY_AGAIN", f"AWS could not answer: {error}", AGAIN)
    except AwsRefused as error:
        reply = Reply(500, "AWS_REFUSED", f"AWS said no to the function itself: {error}")
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if reply.retry_after is not None:
        headers["retry-after"] = str(reply.retry_after)
    body = json.dumps({"code": reply.code, "message": reply.message})
    response = {"statusCode": reply.status, "headers": headers, "body": body}
    return response, {"code": reply.code, "by": caller.arn if caller else None}
