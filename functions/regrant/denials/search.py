"""What the service itself shows: lines with a term, from every container that logs, and its queues."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import NamedTuple

from msgspec.structs import replace

from regrant.errors import AwsRefused
from regrant.model.aws import LogLine, LogLines, LogRoute
from regrant.model.catalogue import HealthPolicy, Service
from regrant.model.run import Depths
from regrant.parallel import both, each
from regrant.ports import Logs, Queues, Services

# botocore, the Java, JavaScript and Go SDKs all pass on AWS's own sentence, which has these words; so has
# EC2's, "You are not authorized to perform this operation".
DENIAL_TERM = "not authorized to perform"
# The reason for a denial stands at the end of its sentence, after four names of up to 140 characters or so.
SENTENCE = 800


def tasks_of(services: Services, service: Service) -> Callable[[], tuple[str, ...]]:
    """Ids of the tasks that run or have stopped in the last hour, read once, when first asked for."""
    one_asks = Lock()

    @cache
    def known() -> tuple[str, ...]:
        running, stopped = both(
            lambda: services.task_ids(service, None), lambda: services.stopped_task_ids(service)
        )
        return (*running, *stopped)

    def ids() -> tuple[str, ...]:
        with one_asks:
            return known()

    return ids


def read_lines(
    logs: Logs, routes: tuple[LogRoute, ...], tasks: tuple[str, ...], term: str, since: str, until: str
) -> LogLines:
    """Lines of those tasks with the term in (since, until], oldest first; a sidecar's count like the main
    container's."""
    if not tasks:
        return LogLines(())
    among = len(routes)
    return joined(*each(lambda route: logs.search_tasks(route, tasks, term, since, until, among), routes))


class Found(NamedTuple):
    """What a search found, the routes that could be read, and the others with AWS's code for why not.

    others: the lines that are of no task of the service (see of_its_tasks).
    """

    log: LogLines
    routes: tuple[LogRoute, ...]
    unread: tuple[tuple[LogRoute, str], ...]
    others: tuple[LogLine, ...] = ()


def find_lines(
    logs: Logs,
    routes: tuple[LogRoute, ...],
    tasks: Callable[[], tuple[str, ...]],
    term: str,
    since: str,
    until: str,
) -> Found:
    """As read_lines, of every stream unless old ones are in the way; without the routes whose log group does
    not exist or may not be read."""

    def search(route: LogRoute) -> LogLines | str:
        try:
            lines = logs.search(route, term, since, until, tasks, len(routes))
        except AwsRefused as refused:
            if refused.code != "AccessDeniedException":
                raise
            return refused.code
        return lines if lines.exists else "ResourceNotFoundException"

    found = list(zip(routes, each(search, routes), strict=True))
    return Found(
        joined(*(lines for _, lines in found if isinstance(lines, LogLines))),
        tuple(route for route, lines in found if isinstance(lines, LogLines)),
        tuple((route, lines) for route, lines in found if isinstance(lines, str)),
    )


def of_its_tasks(found: Found, services: Services, service: Service) -> Found:
    """What was found, with only the lines of the service's tasks, each in the stream that awslogs gives it.

    A group's streams are made by whoever may write to it, under any name, and services may share a group. ECS
    says whose a task is, for about an hour after it stopped; it is asked only if there are lines, and after
    the search, so that no task that has logged is too young to be known. Raises AwsUnavailable, AwsRefused.
    """
    lines, prefixes = found.log.lines, {route.stream_prefix for route in found.routes}
    named = frozenset(line.task for line in lines if line.stream.rpartition("/")[0] in prefixes)
    tasks = services.own_tasks(service, named) if named else named
    streams = {f"{prefix}/{task}" for prefix in prefixes for task in tasks}
    others = tuple(line for line in lines if line.stream not in streams)
    if not others:
        return found
    own = tuple(line for line in lines if line.stream in streams)
    return found._replace(log=replace(found.log, lines=own), others=others)


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
