"""`make demo`: play one scenario on the embedded account with real processes, live, and say how it ended."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import signal
import sys
import time
from pathlib import Path

PACE, LONG_PACE = 20.0, 40.0
"""Simulated seconds a real second: a rollout of minutes is watched in seconds. Scenarios with chapters have
more of them."""
INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended, as shells say it."""


def main(arguments: list[str] | None = None) -> int:
    try:
        return _main(arguments)
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is left running.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read it, such as `head`, has read enough. What is still to be flushed goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _main(arguments: list[str] | None) -> int:
    # Imported here, because that takes seconds in which Ctrl-C is to end the demo just as quietly.
    from sandbox.account import LocalAccount
    from sandbox.scenarios.play import play
    from sandbox.scenarios.scenarios import SCENARIOS
    from sandbox.scenarios.screen import ending, opening, printer

    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--scenario", default="contained", metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result for programs")
    options = parser.parse_args(arguments)
    scenario = SCENARIOS.get(options.scenario)
    if scenario is None:
        like = difflib.get_close_matches(options.scenario, SCENARIOS, 1)
        meant = f" Did you mean SCENARIO={like[0]}?" if like else ""
        print(
            f"There is no scenario {options.scenario}.{meant} `make scenarios` lists them.", file=sys.stderr
        )
        return 2
    say = printer(sys.stdout)
    pace = LONG_PACE if scenario.then else PACE
    for line in opening(scenario, pace):
        say(line)
    began = time.monotonic()
    with LocalAccount(pace=pace, http_port=0, processes=True) as account:
        default = signal.signal(signal.SIGINT, lambda *_: account.clock.interrupt())
        try:
            result = play(account, scenario, say)
        finally:
            signal.signal(signal.SIGINT, default)
    for line in ending(scenario, result, time.monotonic() - began):
        say(line)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
