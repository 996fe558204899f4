"""Figure (ii): the size of the functions' zips, as `sam build` leaves them."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".aws-sam" / "build"
AIM = 12_000_000


def measure() -> dict[str, Any]:
    """The largest zip in bytes and what in it is largest; or why it was skipped."""
    # Not from sys.version_info, of which mypy knows the answer.
    if not sys.version.startswith("3.13."):
        return {"skipped": "make build needs Python 3.13"}
    built = subprocess.run(["make", "build"], cwd=ROOT, capture_output=True, text=True, check=False)
    if built.returncode:
        return {"skipped": f"make build failed: {built.stderr.strip().splitlines()[-1:]}"}
    sizes = {folder.name: _zipped(folder) for folder in sorted(BUILT.iterdir()) if folder.is_dir()}
    largest = max(sizes, key=lambda name: sum(sizes[name].values()))
    parts = sorted(sizes[largest].items(), key=lambda part: -part[1])
    return {
        "functions": len(sizes),
        "bytes": sum(sizes[largest].values()),
        "boto3": any(name in parts_of for parts_of in sizes.values() for name in ("boto3", "botocore")),
        "parts": dict(parts[:4]),
        "met": sum(sizes[largest].values()) <= AIM,
    }


def _zipped(folder: Path) -> dict[str, int]:
    """Bytes in a zip, by the first part of the path. Bytecode is not counted: SAM's zip has none."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                zipped.write(path, path.relative_to(folder))
        parts: dict[str, int] = {}
        for each in zipped.infolist():
            first = each.filename.partition("/")[0]
            parts[first] = parts.get(first, 0) + each.compress_size + 2 * len(each.filename) + 100
    return parts
