"""python3 -m regrant_terraform ACTION --config config.json --out result.json

Exit status: 0 done, 3 refused, 4 locked, 5 stale plan, 6 not empty, 1 anything else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regrant_terraform import config, result, screen
from regrant_terraform.codes import OTHER
from regrant_terraform.run import ACTIONS, run
from regrant_terraform.running.cli import Terraform, stoppable


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m regrant_terraform", description=__doc__)
    parser.add_argument("action", choices=sorted(ACTIONS))
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="where the result is written, as JSON")
    parser.add_argument("--directory", help="instead of the configuration's")
    parser.add_argument("--approved", help="the plan's SHA-256, instead of the configuration's")
    parser.add_argument("--ended", nargs=3, metavar=("WHO", "BEGAN", "ENDED"), help="a run that has ended")
    parser.add_argument("--screen", action="store_true", help="print the result for a person")
    options = parser.parse_args(arguments)
    ended = options.ended and dict(zip(("who", "began", "ended"), options.ended, strict=True))
    given = {"directory": options.directory, "approved": options.approved, "ended_run": ended}
    given = {name: value for name, value in given.items() if value}

    terraform = Terraform(Path(), os.environ, say=lambda line: print(line, file=sys.stderr, flush=True))
    # To the end: a second signal must not take away the result of what the first has stopped.
    with stoppable(terraform):
        done, status = run(
            options.action, lambda: config.load(options.config, options.action, given), terraform
        )
        if options.screen:
            print(screen.page(done), flush=True)
        return _write(options.out, done, status, silent=options.screen)


def _write(out: Path | None, done: Mapping[str, Any], status: int, *, silent: bool) -> int:
    try:
        if out is not None:
            result.write(out, done)
        elif not silent:
            print(result.text(done), end="", flush=True)
    except OSError as error:
        # The only copy of what happened is not lost with the disk.
        print(result.text(done), flush=True)
        print(f"{out} cannot be written: {error.strerror}", file=sys.stderr)
        return status or OTHER
    return status


if __name__ == "__main__":
    sys.exit(main())
