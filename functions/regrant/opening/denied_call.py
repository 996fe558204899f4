"""A refused call that CloudTrail recorded, as a trigger: what was denied, and to which task.

A record can be forged by whoever may start executions. So a task's id and a role's name are only used as keys
to look up, and only if they have the shape of one; text of other shapes is shown, or left out.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict, replace

from regrant.denials.cloudtrail import is_record, read_record
from regrant.iam.quarantine import COMPROMISED_KEY, is_quarantine, next_of, reason_of
from regrant.model.denial import Denial
from regrant.model.results import Refusal
from regrant.opening.request import EXAMPLE, Request, shown
from regrant.settings import Allowed
from regrant.visible import quoted_arn

# Role names and session names: STS API reference, AssumeRole.
_SESSION = re.compile(r"arn:aws[a-z-]*:sts::([0-9]{12}):assumed-role/([A-Za-z0-9_+=,.@-]{1,64})/([^/\s]+)")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# 32 hexadecimal digits; a UUID where the account has not opted in to long ARNs (ECS guide, ARNs and IDs).
_TASK = re.compile(rf"[0-9a-f]{{32}}|{_UUID.pattern}")
_ACTION = re.compile(r"[a-z0-9-]{1,64}:[A-Za-z0-9]{1,128}")
_LONGEST = 2048  # characters; IAM's API takes no longer ARN


def read_denied_call(record: Mapping[str, Any], allowed: Allowed) -> Request:
    """The request in the event's detail. Never raises: what is wrong with it is its refusal."""
    denial = read_record(record) if is_record(record) else None
    if denial is None:
        return Request("contain", _event(record), automatic=True, refusal=_no_denial(record))
    caller, denial = _caller(record), _presentable(denial)
    session = _SESSION.fullmatch(caller)
    trigger = f"{_event(record)} of {denial.action or 'a call'}"
    request = Request(
        mode="contain",
        trigger=f"{trigger} by {session[2]}" if session else trigger,
        automatic=True,
        denials=(denial,),
    )
    if is_quarantine(denial.denying_policy_arn):
        whom = caller if caller == denial.principal_arn else None
        refusal = Refusal(COMPROMISED_KEY, f"{reason_of(whom)}.", next_of(quoted_arn(whom, "")))
        return replace(request, refusal=refusal)
    if session is None:
        return replace(request, refusal=_other_caller(f"{shown(caller)} is no session of a role"))
    account, role, name = session.groups()
    if not allowed.role_is_managed(account, role):
        other = f"role {role} of account {account} is not one that this stack manages"
        return replace(request, refusal=_other_caller(other))
    if not _TASK.fullmatch(name):
        return replace(request, refusal=_other_caller(f"session {shown(name)} of role {role} is no ECS task"))
    if denial.principal_arn != caller:
        other = f"its message speaks of {shown(denial.principal_arn)}, its record of {caller}"
        return replace(request, refusal=_other_caller(other))
    return replace(request, task=name)


def _event(record: Mapping[str, Any]) -> str:
    event = record.get("eventID")
    known = isinstance(event, str) and _UUID.fullmatch(event)
    return f"CloudTrail event {event}" if known else "a CloudTrail event"


def _caller(record: Mapping[str, Any]) -> str:
    identity = record.get("userIdentity")
    caller = identity.get("arn") if isinstance(identity, Mapping) else None
    return caller if isinstance(caller, str) else ""


def _presentable(denial: Denial) -> Denial:
    """Without what has not the form of its kind: the rest goes into reports, mails and the journal."""
    odd = {
        field: None
        for field, value in asdict(denial).items()
        if isinstance(value, str) and not (value.isprintable() and len(value) <= _LONGEST)
    }
    if denial.action is not None and not _ACTION.fullmatch(denial.action):
        odd["action"] = None
    return replace(denial, **odd)


def _no_denial(record: Mapping[str, Any]) -> Refusal:
    return Refusal(
        "NO_DENIAL",
        f"The CloudTrail event records no denied call: its error code is {shown(record.get('errorCode'))}.",
        "Nothing to do. The rule should match the error codes of denials only.",
        outcome="NOTHING_TO_FIX",
    )


def _other_caller(why: str) -> Refusal:
    return Refusal(
        "OTHER_CALLER",
        f"The denied call is not known to be an ECS task's of a managed role: {why}.",
        f"If a service of a managed cluster is denied, start a run for it by hand:{EXAMPLE}",
    )
