"""The result as it is written. SendTaskSuccess takes 256 KB, so it is kept below 200."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LARGEST = 200_000


def text(result: Mapping[str, Any]) -> str:
    """What is too long is cut: lists to fewer and fewer items, and the reason to its beginning."""
    kept = dict(result)
    items = 512
    while len(said := json.dumps(kept, indent=1) + "\n") > LARGEST:
        items //= 2
        kept = {name: _cut(value, items) for name, value in result.items()} | {"cut": True}
    return said


def _cut(value: Any, items: int) -> Any:
    if isinstance(value, str):
        return value[: max(items, 8) * 100]
    return [_cut(each, items) for each in value[:items]] if isinstance(value, list) else value


def write(file: Path, result: Mapping[str, Any]) -> None:
    """Whole or not at all: it is written beside and renamed."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text(result), "utf-8")
    beside.replace(file)
