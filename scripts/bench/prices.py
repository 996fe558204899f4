"""Figure (iv): what a thousand runs cost at list price, from what one of them was counted to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# US dollars, us-east-1, x86, on demand, free tiers left out. Look yours up: aws.amazon.com/SERVICE/pricing.
TRANSITION = 0.025 / 1_000
REQUEST = 0.20 / 1_000_000
GB_SECOND = 0.0000166667
WRITE_UNIT = 0.625 / 1_000_000
READ_UNIT = 0.125 / 1_000_000
PUBLISH = 0.50 / 1_000_000
EMAIL = 2.00 / 100_000
LOG_GB = 0.50
# What cannot be counted here is assumed.
GB, SECONDS = 0.5, 0.5
"""Memory of a function, and how long it takes on average, cold starts among them."""


def of_a_thousand(run: Mapping[str, Any]) -> dict[str, float]:
    """Dollars for each part, and all of them. `run` is a row of scripts.bench.paths.summarize."""
    parts = {
        "transitions": run["entered"] * TRANSITION,
        "functions": run["invocations"] * (REQUEST + GB * SECONDS * GB_SECOND),
        "journal": run["writeUnits"] * WRITE_UNIT + run["readUnits"] * READ_UNIT,
        "notices": run["publishes"] * (PUBLISH + EMAIL),
        "logs": run["logBytes"] / 1e9 * LOG_GB,
    }
    thousand = {name: round(1_000 * dollars, 3) for name, dollars in parts.items()}
    return thousand | {"all": round(sum(thousand.values()), 2)}
