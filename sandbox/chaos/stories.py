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
    where the faults are. `asked`: the enrolment wants a person's approval, which is given. `after` and
    `before`: the functions before whose first call they begin and end; the rest is another story's."""

    name: str
    variant: str
    ending: str
    uploads: int = 60
    undo: bool = False
    asked: bool = False
    after: str | None = None
    before: str | None = None


STORIES = (
    Story("contain", "broken", "fixed"),
    # What fails has to come often enough to be seen.
    Story("failing health", "model-missing", "restored", uploads=15, after="regrant-capture-baseline"),
    Story("rollback", "broken", "restored", undo=True),
    Story(
        "approval",
        "broken",
        "fixed",
        asked=True,
        after="regrant-ask-approval",
        before="regrant-capture-baseline",
    ),
)


def explore(story: Story, forks: Forks, seed: int, *, every: bool, only: Callable[[Point], bool]) -> None:
    """Play it with every fault at every point. Raises AssertionError if it does not end well without one."""
    with world(story.variant, seed, uploads=story.uploads) as there:
        there.rehearse()
        if story.asked:
            there.ask_first()
        explorer = Explorer(forks, story.name, there.stop, there.straggle)
        explorer.every, explorer.only = every, only
        explorer.after, explorer.before = (None, None) if every else (story.after, story.before)
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
