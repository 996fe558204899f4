"""One row of the table: what happened without one permission."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Tried:
    """without: the permission that was taken away; None where none was. failed_at: the command that failed or
    differed; None for none."""

    part: str
    without: str | None
    action: str
    failed_at: str | None
    how: str

    @property
    def as_expected(self) -> bool:
        return (self.failed_at is None) == (self.without is None)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
