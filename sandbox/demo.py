"""`make demo`: play one story on the embedded account with real processes, live, and say how it ended."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from regrant.models import Report
from regrant.summary import render
from regrant.wire import decode
from sandbox.account import LocalAccount
from sandbox.play import Result, play
from sandbox.scenarios import SCENARIOS, Scenario

PACE = 20.0
"""Simulated seconds a real second: a rollout of minutes is watched in seconds."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--scenario", default="contained", choices=sorted(SCENARIOS), metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result for programs")
    options = parser.parse_args(arguments)
    scenario = SCENARIOS[options.scenario]
    _say(f"{scenario.name}: {scenario.story}")
    _say(f"One second here is {PACE:.0f} in the account. IAM decides every request; nothing is scripted.\n")
    began = time.monotonic()
    with LocalAccount(pace=PACE, http_port=0, processes=True) as account:
        result = play(account, scenario, _say)
    _conclude(scenario, result, time.monotonic() - began)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    return 0 if result.ok else 1


def _conclude(scenario: Scenario, result: Result, seconds: float) -> None:
    for run in result.runs:
        _say("\n" + "─" * 60)
        _say(f"execution {run.status}{f' with error {run.error}' if run.error else ''}")
        if run.report.get("outcome"):
            _say(render(decode(run.report, Report)))
    _say("\n" + "─" * 60)
    if scenario.restored:
        same = "equal" if result.account_before == result.account_after else "NOT EQUAL"
        _say(f"account before  {result.account_before}\naccount after   {result.account_after}  {same}")
    if result.predictions:
        _say("predictions     " + ", ".join(f"{n} {s}" for s, n in sorted(result.predictions.items())))
    for complaint in result.complaints:
        _say(f"NOT AS TOLD     {complaint}")
    ending = "ended as its story says" if result.ok else "did NOT end as its story says"
    _say(f"{scenario.name} {ending}, after {result.simulated_seconds:.0f} s there, {seconds:.0f} s here.")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
