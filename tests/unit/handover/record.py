"""The events in events/handover: what each function gets first in a handover.

python -m tests.unit.handover.record    writes them
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.handover.test_walk import handing
from tests.unit.handover.world import failed

FOLDER = Path(__file__).parents[3] / "events" / "handover"


def events() -> dict[str, Any]:
    """By the handler's name: of one that works, and of one whose undo does not finish."""
    undone = handing(
        builds={"apply": failed("apply", "STALE_PLAN"), "undo": failed("undo", "FOREIGN_LOCK")}
    ).run()
    refused = handing(builds={"plan": failed("plan", "PLAN_REFUSED")}).run()
    return undone.sent | refused.sent | handing().run().sent


def text(event: Any) -> str:
    return json.dumps(event, indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, event in events().items():
        (FOLDER / f"{name}.json").write_text(text(event), encoding="utf-8")
