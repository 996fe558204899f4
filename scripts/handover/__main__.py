"""`make handover-privileges`: what the role that runs Terraform needs, and that it needs no less.

The real Terraform runs against the local account under enforced IAM, once with all permissions, and once for
each permission without it: then something must fail, or a plan must differ. Prints a table, one row each.
Exit code 0; 1 if a permission is not needed, if all of them are not enough, or if there is no Terraform.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from sandbox.terraform_cli import LEFT_OUT, TerraformMissing, find, without_settings
from scripts.handover import backend, provider

_WIDTHS = (11, 26, 30, 9)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make handover-privileges", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--only", choices=["backend", "provider"], help="one half of it")
    options = parser.parse_args(arguments)
    try:
        found = find()
    except TerraformMissing as error:
        print(error, file=sys.stderr)
        return 1
    if found is None:
        print(f"SKIPPED  {LEFT_OUT}")
        return 0
    print(found.said, file=sys.stderr)
    began, rows = time.monotonic(), []
    _print("PART", "WITHOUT", "ACTION", "FAILS", "HOW")
    with tempfile.TemporaryDirectory(prefix="regrant-handover-") as folder:
        environment = without_settings(os.environ, found, Path(folder))
        for part in (backend, provider):
            if options.only in (None, part.__name__.rpartition(".")[2]):
                for row in part.tried(Path(folder), environment):
                    rows.append(row)
                    _print(row.part, row.without or "(nothing)", row.action, row.failed_at or "-", row.how)
    wrong = [row for row in rows if not row.as_expected]
    print(f"{len(rows)} rows in {time.monotonic() - began:.0f} s, {len(wrong)} of them wrong")
    for row in wrong:
        print(f"WRONG  {row.part}: without {row.without or 'nothing'}: {row.how}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n", "utf-8")
    return 1 if wrong else 0


def _print(*cells: str) -> None:
    *first, last = cells
    padded = (f"{cell:{width}}" for cell, width in zip(first, _WIDTHS, strict=True))
    print("  ".join((*padded, last))[:170], flush=True)


if __name__ == "__main__":
    sys.exit(main())
