"""A storm of denials: what a tight retry loop leaves in a log within minutes."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sandbox.aws.cloudwatch.logs import BATCH_BYTES, EVENT_OVERHEAD
from sandbox.engine.errors import denial
from sandbox.iam.evaluate import Decision, Layer, Verdict
from sandbox.iam.requests import Ask

if TYPE_CHECKING:
    from sandbox.account import LocalAccount

TASKS = 8
SECONDS = 240
"""How long ago it began."""
BATCH_EVENTS = 10_000


def write(account: LocalAccount, lines: int, *, group: str, prefix: str, role: str, queue: str) -> None:
    """Log that many refused calls of ReceiveMessage, made by tasks that have gone since.

    prefix: what the tasks' streams begin with. role and queue: the role's name, the queue's ARN.
    """
    chance = random.Random("storm")  # ids repeat from run to run
    client: Any = account.client("logs")
    end = int(account.clock.now().timestamp() * 1000)
    for _ in range(TASKS):
        task = f"{chance.getrandbits(128):032x}"
        client.create_log_stream(logGroupName=group, logStreamName=f"{prefix}/{task}")
        sentence = _sentence(role, task, queue)
        count = lines // TASKS
        events = (
            {
                "timestamp": end - SECONDS * 1000 * (count - number) // count,
                "message": f"ERROR request {uuid.UUID(int=chance.getrandbits(128))} {sentence}",
            }
            for number in range(count)
        )
        for batch in _batches(events):
            client.put_log_events(logGroupName=group, logStreamName=f"{prefix}/{task}", logEvents=batch)


def _sentence(role: str, task: str, queue: str) -> str:
    """As the worker logs botocore's error."""
    principal = f"arn:aws:sts::{queue.split(':')[4]}:assumed-role/{role}/{task}"
    refused = Verdict(Decision.IMPLICIT_DENY, Layer.IDENTITY)
    error = denial("sqs", principal, Ask("sqs:ReceiveMessage", queue), refused)
    return (
        "failed to receive messages from SQS: An error occurred (AccessDenied) when calling the "
        f"ReceiveMessage operation: {error.message}"
    )


def _batches(events: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """As many events as one PutLogEvents takes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for event in events:
        needed = len(event["message"].encode()) + EVENT_OVERHEAD
        if len(batch) == BATCH_EVENTS or size + needed > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += needed
    if batch:
        yield batch
