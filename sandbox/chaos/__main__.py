"""`make chaos`: try everything, print the table, and fail if anything ended neither fixed nor as it was."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sandbox.chaos.events import BENT, bend
from sandbox.chaos.explorer import FAULTS
from sandbox.chaos.forks import Ending, Forks, Point
from sandbox.chaos.incidents import STORIES, Story, explore
from sandbox.chaos.interleaving import MEETINGS, Meeting, interleave

ENDINGS = ("fixed", "restored", "paged", "other")
SEED = 2025
_WORLD = "the world of:"
Begins = TypeVar("Begins", Story, Meeting)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, metavar="N")
    parser.add_argument("--full", action="store_true", help="the larger search; takes many times as long")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for programs")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only the points with this in STORY: FAULT at PLACE"
    )
    options = parser.parse_args(arguments)
    began = time.monotonic()

    def only(point: Point) -> bool:
        return options.only in f"{point.story}: {point.fault} at {point.place}"

    def concerns(story: str) -> bool:
        named, colon, _ = options.only.partition(":")
        return not colon or named == story

    def ended(part: str, well: bool) -> None:
        if not (well and part.startswith(_WORLD)):  # its stories have been reported
            _say(f"{time.monotonic() - began:4.0f} s  {part}{'' if well else ': DID NOT END WELL'}")

    forks = Forks(os.cpu_count() or 1, ended)
    for stories in _alike(story for story in STORIES if concerns(story.name)):
        play = partial(explore, stories, forks, options.seed, every=options.full, only=only)
        forks.part(_of(stories), play)
    for meetings in _alike(meeting for meeting in MEETINGS if concerns(meeting.name)):
        meet = partial(interleave, meetings, forks, options.seed, full=options.full, only=only)
        forks.part(_of(meetings), meet)
    if options.only in "bent events":
        forks.part("bent events", partial(bend, forks, BENT * (10 if options.full else 1), options.seed))
    well = forks.wait()
    endings, notes = forks.read()
    result = summarize(options.seed, endings) | notes
    _print_table(result)
    for ending in endings:
        if ending.ending == "other":
            _say(f"OTHER  {ending.point.story}: {ending.point.fault} at {ending.point.place}: {ending.why}")
    if events := notes.get("events"):
        _say(
            f"{events['tried']} bent events: {events['refused']} refused with nothing changed,"
            f" {events['still_valid']} still valid, {events['wrong']} answered wrong"
        )
    _say(f"seed {options.seed}, {result['points']} points in {time.monotonic() - began:.0f} s")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if well and result["points"] and not result["other"] else 1


def _alike(those: Iterable[Begins]) -> list[list[Begins]]:
    """Those that begin in the same world, together."""
    worlds: dict[object, list[Begins]] = {}
    for each in those:
        worlds.setdefault(each.world, []).append(each)
    return list(worlds.values())


def _of(together: Sequence[Story | Meeting]) -> str:
    return f"{_WORLD} {', '.join(each.name for each in together)}"


def summarize(seed: int, endings: list[Ending]) -> dict[str, Any]:
    """The figures, all and by fault."""
    faults = dict.fromkeys([*FAULTS, *(ending.point.fault for ending in endings)])
    by_fault = {fault: _count([e for e in endings if e.point.fault == fault]) for fault in faults}
    return {"seed": seed, **_count(endings), "by_fault": {f: n for f, n in by_fault.items() if n["points"]}}


def _count(endings: list[Ending]) -> dict[str, int]:
    found = Counter(ending.ending for ending in endings)
    return {"points": len(endings), **{ending: found[ending] for ending in ENDINGS}}


def _print_table(result: dict[str, Any]) -> None:
    width = max(map(len, [*result["by_fault"], "fault"]))
    _say(f"{'fault':{width}}  points" + "".join(f"{ending:>10}" for ending in ENDINGS))
    for fault, counts in [*result["by_fault"].items(), ("all", result)]:
        _say(f"{fault:{width}}  {counts['points']:6}" + "".join(f"{counts[e]:10}" for e in ENDINGS))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
