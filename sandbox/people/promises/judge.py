"""Ask every promise about everything that was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.people.facts import Broken, Seen
from sandbox.people.promises import account, attachments, following, outcomes, services, words

_OF_A_RUN = (*attachments.PROMISES, *outcomes.PROMISES, *words.PROMISES, *services.PROMISES)
PROMISES = tuple(
    promise.__name__ for promise in (*_OF_A_RUN, *account.AT_REST, *account.OF_ALL, *following.PROMISES)
)
PLAYED = "the_story_is_played"


def judge(seen: Seen) -> list[Broken]:
    """Every promise that was not kept."""
    found = [Broken(PLAYED, seen.failed)] if seen.failed else []
    for run in seen.runs:
        found += _ask(_OF_A_RUN, f"{run.name} ({run.mode} {run.outcome}): ", seen, run)
    for rest in seen.rests:
        found += _ask(account.AT_REST, "", seen, rest)
    for followed in seen.followed:
        found += _ask(following.PROMISES, "", seen, followed)
    found += _ask(account.OF_ALL, "", seen)
    return list(dict.fromkeys(found))


def _ask(promises: tuple[Callable[..., Iterator[str]], ...], first: str, *about: Any) -> list[Broken]:
    return [Broken(promise.__name__, f"{first}{text}") for promise in promises for text in promise(*about)]
