"""Promises about `next`: whoever does literally what it says is neither refused nor breaks the service."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.people.facts import PERSON, Followed, RunSeen, Seen, ServiceSeen
from sandbox.people.following import commands
from sandbox.people.promises.common import seconds

_FIRST = {
    *("SERVICE_BUSY", "DEPLOYMENT_IN_FLIGHT", "NOT_APPROVED", "NOT_ANSWERED"),
    *("MANAGED_BY_TERRAFORM", "REVISION_NOT_ACTIVE"),
}
"""Refusals that say what is to be waited for, or done, before."""
_FELT = 30
"""Seconds after which the tasks feel what somebody did."""


def _says_what_first(run: RunSeen) -> bool:
    """A declared role that is not fit can be made so, where the service does not run with it."""
    unfit = {"WRONG_TASK_ROLE", "NEW_ROLE_UNFIT"} <= {*run.codes}
    return unfit or bool(_FIRST & {*run.codes})


def _answers(text: str, run: RunSeen) -> bool:
    """A run that is advised for the case of a denial may find that it can do nothing, and say why."""
    return " If it is denied:" in text and "AwsRefused" not in run.codes and bool(run.outcome)


def next_is_not_refused(seen: Seen, followed: Followed) -> Iterator[str]:
    """README: `next` says what to do, with the input or the commands to copy."""
    yield from followed.refused
    for name in followed.started:
        run = seen.run(name)
        if not run or followed.moved or run.outcome not in ("REFUSED", ""):
            continue
        if not _says_what_first(run) and not _answers(followed.text, run):
            yield f"{followed.text[:160]!r}: {run.given} ended {run.outcome} {run.codes}"


def _is_felt(seen: Seen, followed: Followed, before: ServiceSeen) -> bool:
    """Whether the service has worked since the last person acted: else it was that person who broke it."""
    acts = [deed.at for deed in seen.deeds if deed.who == PERSON and deed.at <= followed.at]
    return not acts or (before.success or 0) + _FELT < seconds(acts[-1], followed.at)


def next_breaks_nothing(seen: Seen, followed: Followed) -> Iterator[str]:
    """A service that worked before works some minutes after."""
    if not commands(followed.text):
        return
    for name, before in followed.before.items():
        after = followed.after.get(name)
        broken = after is None or after.is_denied or (before.running and not after.running)
        if before.works and broken and not followed.moved and _is_felt(seen, followed, before):
            yield f"{followed.text[:160]!r}: {name} worked, and does not any more: {after}"


PROMISES = (next_is_not_refused, next_breaks_nothing)
