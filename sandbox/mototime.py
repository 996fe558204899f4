"""moto on simulated time: message visibility, log retention windows, creation dates."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime

import moto.core.utils
from moto.logs.models import LogEvent

from sandbox.clock import Clock

_clock: Clock | None = None


def _utcnow() -> datetime:
    now = _clock.now() if _clock is not None else datetime.now(UTC)
    return now.replace(tzinfo=None)


def install(clock: Clock) -> Callable[[], None]:
    """Let every `utcnow` of moto read the clock, until what is returned is called."""
    global _clock
    _clock = clock
    LogEvent._event_id = 0  # event ids repeat from run to run
    original = moto.core.utils.utcnow
    for name, module in list(sys.modules.items()):
        # Modules copied the function by name; those imported later copy ours.
        if name.startswith("moto.") and getattr(module, "utcnow", None) is original:
            module.utcnow = _utcnow  # type: ignore[attr-defined]

    def uninstall() -> None:
        global _clock
        if _clock is clock:
            _clock = None

    return uninstall
