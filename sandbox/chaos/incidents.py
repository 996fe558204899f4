"""The stories of one incident: each is played once without a fault, and once for each fault at each point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox.chaos.explorer import Explorer, watch_states
from sandbox.chaos.forks import Forks, Point
from sandbox.chaos.verdicts import judge
from sandbox.chaos.world import WORKER, World, world
from sandbox.engine.faults import Effect

_ALWAYS = 10_000


@dataclass(frozen=True)
class Story:
    """variant: of the seed. ending: how it ends without a fault. wanted: what its run is for (see judge).
    uploads: seconds between two. begin: brings the account to where the run starts, and says with what
    (nothing if it starts automatically). functions: at which faults are tried, since the rest is another
    story's; with `every` at all.
    lean: leave out the faults that have the same effect as another; the first three stories try them all.
    stops: whether the run is stopped; whoever stops an undo that an end has started has it stopped."""

    name: str
    variant: str
    ending: str
    wanted: str
    begin: Callable[[World, Explorer], dict[str, Any]]
    uploads: int = 60
    functions: tuple[str, ...] = ()
    lean: bool = True
    stops: bool = True

    @property
    def world(self) -> tuple[str, int]:
        """Stories in which this is equal begin alike."""
        return self.variant, self.uploads


def _contain(there: World, explorer: Explorer) -> dict[str, Any]:
    return {"service": WORKER}


def _ask(there: World, explorer: Explorer) -> dict[str, Any]:
    there.ask_first()
    return {"service": WORKER}


def _contained(there: World) -> None:
    there.start({"service": WORKER})
    there.rest()
    there.remember()


def _undo(there: World, explorer: Explorer) -> dict[str, Any]:
    _contained(there)
    return {"mode": "rollback", "incident": there.first}


def _rescue(there: World, explorer: Explorer) -> dict[str, Any]:
    """A run is stopped in its proof; the faults are in the undo that its end starts."""
    there.start({"service": WORKER})
    there.account.clock.run_for(60)
    assert there.running(), "the run is over before it can be stopped"
    there.stop()
    return {}


def _cure(there: World, explorer: Explorer) -> dict[str, Any]:
    _contained(there)
    return {"service": WORKER, "mode": "cure"}


def _failing_cure(there: World, explorer: Explorer) -> dict[str, Any]:
    """The second proof, after the grant is gone, cannot be had: three good samples of two searches come
    before."""
    _contained(there)
    explorer.add(
        Effect.DENIED,
        "logs",
        "FilterLogEvents",
        function="regrant-verify-health",
        occurrence=7,
        times=_ALWAYS,
    )
    return {"service": WORKER, "mode": "cure"}


def _expire(there: World, explorer: Explorer) -> dict[str, Any]:
    _contained(there)
    return {"mode": "expire", "incident": there.first}


def _expire_unused(there: World, explorer: Explorer) -> dict[str, Any]:
    _contained(there)
    there.move_to_declared_role(WORKER)
    there.remember()
    return {"mode": "expire", "incident": there.first}


_UNDO = ("undo-role", "undo-service", "confirm-baseline", "close-incident")
# States that are no function's; only a stop is tried there.
_BETWEEN = (
    *("decide-change", "pause-for-health", "decide-health"),
    *("decide-undo", "pause-for-undo", "decide-outcome"),
)
STORIES = (
    Story("contain", "broken", "fixed", "contained", _contain, lean=False),
    Story(
        "failing health",
        "model-missing",
        "restored",
        "contained",
        _contain,
        uploads=20,  # what fails has to come often enough to be seen
        functions=("attach-policies", "redeploy-service", "verify-health", *_UNDO, *_BETWEEN),
        lean=False,
    ),
    Story("rollback", "broken", "restored", "undone", _undo, lean=False),
    Story(
        "rescue",
        "broken",
        "restored",
        "undone",
        _rescue,
        functions=("open-incident", "undo-role"),
        stops=False,
    ),
    Story(
        "approval",
        "broken",
        "fixed",
        "contained",
        _ask,
        functions=("ask-approval", "answer-approval", "decide-plan"),
    ),
    Story(
        "cure",
        "broken",
        "fixed",
        "cured",
        _cure,
        functions=("redeploy-service", "withdraw-grants", "decide-withdrawal"),
    ),
    Story(
        "failing cure",
        "broken",
        "restored",
        "cured",
        _failing_cure,
        functions=("undo-role", "undo-service"),
    ),
    Story(
        "expiry",
        "broken",
        "restored",
        "expired",
        _expire,
        functions=("withdraw-grants", "undo-role"),
    ),
    Story(
        "expiry of what nobody needs",
        "broken",
        "fixed",
        "expired",
        _expire_unused,
        functions=("withdraw-grants",),
    ),
)


def explore(
    stories: Sequence[Story], forks: Forks, seed: int, *, every: bool, only: Callable[[Point], bool]
) -> None:
    """Play stories that begin in the same world, each with every fault at every point. Raises AssertionError
    if one does not end well without a fault.
    """
    first = stories[0]
    with world(first.variant, seed, uploads=first.uploads) as there:
        there.rehearse()
        for story in stories:
            forks.part(story.name, partial(_explore, story, there, forks, every, only))
        assert forks.wait(), "a story did not end well"


def _explore(story: Story, there: World, forks: Forks, every: bool, only: Callable[[Point], bool]) -> None:
    explorer = Explorer(forks, story.name, there.stop, there.straggle)
    explorer.every, explorer.only, explorer.stops = every, only, story.stops
    explorer.lean = story.lean and not every
    if story.functions and not every:
        explorer.functions = frozenset(f"regrant-{name}" for name in story.functions)
    watch_states(there.account, explorer.entered)
    there.account.faults = explorer
    given = story.begin(there, explorer)
    explorer.exploring = True
    if given:
        there.start(given)
    there.rest()
    explorer.exploring = False
    ending, why = judge(there, story.wanted, forks.point)
    if forks.point:
        forks.end(ending, why)
    assert ending == story.ending, f"{story.name} without a fault ended {ending}: {why}"
