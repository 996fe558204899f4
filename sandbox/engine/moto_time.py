"""moto on simulated time: message visibility, log retention windows, creation dates."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import moto.core.utils
from moto.logs.models import LogEvent

from sandbox.engine.clock import Clock
from sandbox.engine.core import Core

_clock: Clock | None = None


def _utcnow() -> datetime:
    now = _clock.now() if _clock is not None else datetime.now(UTC)
    return now.replace(tzinfo=None)


def install(core: Core) -> None:
    """Let every `utcnow` of moto read the account's clock, for as long as it is open."""
    core.patch(sys.modules[__name__], "_clock", core.clock)
    core.patch(LogEvent, "_event_id", 0)  # event ids repeat from run to run
    original = moto.core.utils.utcnow
    for name, module in list(sys.modules.items()):
        # Modules copied the function by name. Ours stays: without an account it gives real time.
        if name.startswith("moto.") and getattr(module, "utcnow", None) is original:
            found: Any = module
            found.utcnow = _utcnow
