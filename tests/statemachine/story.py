"""A story of one run: what is broken, how the run ends, and the ways through the graph that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.statemachine.definition import Edge
from tests.statemachine.world import WORKER, World, incident

Arrange = Callable[[World], None]
OnState = Callable[[World, str], None]


@dataclass(frozen=True)
class Story:
    """What is broken, how the run ends (`None` for success), and the ways that it takes.

    ways: `A > B > C; D > E`, each of them in one piece. never: states that are not entered. finding: a code
    that the report has. on_state: what others do as the run enters a state. restored: the account is what it
    was; else granted says whether the role has the policy that was missing.
    """

    ways: str
    error: str | None
    outcome: str | None
    arrange: Arrange = lambda world: None
    on_state: OnState | None = None
    given: dict[str, Any] | Callable[[World], dict[str, Any]] = field(
        default_factory=lambda: {"service": WORKER}
    )
    variant: str = "broken"
    redeploy: str = "always"
    never: tuple[str, ...] = ()
    finding: str | None = None
    restored: bool = True
    granted: bool | None = None

    def asks(self, world: World) -> dict[str, Any]:
        """The run's input, which may be known only when the account has been arranged."""
        return self.given(world) if callable(self.given) else self.given

    @property
    def chains(self) -> list[list[str]]:
        return [[name.strip() for name in chain.split(">")] for chain in self.ways.split(";")]

    @property
    def edges(self) -> set[Edge]:
        return {pair for chain in self.chains for pair in pairwise(chain)}


def play(story: Story) -> None:
    with incident(story.variant, story.redeploy) as world:
        story.arrange(world)
        ended = world.run(story.asks(world), story.on_state)
        assert (ended.error, ended.outcome) == (story.error, story.outcome), ended.report
        assert [chain for chain in story.chains if not _in_one_piece(chain, ended.path)] == [], ended.path
        assert [state for state in story.never if state in ended.path] == []
        if story.finding:
            assert story.finding in ended.codes, ended.report["findings"]
        world.after(300)
        if story.restored:
            assert world.changed() == []
        else:
            assert world.granted() == story.granted


def _in_one_piece(chain: list[str], path: list[str]) -> bool:
    return any(path[start : start + len(chain)] == chain for start in range(len(path)))
