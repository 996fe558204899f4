"""A storm of denials: what a tight retry loop leaves in a log within minutes."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.aws.cloudwatch.logs import BATCH_BYTES, EVENT_OVERHEAD
from sandbox.engine.errors import denial
from sandbox.iam.evaluate import Decision, Layer, Verdict
from sandbox.iam.requests import Ask

if TYPE_CHECKING:
    from sandbox.account import LocalAccount
    from sandbox.aws.ecs.tasks import Task

TASKS = 8
SECONDS = 240
"""How long ago it began."""
BATCH_EVENTS = 10_000


def write(
    account: LocalAccount, lines: int, *, group: str, prefix: str, role: str, queue: str, service: str
) -> None:
    """Log that many refused calls of ReceiveMessage, made by tasks of the service that have gone since.

    prefix: what the tasks' streams begin with. role and queue: the role's name, the queue's ARN.
    """
    chance = random.Random("storm")  # ids repeat from run to run
    client: Any = account.client("logs")
    end = int(account.clock.now().timestamp() * 1000)
    for _ in range(TASKS):
        task = f"{chance.getrandbits(128):032x}"
        _stopped(account, service, task)
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


def _stopped(account: LocalAccount, service: str, task: str) -> None:
    """ECS knows the task for an hour: one like those that run, but that it has ended."""
    clusters: Any = account.ecs.backend.tasks.values()
    tasks: Iterator[tuple[dict[str, Task], Task]] = ((c, each) for c in clusters for each in c.values())
    known, like = next(one for one in tasks if one[1].group == f"service:{service}")
    arn = f"{like.task_arn.rpartition('/')[0]}/{task}"
    known[arn] = replace(
        like,
        id=task,
        task_arn=arn,
        containers=[each | {"taskArn": arn, "lastStatus": "STOPPED"} for each in like.containers],
        last_status="STOPPED",
        desired_status="STOPPED",
        stopped_at=account.clock.now(),
        stop_code="EssentialContainerExited",
        stopped_reason="Essential container in task exited",
        container=None,
    )

    def forget() -> None:
        del known[arn]

    account.clock.call_later(3600, forget)


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
