"""Promises about `next`: whoever does literally what it says is neither refused nor breaks the service."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.people.facts import Followed, Seen

_NOT_YET = {"SERVICE_BUSY", "DEPLOYMENT_IN_FLIGHT"}
"""Refusals that say to wait."""


def next_is_not_refused(seen: Seen, followed: Followed) -> Iterator[str]:
    """README: `next` says what to do, with the input or the commands to copy."""
    yield from followed.refused
    for name in followed.started:
        run = seen.run(name)
        if run and not followed.moved and run.outcome in ("REFUSED", "") and not _NOT_YET & {*run.codes}:
            yield f"{followed.text[:160]!r}: {run.given} ended {run.outcome} {run.codes}"


def next_breaks_nothing(seen: Seen, followed: Followed) -> Iterator[str]:
    """A service that worked before works some minutes after."""
    for name, before in followed.before.items():
        after = followed.after.get(name)
        if before.works and not followed.moved and (after is None or (after.running and not after.works)):
            yield f"{followed.text[:160]!r}: {name} worked, and does not any more: {after}"


PROMISES = (next_is_not_refused, next_breaks_nothing)
