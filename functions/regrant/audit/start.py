"""What the audit does about what it has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from regrant.audit.found import Neglected
from regrant.model.run import Report


class Due(msgspec.Struct, frozen=True):
    """What was found, and what makes it good: a run (name and input) to start, or a page to send; neither
    where that waits for a person."""

    found: Neglected
    run: str | None = None
    given: Mapping[str, Any] = {}
    page: Report | None = None
