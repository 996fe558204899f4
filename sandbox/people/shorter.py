"""Make a story shorter for as long as the same promise is broken in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from sandbox.people.forks import play_forked
from sandbox.people.promises.judge import judge
from sandbox.people.story import Run, Story

TRIES = 30


def shortest(story: Story, promise: str, until: float) -> Story:
    """In a player's process, by playing shorter ones until that time (Unix)."""

    def broken(less: Story) -> bool:
        return time.time() < until and any(each.promise == promise for each in judge(play_forked(less)))

    return shorten(story, broken)


def shorten(story: Story, broken: Callable[[Story], bool], tries: int = TRIES) -> Story:
    """Leave out steps, then what happens in runs, one at a time, the last first; again while that helps."""
    left = tries
    while True:
        for less in _less(story):
            if not left:
                return story
            left -= 1
            if broken(less):
                story = less
                break
        else:
            return story


def _less(story: Story) -> Iterator[Story]:
    """The story without one thing."""
    for number in reversed(range(len(story))):
        yield story[:number] + story[number + 1 :]
    for number, step in enumerate(story):
        if isinstance(step, Run):
            for moment in step.moments:
                kept = tuple(each for each in step.moments if each != moment)
                yield (*story[:number], replace(step, moments=kept), *story[number + 1 :])
