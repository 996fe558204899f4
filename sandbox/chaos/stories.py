"""The stories of one incident: each is played once without a fault, and once for each fault at each point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.chaos.explorer import Explorer, watch_states
from sandbox.chaos.forks import Forks, Point
from sandbox.chaos.judge import judge
from sandbox.chaos.world import WORKER, World, world


@dataclass(frozen=True)
class Story:
    """variant: of the seed. uploads: seconds between two. `undo`: a person undoes the run, and that undo is
    where the faults are. `after`: the function before whose first call they begin, since up to there the
    story is another one's."""

    name: str
    variant: str
    ending: str
    uploads: int = 60
    undo: bool = False
    after: str | None = None


STORIES = (
    Story("contain", "broken", "fixed"),
    # What fails has to come often enough to be seen.
    Story("failing health", "model-missing", "restored", uploads=15, after="regrant-capture-baseline"),
    Story("rollback", "broken", "restored", undo=True),
)


def explore(story: Story, forks: Forks, seed: int, *, every: bool, only: Callable[[Point], bool]) -> None:
    """Play it with every fault at every point. Raises AssertionError if it does not end well without one."""
    with world(story.variant, seed, uploads=story.uploads) as there:
        there.rehearse()
        explorer = Explorer(forks, story.name, there.stop, there.straggle)
        explorer.every, explorer.only, explorer.after = every, only, None if every else story.after
        there.account.faults = explorer
        watch_states(there.account, explorer)
        if story.undo:
            there.start({"service": WORKER})
            there.rest()
        explorer.exploring = True
        there.start(_begin(story, there))
        there.rest()
        explorer.exploring = False
        ending, why = judge(there, forks.point)
        if forks.point:
            forks.end(ending, why)
        assert ending == story.ending, f"{story.name} without a fault ended {ending}: {why}"


def _begin(story: Story, there: World) -> dict[str, str]:
    return {"mode": "rollback", "incident": there.first} if story.undo else {"service": WORKER}
