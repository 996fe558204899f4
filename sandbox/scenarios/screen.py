"""What `make demo` shows: how a scenario begins and ends, 80 columns wide, in colour on a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import TextIO

import msgspec

from regrant.model.run import Report
from regrant.report.render import WIDTH, render, wrap
from sandbox.scenarios.results import Result
from sandbox.scenarios.scenarios import Scenario

_RULE = "─" * WIDTH
_COLOURS = (
    (31, re.compile(r"\b(?:UNHEALTHY|FAILED|NOT EQUAL)\b")),
    (33, re.compile(r"\b(?:PENDING|ROLLED_BACK|REFUSED)\b")),
    (32, re.compile(r"\b(?:HEALTHY|CONTAINED|CURED|SUCCEEDED|passed)\b")),
)
"""SGR code, and the words that have it: red, yellow, green."""


def printer(stream: TextIO) -> Callable[[str], None]:
    """Prints a line to the stream, in colour if that is a terminal and NO_COLOR is not set (no-color.org)."""
    coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def say(line: str) -> None:
        print(in_colour(line) if coloured else line, file=stream, flush=True)

    return say


def in_colour(line: str) -> str:
    for code, words in _COLOURS:
        line = words.sub(f"\x1b[{code}m\\g<0>\x1b[0m", line)
    return line


def opening(scenario: Scenario, pace: float) -> Iterator[str]:
    yield from wrap(f"{scenario.name}: {scenario.story}")
    yield f"One second here is {pace:.0f} in the account."
    yield "IAM decides every request; nothing is scripted."
    yield ""


def ending(scenario: Scenario, result: Result, seconds: float) -> Iterator[str]:
    """The report of each run, and what the account looks like then. `seconds` is how long it really took."""
    chapter = 0
    for run in result.runs:
        yield from ("", _RULE)
        if run.chapter != chapter:
            chapter = run.chapter
            yield from (*wrap(result.chapters[chapter - 1].story), "")
        yield f"execution {run.status}{f' with error {run.error}' if run.error else ''}"
        if run.report.get("outcome"):
            yield from render(msgspec.convert(run.report, Report)).splitlines()
    yield from ("", _RULE)
    if scenario.restored:
        yield from _compared(result.account_before, result.account_after)
    for expected, played in zip(scenario.then, result.chapters, strict=True):
        if expected.restored:
            yield from wrap(played.story)
            yield from _compared(played.account_before, played.account_after)
    if result.chapters:
        left = [f"{', '.join(names)} on {role}" for role, names in result.chapters[-1].granted.items()]
        yield from _fact("grants left", "; ".join(left) or "none")
    if scenario.others:
        refused = sorted(result.throttled.items(), key=lambda each: -each[1])
        yield from _fact("throttled", ", ".join(f"{n} of {function}" for function, n in refused) or "none")
    if result.predictions:
        yield from _fact("predictions", ", ".join(f"{n} {s}" for s, n in sorted(result.predictions.items())))
    yield from wrap(_verdict(scenario, result, seconds), rest="  ")


def _verdict(scenario: Scenario, result: Result, seconds: float) -> str:
    took = f"({_span(result.simulated_seconds)} simulated, {seconds:.0f} s real)"
    if result.ok:
        return f"Scenario `{scenario.name}` passed {took}."
    return f"Scenario `{scenario.name}` FAILED: {'; '.join(result.complaints)} {took}."


def _compared(before: str, after: str) -> Iterator[str]:
    yield from _fact("account before", before)
    yield from _fact("account after", after)
    yield from _fact("", "equal" if before == after else "NOT EQUAL")


def _fact(name: str, text: str) -> list[str]:
    return wrap(text, f"{name:16}", " " * 16)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
