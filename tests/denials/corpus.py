"""Denials as AWS and its SDKs print them, and lines that are none, with what a reader must make of each.

services.yaml    the sentences that services answer with, 2016 to 2026, in every layer
sdks.yaml        what SDKs and tools put around them
logs.yaml        JSON lines, wrapped, coloured and cut lines, several denials in one text
cloudtrail.yaml  CloudTrail's records, as mappings and as text
reports.yaml     what public reports show: broken lines, boxes, margins, shortened and masked names
negatives.yaml   near misses: no denial in any of them

All texts are our own, with demo names in the fixed words that AWS prints; `shape` says where those were seen,
`source` is the public address. `unread` says why a part cannot be read without a guess, and is left out.
A field that a label does not name has the default of regrant.denials.reader.Denial.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

FILES = ("services", "sdks", "logs", "cloudtrail", "reports", "negatives")


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one refused call is, in the words of regrant.denials.reader.Denial."""

    action: str | None = None
    resource: str | None = None
    principal_arn: str | None = None
    role_name: str | None = None
    effect: str = "unknown"
    policy_type: str = "unknown"
    denying_policy_arn: str | None = None
    operation: str | None = None
    encoded: bool = False


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    shape: str
    denials: tuple[Label, ...]
    text: str | None = None
    record: dict[str, Any] | None = None
    kind: str = ""
    source: str = ""
    unread: str = ""

    @property
    def given(self) -> str | Mapping[str, Any]:
        if self.record is not None:
            return self.record
        assert self.text is not None
        return self.text


def read_corpus() -> tuple[Entry, ...]:
    """Every entry, in the files' order. Raises ValueError for an id that is given twice."""
    entries = []
    for kind in FILES:
        text = Path(__file__).with_name(f"{kind}.yaml").read_text(encoding="utf-8")
        for raw in yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            entry = msgspec.convert({**raw, "kind": kind}, Entry)
            if (entry.text is None) == (entry.record is None):
                raise ValueError(f"{entry.id} needs a text or a record")
            entries.append(entry)
    ids = [entry.id for entry in entries]
    if len(ids) != len(set(ids)):
        raise ValueError(f"ids given twice: {sorted({each for each in ids if ids.count(each) > 1})}")
    return tuple(entries)
