"""`make people`: play the found stories and random ones, and fail if a promise is broken in one of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.people.asked import NoSuchStory, asked_for
from sandbox.people.chance import draw
from sandbox.people.facts import Broken, Seen
from sandbox.people.forks import play_forked, players
from sandbox.people.found import FOUND
from sandbox.people.promises.judge import judge
from sandbox.people.shorter import shortest
from sandbox.people.story import Story, write

MINUTES = 4.0
SEED = 2025
_EACH = 100
"""Stories after which the search says how far it is."""
_SHORTENED = 2
"""How many stories are made shorter for each promise."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.people", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="the first random story's seed")
    parser.add_argument("--runs", type=int, metavar="N", help="how many random stories; else as time allows")
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, metavar="N", help="no random story begins later"
    )
    parser.add_argument(
        "--only", default="", metavar="STORY", help="a found story's name, or a story as JSON"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for programs")
    options = parser.parse_args(arguments)
    try:
        only = asked_for(options.only) if options.only else None
    except NoSuchStory as why:
        print(f"nothing played: {why}", file=sys.stderr)
        return 2
    with players(1 if only else os.cpu_count() or 1) as pool:
        search = Search(pool, options.minutes)
        if only:
            search.show(only)
        else:
            search.play(iter(_found_stories()), _random_stories(options.seed, options.runs))
    result = search.result(options.seed)
    _print(result)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if result["broken"] or not result["stories"] else 0


def _found_stories() -> list[tuple[str, Story]]:
    return [(name, found.story) for name, found in FOUND.items()]


def _random_stories(seed: int, runs: int | None) -> Iterator[tuple[str, Story]]:
    """A story with the seed N is the same in every search."""
    number = seed
    while runs is None or number < seed + runs:
        yield f"seed {number}", draw(number)
        number += 1


@dataclass
class Failure:
    """A promise that was broken in a story, which is made shorter later."""

    name: str
    story: Story
    broken: Broken


class Search:
    """Plays the found stories, and random ones until they, or the time, are over."""

    def __init__(self, pool: ProcessPoolExecutor, minutes: float) -> None:
        self._pool = pool
        self._began, self._until = time.monotonic(), time.time() + minutes * 60
        self._going: dict[Future[Any], Callable[[Any], None]] = {}
        """What is done with the result of each."""
        self._played = 0
        self._failures: list[Failure] = []

    def play(self, found: Iterator[tuple[str, Story]], drawn: Iterator[tuple[str, Story]]) -> None:
        """As many at a time as there are processors. The time bounds those that are drawn only."""
        while True:
            while len(self._going) < (os.cpu_count() or 1):
                named = next(found, None)
                if named is None and time.time() < self._until:
                    named = next(drawn, None)
                if named is None:
                    break
                self._going[self._pool.submit(play_forked, named[1])] = partial(self._judge, *named)
            if not self._going:
                return
            for done in wait(self._going, return_when=FIRST_COMPLETED).done:
                self._going.pop(done)(done.result())

    def show(self, story: Story) -> None:
        """Play one, and print everything that was seen."""
        seen = self._pool.submit(play_forked, story).result()
        for line in seen.log:
            _say(line)
        for run in seen.runs:
            _say(f"{'-' * 80}\n{run.page or json.dumps(run.report)}")
        self._judge("this story", story, seen)

    def result(self, seed: int) -> dict[str, Any]:
        promises = Counter(failure.broken.promise for failure in self._failures)
        return {
            "seed": seed,
            "stories": self._played,
            "seconds": round(time.monotonic() - self._began),
            "broken": sum(promises.values()),
            "by_promise": dict(promises.most_common()),
            "found": [_as_json(failure) for failure in self._failures],
        }

    def _judge(self, name: str, story: Story, seen: Seen) -> None:
        self._played += 1
        if self._played % _EACH == 0:
            minutes = (time.monotonic() - self._began) / 60
            _say(f"{self._played} stories in {minutes:.0f} min, {len(self._failures)} broken promises")
        firsts: dict[str, Broken] = {}
        for broken in judge(seen):
            firsts.setdefault(broken.promise, broken)
        for promise, broken in firsts.items():
            _say(f"BROKEN  {name}: {promise}: {broken.text}")
            before = sum(each.broken.promise == promise for each in self._failures)
            failure = Failure(name, story, broken)
            self._failures.append(failure)
            if name.startswith("seed ") and before < _SHORTENED:
                shorter = self._pool.submit(shortest, story, promise, self._until)
                self._going[shorter] = partial(self._shortened, failure)

    @staticmethod
    def _shortened(failure: Failure, story: Story) -> None:
        failure.story = story
        _say(f"SHORTER {failure.name}: {failure.broken.promise}: {write(story)}")


def _as_json(failure: Failure) -> dict[str, Any]:
    broken = failure.broken
    story = json.loads(write(failure.story))
    return {"name": failure.name, "promise": broken.promise, "text": broken.text, "story": story}


def _print(result: dict[str, Any]) -> None:
    for promise, count in result["by_promise"].items():
        _say(f"{count:5}  {promise}")
    _say(
        f"seed {result['seed']}, {result['stories']} stories in {result['seconds']} s:"
        f" {result['broken']} broken promises"
    )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
