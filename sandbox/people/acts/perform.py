"""Do what an act of a story says."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.people.acts import records, roles, services
from sandbox.people.place import Place
from sandbox.people.story import Act

ACTS: dict[str, Callable[..., None]] = {
    act.__name__: act for module in (roles, services, records) for act in module.ACTS
}


def perform(place: Place, act: Act) -> str:
    """Do it. What AWS refuses (there is no such role any more) is not done; its words, if so."""
    try:
        ACTS[act.name](place, *act.given)
    except (ClientError, BotoCoreError, LookupError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
