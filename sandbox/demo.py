"""`make demo`: play one story on the embedded account with real processes, live, and say how it ended."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import msgspec

from regrant.model.run import Report
from regrant.report.render import render
from sandbox.account import LocalAccount
from sandbox.scenarios.play import play
from sandbox.scenarios.results import Result
from sandbox.scenarios.scenarios import SCENARIOS, Scenario

PACE, LONG_PACE = 20.0, 40.0
"""Simulated seconds a real second: a rollout of minutes is watched in seconds. A story with chapters has more
of them."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--scenario", default="contained", choices=sorted(SCENARIOS), metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result for programs")
    options = parser.parse_args(arguments)
    scenario = SCENARIOS[options.scenario]
    _say(f"{scenario.name}: {scenario.story}")
    pace = LONG_PACE if scenario.then else PACE
    _say(f"One second here is {pace:.0f} in the account. IAM decides every request; nothing is scripted.\n")
    began = time.monotonic()
    with LocalAccount(pace=pace, http_port=0, processes=True) as account:
        result = play(account, scenario, _say)
    _conclude(scenario, result, time.monotonic() - began)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result.as_json(), indent=2) + "\n")
    return 0 if result.ok else 1


def _conclude(scenario: Scenario, result: Result, seconds: float) -> None:
    chapter = 0
    for run in result.runs:
        _say("\n" + "─" * 60)
        if run.chapter != chapter:
            chapter = run.chapter
            _say(f"{result.chapters[chapter - 1].story}\n")
        _say(f"execution {run.status}{f' with error {run.error}' if run.error else ''}")
        if run.report.get("outcome"):
            _say(render(msgspec.convert(run.report, Report)))
    _say("\n" + "─" * 60)
    if scenario.restored:
        _compare(result.account_before, result.account_after)
    for told, played in zip(scenario.then, result.chapters, strict=True):
        if told.restored:
            _say(played.story)
            _compare(played.account_before, played.account_after)
    if result.chapters:
        left = result.chapters[-1].granted.items()
        _say("grants left     " + (", ".join(f"{', '.join(p)} on {role}" for role, p in left) or "none"))
    if result.predictions:
        _say("predictions     " + ", ".join(f"{n} {s}" for s, n in sorted(result.predictions.items())))
    for complaint in result.complaints:
        _say(f"NOT AS TOLD     {complaint}")
    ending = "ended as its story says" if result.ok else "did NOT end as its story says"
    _say(f"{scenario.name} {ending}, after {_span(result.simulated_seconds)} there, {seconds:.0f} s here.")


def _compare(before: str, after: str) -> None:
    _say(f"account before  {before}\naccount after   {after}  {'equal' if before == after else 'NOT EQUAL'}")


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 7200 else f"{seconds / 3600:.0f} hours"


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
