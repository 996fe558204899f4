"""What the service itself shows: lines with a term, from every container that logs, and its queues."""

from __future__ import annotations

from regrant.model.aws import LogLines, LogRoute
from regrant.model.catalogue import HealthPolicy
from regrant.model.run import Depths
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


def visible(queues: Queues, queue: str | None) -> int | None:
    """Visible messages in the queue (ARN); None where the catalogue names none."""
    return queues.depth(queue).visible if queue else None


def read_depths(queues: Queues, health: HealthPolicy) -> Depths | str:
    """The service's queues as they are, or the one (ARN) that does not exist."""
    watched = tuple(queue for queue in (health.queue, health.dead_letter_queue) if queue)
    found = dict(zip(watched, each(queues.find, watched), strict=True))
    missing = next((queue for queue, depth in found.items() if depth is None), None)
    if missing:
        return missing
    queue, dead = found.get(health.queue or ""), found.get(health.dead_letter_queue or "")
    return Depths(
        backlog=queue.visible if queue else None,
        dead_letters=dead.visible if dead else None,
        seconds_to_dead_letter=queue.seconds_to_dead_letter if queue and dead else None,
    )
