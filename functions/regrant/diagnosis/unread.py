"""The logs that cannot be read, each by name, and whether that leaves none to prove anything with; and lines
that are not the service's."""

from __future__ import annotations

from regrant.denials.search import Found
from regrant.model.aws import LogRoute, TaskDefinition, name_of
from regrant.model.results import Refusal
from regrant.model.run import Finding

_SHOWN = 3
_UNSEEN = "What is denied there is not seen."


def elsewhere(definition: TaskDefinition) -> tuple[Finding, ...]:
    """The logs of another Region, where others are in this one."""
    if not definition.elsewhere:
        return ()
    text = f"Not read, because it is in another Region: {', '.join(definition.elsewhere)}. {_UNSEEN}"
    return (Finding("LOGS_ELSEWHERE", text),)


def unread(found: Found) -> tuple[Finding, ...]:
    """The logs that are left out: a sidecar's must not keep the service from its repair."""
    if not found.unread:
        return ()
    return (Finding("LOGS_UNREADABLE", f"Not read: {_each(found.unread)}. {_UNSEEN}"),)


def other_streams(found: Found) -> tuple[Finding, ...]:
    """The lines that did not count. The alarm counts them all the same."""
    if not found.others:
        return ()
    streams = tuple(dict.fromkeys(line.stream for line in found.others))
    lines = "line is" if len(found.others) == 1 else "lines are"
    text = f"Not counted: {len(found.others)} {lines} in streams of no task of the service."
    return (Finding("OTHER_STREAMS", text, streams[:_SHOWN]),)


def no_log(revision: str, found: Found) -> Refusal | None:
    """Why nothing can be proved, if no log of the revision (ARN) can be read."""
    if found.routes or not found.unread:
        return None
    return Refusal(
        "LOGS_UNREADABLE",
        f"No log of {name_of(revision)} can be read: {_each(found.unread)}.",
        "Create the log group if there is none. If it may not be read, let the stack's owner add the"
        " start of its name to LogGroupPrefix. Then start again.",
    )


def _each(routes: tuple[tuple[LogRoute, str], ...]) -> str:
    return ", ".join(f"{route.group} of {name_of(route.stream_prefix)} ({code})" for route, code in routes)
