"""`make rie`: every function that `sam build` made, in Lambda's own runtime client and emulator."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtimes import emulator, incident, names
from runtimes.incident import Outcome, shown
from runtimes.steps import NotReady, Step, left_out, steps

TIMES = 3
"""Each event goes to a cold function once, and then to the same one when it is warm."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m runtimes.rie", description=__doc__)
    parser.add_argument("--json", type=Path, help="write what was seen there")
    options = parser.parse_args(arguments)
    try:
        every = incident.in_order(steps())
        expected = incident.in_process(every, TIMES)
        seen, cold, warm = _in_emulator(every)
        reported = names.seen(every[0].package)
    except NotReady as reason:
        print(f"make rie: {reason}", file=sys.stderr)
        return 1
    wrong = incident.complaints(expected, seen) + names.complaints(reported)
    _show(every, seen, cold, warm, reported)
    incident.show(wrong)
    if options.json:
        report = {"cold": cold, "warm": warm, "names": reported, "wrong": wrong}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    print(
        f"{len(every)} functions, {len(reported)} failures: "
        + (f"{len(wrong)} WRONG" if wrong else "as in this process")
    )
    if said := left_out():
        print(said)
    return 1 if wrong else 0


def _in_emulator(every: list[Step]) -> tuple[Outcome, dict[str, float], dict[str, float]]:
    """(the outcome, seconds from a cold start to the answer, seconds of a warm answer) of each step."""
    cold: dict[str, float] = {}
    warm: dict[str, float] = {}
    with incident.account_of_the_incident("127.0.0.1") as account:

        @contextmanager
        def runtime(step: Step) -> Iterator[Callable[[Any], Any]]:
            environment, timeout, memory = incident.variables(account, step)
            with emulator.running(
                step.handler, step.package, environment, timeout=timeout, memory=memory, name=step.function
            ) as function:

                def invoke(event: Any) -> Any:
                    reply = function.invoke(event)
                    if step.name in cold:
                        warm[step.name] = reply.seconds
                    else:
                        cold[step.name] = reply.seconds
                    return reply.payload

                yield invoke

        outcome = incident.play(account, every, runtime, TIMES)
    return outcome, cold, warm


def _show(
    every: list[Step], seen: Outcome, cold: dict[str, float], warm: dict[str, float], reported: dict[str, str]
) -> None:
    answers = {answer.step: answer for answer in reversed(seen[0])}
    for step in every:
        ratio = f"cold {cold[step.name] / warm[step.name]:3.0f} x warm"
        print(f"{step.name:20} {ratio}  {shown(answers[step.name].payload)}")
    for what, name in reported.items():
        print(f"{what:28} {name}")
    ratios = [cold[step.name] / warm[step.name] for step in every]
    print(f"a cold start takes {statistics.median(ratios):.0f} times (median) as long as a warm answer")


if __name__ == "__main__":
    sys.exit(main())
