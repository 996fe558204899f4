"""Items that are none of ours: whoever may write to the table may write anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from regrant.errors import UNREADABLE, AwsRefused


@contextmanager
def readable(whose: str) -> Iterator[None]:
    """Raises AwsRefused for what cannot be decoded, so that an undo that stops at it pages a person."""
    try:
        yield
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        message = f"The journal has something of {whose} that cannot be read: {error}"
        raise AwsRefused(message, UNREADABLE) from error
