"""SQS long polling on the account's clock.

ReceiveMessage waits up to WaitTimeSeconds for a first message (SQS Developer Guide, "Amazon SQS short and
long polling"). moto looks at its clock between real sleeps, which never ends while simulated time stands
still.
"""

from __future__ import annotations

from typing import Any

from moto.sqs.models import SQSBackend

from sandbox.engine.core import Core


def install(core: Core) -> None:
    receive = SQSBackend.receive_message

    def receive_message(self: Any, queue_name: str, count: int, wait: int, *rest: Any) -> Any:
        clock = core.clock
        until = clock.elapsed() + (wait or 0)
        while True:
            messages = receive(self, queue_name, count, 0, *rest)
            if messages or clock.elapsed() >= until or not clock.can_sleep():
                return messages
            clock.sleep(min(1, until - clock.elapsed()))

    core.patch(SQSBackend, "receive_message", receive_message)
