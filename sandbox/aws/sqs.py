"""SQS: long polling on the account's clock, and attributes as SQS shows them.

ReceiveMessage waits up to WaitTimeSeconds for a first message (SQS Developer Guide, "Amazon SQS short and
long polling"). moto looks at its clock between real sleeps, which never ends while simulated time stands
still.

RedrivePolicy is shown as its owner gave it, without blanks between its parts (examples of the AWS CLI's
get-queue-attributes); moto writes it with blanks, which reads as a change to whoever compares texts.
"""

from __future__ import annotations

import json
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

    attributes = SQSBackend.get_queue_attributes

    def get_queue_attributes(self: Any, *given: Any) -> dict[str, Any]:
        shown: dict[str, Any] = dict(attributes(self, *given))
        if redrive := shown.get("RedrivePolicy"):
            shown["RedrivePolicy"] = json.dumps(json.loads(redrive), separators=(",", ":"))
        return shown

    core.patch(SQSBackend, "receive_message", receive_message)
    core.patch(SQSBackend, "get_queue_attributes", get_queue_attributes)
