"""CloudWatch Logs, read within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.model.aws import LogLine, LogLines, LogRoute

# A page holds up to 1 MB or 10,000 events and may be empty with more to come, so all of these are bounded.
_PAGES = 20
_PAGES_WITH_EMPTY_ONES = 60
_CHARACTERS = 4_000_000
# As many stream names as FilterLogEvents takes (API reference).
_NAMES = 100
# Refused calls of one search by names: enough for two names in a hundred that do not exist.
_REFUSED = 15
_NOT_FOUND = "ResourceNotFoundException"


class CloudWatchLogs:
    """Implements ports.Logs.

    A search by prefix goes through the streams of all tasks that there ever were, with an empty page for
    much of what is old (boto/boto3#2265, #4258; aws/aws-sdk-go#1967); one by streams' names does not. So the
    names are asked for where they are known, or as soon as a page was empty.

    Of many tasks that have not logged anything (no image, no capacity) the names would cost two calls each,
    of the few a second that the account has. So after fifteen refused ones it is the prefix again, once.

    Pages are read until there are twenty with lines, sixty in all, or four million characters; `complete`
    says whether there were more. All raise AwsUnavailable, AwsRefused.
    """

    def __init__(self, logs: Any) -> None:
        self._logs = logs

    def search(
        self, route: LogRoute, term: str, since: str, until: str, tasks: Callable[[], tuple[str, ...]]
    ) -> LogLines:
        """FilterLogEvents: the lines of the route's streams, none for a group that nobody wrote to.

        `tasks` is called where old streams are in the way: then those tasks' are enough. Where it knows none
        the search goes on through all.
        """
        asked, read = False, _Reading()
        query = _query(route, term, since, until) | {"logStreamNamePrefix": f"{route.stream_prefix}/"}
        try:
            for page in self._pages(query):
                more = "nextToken" in page
                read.add(page, more)
                if more and not page["events"] and not asked:
                    asked, known = True, tasks()
                    if known:
                        found = self.search_tasks(route, known, term, since, until)
                        return read.lines(without=known, and_also=found)
                if read.full:
                    break
        except AwsRefused as refused:
            # No task has logged anything yet.
            if refused.code == _NOT_FOUND:
                return LogLines((), exists=False)
            raise
        return read.lines()

    def search_tasks(
        self, route: LogRoute, tasks: tuple[str, ...], term: str, since: str, until: str
    ) -> LogLines:
        """FilterLogEvents: the lines of those tasks' streams; of a task that has none yet there are none.

        One name that does not exist has the whole call refused, "The specified log stream does not exist."
        (percona/rds_exporter#81), and it is not said which; so each half is asked for on its own.
        """
        query, read, refused = _query(route, term, since, until), _Reading(), 0
        known = tuple(dict.fromkeys(tasks))
        left = [known[first : first + _NAMES] for first in range(0, len(known), _NAMES)]
        while left:
            batch = left.pop(0)
            names = [f"{route.stream_prefix}/{task}" for task in batch]
            try:
                for page in self._pages(query | {"logStreamNames": names}):
                    read.add(page, bool(left) or "nextToken" in page)
                    if read.full:
                        return read.lines()
            except AwsRefused as error:
                if error.code != _NOT_FOUND:
                    raise
                if "log group" in str(error):
                    return LogLines((), exists=False)
                refused += 1
                if refused > _REFUSED:
                    rest = frozenset((*batch, *(task for each in left for task in each)))
                    every = self.search(route, term, since, until, tuple)
                    lines = tuple(line for line in every.lines if line.task in rest)
                    return read.lines(and_also=replace(every, lines=lines))
                half = (len(batch) + 1) // 2
                left[:0] = [batch[:half], batch[half:]] if len(batch) > 1 else []
        read.more = False
        return read.lines()

    def _pages(self, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        pages = iter(self._logs.get_paginator("filter_log_events").paginate(**query))
        while True:
            with aws_errors():
                page = next(pages, None)
            if page is None:
                return
            yield page


class _Reading:
    """The pages of one search; `more` says whether more follows."""

    def __init__(self) -> None:
        self.more = False
        self._events: list[dict[str, Any]] = []
        self._pages = self._filled = self._characters = 0

    def add(self, page: dict[str, Any], more: bool) -> None:
        self.more = more
        self._events += page["events"]
        self._pages += 1
        self._filled += bool(page["events"])
        self._characters += sum(len(event["message"]) for event in page["events"])

    @property
    def full(self) -> bool:
        return (
            self._characters >= _CHARACTERS or self._filled >= _PAGES or self._pages >= _PAGES_WITH_EMPTY_ONES
        )

    def lines(self, without: tuple[str, ...] = (), and_also: LogLines | None = None) -> LogLines:
        """What was read, oldest first. and_also: what else was found, of the tasks to leave out here."""
        events = sorted(self._events, key=lambda event: event["timestamp"])
        lines = tuple(line for line in map(_line, events) if line.task not in without)
        if and_also is None:
            return LogLines(lines, complete=not self.more)
        both = sorted((*lines, *and_also.lines), key=lambda line: line.at)
        return LogLines(tuple(both), complete=and_also.complete)


def _query(route: LogRoute, term: str, since: str, until: str) -> dict[str, Any]:
    return {
        "logGroupName": route.group,
        "filterPattern": f'"{term}"',
        # Both ends are inclusive (API reference, FilterLogEvents); windows side by side share no line.
        "startTime": _milliseconds(since) + 1,
        "endTime": _milliseconds(until),
    }


def _line(event: dict[str, Any]) -> LogLine:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, tz=UTC)
    return LogLine(
        at=at.isoformat(timespec="milliseconds"), stream=event["logStreamName"], message=event["message"]
    )


def _milliseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)
