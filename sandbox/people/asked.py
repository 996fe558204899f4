"""The story that somebody asks for by name or as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sandbox.people.acts.perform import ACTS
from sandbox.people.found import FOUND
from sandbox.people.place import SERVICES
from sandbox.people.story import Act, Run, Step, Story, read


class NoSuchStory(Exception):
    """Why there is nothing to play, in one line."""


def asked_for(text: str) -> Story:
    """Raises NoSuchStory."""
    if not text.lstrip().startswith(("[", "{")):
        if text not in FOUND:
            raise NoSuchStory(f"no story is called {text!r}. There are: {', '.join(FOUND)}")
        return FOUND[text].story
    try:
        story = read(text)
    except msgspec.MsgspecError as error:
        raise NoSuchStory(f"that is no story: {error}") from error
    for step in story:
        for act in _acts(step):
            if act.name not in ACTS:
                raise NoSuchStory(f"there is no act {act.name!r}. There are: {', '.join(sorted(ACTS))}")
        if isinstance(step, Run) and step.service not in SERVICES:
            raise NoSuchStory(f"there is no service {step.service!r}. There are: {', '.join(SERVICES)}")
    return story


def _acts(step: Step) -> Iterator[Act]:
    if isinstance(step, Act):
        yield step
    elif isinstance(step, Run):
        yield from (moment.act for moment in step.moments)
