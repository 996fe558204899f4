"""A run that could not be opened: nothing is known of it but its input, and a person has to look at that."""

from __future__ import annotations

import json

import msgspec

from regrant.model.run import Failure
from regrant.ports import Topic


class UnopenedEvent(msgspec.Struct, frozen=True):
    """What the state machine passes: the error, the execution's raw input of any shape, and its name."""

    error: Failure
    input: object
    execution: str


def page_unopened(event: UnopenedEvent, topic: Topic) -> None:
    """Tell the topic. An undo that could not be opened has left what it was to undo."""
    given = json.dumps(event.input, ensure_ascii=True)[:2000]
    topic.publish(
        f"NOT_OPENED {event.execution}",
        f"Run {event.execution} could not be opened: {event.error.Error}.\n\n"
        f"{event.error.Cause[:1000]!a}\n\n"
        "This run changed nothing. If it was to undo or to end something, that is still there.\n"
        f"When AWS answers again, start the state machine once more with the same input:\n{given}",
    )
