"""A function that fails on request, to see by which name its runtime reports that."""

from __future__ import annotations

import os
import signal
import time
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    """`event` is {"raise": a class of regrant.errors} or {"do": "exit", "kill", "sleep", "object"}."""
    if name := event.get("raise"):
        # From the built package, as a handler imports it.
        from regrant import errors

        raise getattr(errors, name)("on request")
    match event.get("do"):
        case "exit":
            os._exit(3)
        case "kill":
            # What the kernel does to a process that takes more memory than there is.
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            time.sleep(60)
        case "object":
            return object()
    return {}
