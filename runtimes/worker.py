"""What retainwise-worker does, done from outside for an ECS that runs no containers.

As long as the role lacks the policy, each task logs AWS's denial; with it, each receives messages.
A deployment's tasks are started by RunTask under the deployment's id, as ECS starts them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from sandbox.engine.errors import denial
from sandbox.iam.evaluate import Decision, Layer, Verdict
from sandbox.iam.requests import Ask
from sandbox.scenarios.seeds import retainwise as seed

_EVERY_SECONDS = 0.25
_DENIALS_SECONDS = 30.0
GROUP = f"/ecs/{seed.WORKER}"


class Worker:
    """A context manager: in it the service works, or is refused."""

    def __init__(self, client: Callable[[str], Any], queue_url: str) -> None:
        self._client, self._queue_url = client, queue_url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="worker")
        self._streams: set[str] = set()
        self._logged: set[str] = set()
        self._started: dict[str, list[str]] = {}
        self.failure: Exception | None = None
        self.received = 0

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for_denials(self) -> None:
        """Until every task has logged one. Raises what went wrong with the worker, or TimeoutError."""
        end = time.monotonic() + _DENIALS_SECONDS
        while self.failure is None:
            tasks = [task for started in list(self._started.values()) for task in started]
            silent = [task for task in tasks if _stream(task) not in self._logged]
            if tasks and not silent:
                return
            if time.monotonic() > end:
                what = f"{len(silent)} of {len(tasks)} tasks logged no denial" if tasks else "no task runs"
                raise TimeoutError(f"{seed.WORKER}: {what} after {_DENIALS_SECONDS:.0f} s")
            time.sleep(_EVERY_SECONDS)
        raise self.failure

    def _work(self) -> None:
        try:
            while not self._stop.wait(_EVERY_SECONDS):
                self._turn()
        except Exception as failure:  # the thread has no caller; whoever made it looks here
            self.failure = failure

    def _turn(self) -> None:
        iam = self._client("iam")
        attached = iam.list_attached_role_policies(RoleName=seed.OLD_ROLE)["AttachedPolicies"]
        granted = seed.RECEIVE in {policy["PolicyName"] for policy in attached}
        for task in self._tasks():
            if granted:
                messages = self._receive()
                self._log(task, f"Successfully received {len(messages)} messages from SQS")
            else:
                self._log(task, f"ERROR failed to receive messages from SQS: {_refusal(task)}")

    def _tasks(self) -> list[str]:
        """Ids of the primary deployment's tasks."""
        ecs = self._client("ecs")
        [service] = ecs.describe_services(cluster=seed.CLUSTER, services=[seed.WORKER])["services"]
        [deployment] = [each for each in service["deployments"] if each["status"] == "PRIMARY"]
        if deployment["id"] not in self._started:
            answer = ecs.run_task(
                cluster=seed.CLUSTER,
                taskDefinition=deployment["taskDefinition"],
                count=service["desiredCount"],
                startedBy=deployment["id"],
                launchType="FARGATE",
                networkConfiguration=service["networkConfiguration"],
            )
            arns = [task["taskArn"] for task in answer["tasks"]]
            self._started[deployment["id"]] = [arn.rpartition("/")[2] for arn in arns]
        return self._started[deployment["id"]]

    def _receive(self) -> list[Any]:
        sqs = self._client("sqs")
        answer = sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=2)
        messages: list[Any] = answer.get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        self.received += len(messages)
        return messages

    def _log(self, task: str, line: str) -> None:
        logs, stream = self._client("logs"), _stream(task)
        if stream not in self._streams:
            logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
            self._streams.add(stream)
        event = {"timestamp": int(time.time() * 1000), "message": line}
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[event])
        self._logged.add(stream)


def _stream(task: str) -> str:
    return f"ecs/worker/{task}"


def _refusal(task: str) -> str:
    queue = f"arn:aws:sqs:{seed.REGION}:{seed.ACCOUNT}:{seed.QUEUE}"
    principal = f"arn:aws:sts::{seed.ACCOUNT}:assumed-role/{seed.OLD_ROLE}/{task}"
    error = denial(
        "sqs", principal, Ask("sqs:ReceiveMessage", queue), Verdict(Decision.IMPLICIT_DENY, Layer.IDENTITY)
    )
    return f"An error occurred (AccessDenied) when calling the ReceiveMessage operation: {error.message}"
