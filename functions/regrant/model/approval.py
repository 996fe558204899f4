"""A question for approval as it stands in the journal, and who asked for the run that it is about."""

from __future__ import annotations

from typing import Literal

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """What a person said to a question: by is that identity's ARN, by_id its unique id.

    delivered: SENT once Step Functions took it, LATE if it did not wait for it any more.
    """

    approved: bool
    by: str
    by_id: str
    at: str
    delivered: Literal["", "SENT", "LATE"] = ""


class Question(msgspec.Struct, frozen=True):
    """One plan of one run that a person is asked about, until `until`.

    plan is the plan's SHA-256, started when the execution began, token what SendTaskSuccess takes: it is
    there as long as the question is open, and in no message or log of ours. text is the mail's.
    """

    run: str
    service: str
    plan: str
    asked_at: str
    until: str
    started: str
    token: str = ""
    answer: Answer | None = None
    text: str = ""


class Starter(msgspec.Struct, frozen=True):
    """Who started an execution, as CloudTrail has it: the identity's kind, ARN and unique id, and the AWS
    service that called in its place."""

    kind: str
    arn: str = ""
    id: str = ""
    service: str = ""
