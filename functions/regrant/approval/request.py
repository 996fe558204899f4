"""An answer as a person sends it to the function's URL.

The event is that of a Lambda function URL, payload format 2.0 (Lambda developer guide, Invoking Lambda
function URLs, Request payload format). With AuthType AWS_IAM Lambda has checked the signature and writes who
signed into requestContext.authorizer.iam: accessKey, accountId, callerId, userArn, userId. callerId is the
unique id of a user, and of a role's session that of the role, a colon and the session's name.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from regrant.approval.people import Person, person
from regrant.model.runs import PREFIX

_LARGEST = 4096
_LONGEST = 80
"""Characters of an execution's name."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Asked(msgspec.Struct, frozen=True):
    """What the body says: the run's name, the plan's SHA-256, and yes or no."""

    run: str
    plan: str
    answer: Literal["approve", "reject"]


class Caller(msgspec.Struct, frozen=True):
    """Who signed the request."""

    arn: str
    id: str
    who: Person


def caller_of(event: Mapping[str, Any]) -> Caller | None:
    """None if the request was not signed, or not by a user or a role."""
    iam: Any = event.get("requestContext")
    for key in ("authorizer", "iam"):
        iam = iam.get(key) if isinstance(iam, Mapping) else None
    if not isinstance(iam, Mapping):
        return None
    arn, unique = iam.get("userArn"), iam.get("callerId")
    who = person(arn) if isinstance(arn, str) else None
    return Caller(str(arn), unique, who) if who and isinstance(unique, str) and unique else None


def asked_of(event: Mapping[str, Any]) -> Asked | None:
    """None if it is no POST with such a body."""
    context: Any = event.get("requestContext")
    http = context.get("http") if isinstance(context, Mapping) else None
    if not isinstance(http, Mapping) or http.get("method") != "POST":
        return None
    body = event.get("body")
    if not isinstance(body, str) or len(body) > _LARGEST:
        return None
    try:
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        asked = msgspec.json.decode(raw, type=Asked)
    except (msgspec.MsgspecError, binascii.Error, UnicodeError):
        return None
    name = asked.run.removeprefix(PREFIX)
    return asked if 0 < len(name) <= _LONGEST and _SHA256.fullmatch(asked.plan) else None
