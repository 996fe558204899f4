"""What the service itself shows: lines with a term, from every container that logs, and its queues."""

from __future__ import annotations

from regrant.model.aws import LogLines
from regrant.model.run import LogRoute
from regrant.parallel import each
from regrant.ports import Logs, Queues

# botocore, the Java, JavaScript and Go SDKs all pass on AWS's own sentence, which has these words; so has
# EC2's, "You are not authorized to perform this operation".
DENIAL_TERM = "not authorized to perform"
# The reason for a denial stands at the end of its sentence, after four names of up to 140 characters or so.
SENTENCE = 800


def read_lines(logs: Logs, routes: tuple[LogRoute, ...], term: str, since: str, until: str) -> LogLines:
    """Lines with the term in (since, until], oldest first; a sidecar's count like the main container's."""
    found = each(lambda route: logs.search(route, term, since, until), routes)
    return joined(*found)


def joined(*parts: LogLines) -> LogLines:
    """Parts that share no line, as one."""
    lines = sorted((line for part in parts for line in part.lines), key=lambda line: line.at)
    return LogLines(tuple(lines), complete=all(part.complete for part in parts))


def waiting(queues: Queues, queue: str | None) -> int | None:
    """Messages that wait in the queue; None where the catalogue names none."""
    return queues.depth(queue).waiting if queue else None
