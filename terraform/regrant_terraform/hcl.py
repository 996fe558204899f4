"""As much of HCL as it takes to find a second backend. Terraform itself reads the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from regrant_terraform.files import BACKEND

_SKIPPED = re.compile(
    r'"(?:[^"\\\n]|\\.)*"'  # a string, kept, so that what looks like a comment in it is none
    r"|<<-?(?P<end>\w+)\n.*?\n\s*(?P=end)\b"  # a heredoc
    r"|\#[^\n]*|//[^\n]*|/\*.*?\*/",
    re.DOTALL,
)
_BLOCK = re.compile(r'(?:^|[{}\n])\s*(backend\s*"[^"\n]*"|backend\s+\w+|cloud)\s*\{')


def backends_elsewhere(directory: Path) -> list[str]:
    """Names of files that have a backend or a cloud block, Regrant's own left out."""
    files = sorted(file for file in directory.iterdir() if file.name.endswith((".tf", ".tf.json")))
    return [file.name for file in files if file.name != BACKEND and _has_backend(file)]


def _has_backend(file: Path) -> bool:
    text = file.read_text("utf-8", "replace")
    if file.name.endswith(".json"):
        return any({"backend", "cloud"} & block.keys() for block in _terraform_blocks(text))
    return _BLOCK.search(_SKIPPED.sub(_kept, text)) is not None


def _kept(found: re.Match[str]) -> str:
    return found.group() if found.group().startswith('"') else ""


def _terraform_blocks(text: str) -> Iterator[dict[str, object]]:
    try:
        block = json.loads(text).get("terraform")
    except (ValueError, AttributeError):
        return  # which Terraform will say
    yield from (each for each in (block if isinstance(block, list) else [block]) if isinstance(each, dict))
