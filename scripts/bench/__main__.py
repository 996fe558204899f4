"""`make bench`: every figure in one run. `make figures` writes docs/figures.md from it as well.

python -m scripts.bench [--runs 200] [--rounds 9] [--json FILE] [--write]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.bench import package, page, paths, prices, recovery, startup


def measure(runs: int, rounds: int) -> dict[str, Any]:
    """All figures, as docs/figures.md shows them."""
    figures: dict[str, Any] = {}
    figures["startup"] = _timed("start of the handlers", lambda: startup.summarize(startup.measure(rounds)))
    figures["package"] = _timed("size of the zips", package.measure)
    figures["paths"] = _timed("states, calls and memory", lambda: paths.summarize(paths.measure()))
    for run in figures["paths"]["runs"].values():
        run["dollarsOfAThousand"] = prices.of_a_thousand(run)
    figures["recovery"] = _timed("recovery", lambda: recovery.summarize(recovery.measure(runs)))
    return figures


def _timed(what: str, part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    began = time.monotonic()
    figures = part()
    print(f"{what}: took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench", description="Measure everything.")
    parser.add_argument("--runs", type=int, default=200, metavar="N", help="stories for each way to redeploy")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="starts of each handler")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--write", action="store_true", help="write docs/figures.md")
    options = parser.parse_args()
    figures = measure(options.runs, options.rounds)
    text = page.render(figures)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if options.write:
        page.FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
