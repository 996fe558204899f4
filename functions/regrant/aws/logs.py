"""CloudWatch Logs, read within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.model.aws import LogLine, LogLines, LogRoute, name_of

# A page holds up to 1 MB or 10,000 events and may be empty with more to come, so all of these are bounded.
_PAGES = 20
_PAGES_WITH_EMPTY_ONES = 60
_CHARACTERS = 4_000_000
# Lines are short where there are many: what they take in memory goes by their number (measured in
# tests/aws/test_log_memory.py).
_LINES = 20_000
# Events of a page, if none are asked for (API reference, FilterLogEvents: limit).
_PAGE = 10_000
# As many stream names as FilterLogEvents takes (API reference).
_NAMES = 100
# Refused calls of one search by names: enough for two names in a hundred that do not exist.
_REFUSED = 15
_NOT_FOUND = "ResourceNotFoundException"


class CloudWatchLogs:
    """Implements ports.Logs.

    A search by prefix goes through the streams of all tasks that there ever were, with an empty page for
    much of what is old (boto/boto3#2265, #4258; aws/aws-sdk-go#1967), and through those that somebody else
    fills; one by streams' names does not. So the names are asked for where they are known, or as soon as a
    page that is not the last was empty or had lines of others.

    Of many tasks that have not logged anything (no image, no capacity) the names would cost two calls each,
    of the few a second that the account has. So after fifteen refused ones it is the prefix again, once.

    Pages are read until there are twenty with lines, sixty in all, twenty thousand lines, or four million
    characters; several routes that are read at the same time share the last two. `complete` says whether
    there were more. All raise AwsUnavailable, AwsRefused.
    """

    def __init__(self, logs: Any) -> None:
        self._logs = logs

    def search(
        self,
        route: LogRoute,
        term: str,
        since: str,
        until: str,
        tasks: Callable[[], tuple[str, ...]],
        among: int = 1,
    ) -> LogLines:
        """FilterLogEvents: the lines of the route's streams, none for a group that nobody wrote to.

        `tasks` is called where streams of others are in the way: then those tasks' are enough. Where it knows
        none the search goes on through all.
        """
        read = _Reading(among)
        query = read.query(route, term, since, until) | {"logStreamNamePrefix": f"{route.stream_prefix}/"}
        try:
            for page in self._pages(query):
                more = "nextToken" in page
                read.add(page, more)
                if more and (known := tasks()) and read.is_of_others(page, known):
                    found = self.search_tasks(route, known, term, since, until, among)
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
        self,
        route: LogRoute,
        tasks: tuple[str, ...],
        term: str,
        since: str,
        until: str,
        among: int = 1,
    ) -> LogLines:
        """FilterLogEvents: the lines of those tasks' streams; of a task that has none yet there are none.

        One name that does not exist has the whole call refused, "The specified log stream does not exist."
        (percona/rds_exporter#81), and it is not said which; so each half is asked for on its own.
        """
        read, refused = _Reading(among), 0
        query = read.query(route, term, since, until)
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
                    every = self.search(route, term, since, until, tuple, among)
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
    """The pages of one search of `among` at the same time; `more` says whether more follows."""

    def __init__(self, among: int) -> None:
        self.more = False
        self._most_lines, self._most_characters = max(_LINES // among, 1), _CHARACTERS // among
        self._lines = list[LogLine]()
        self._streams = dict[str, str]()  # each name once
        self._pages = self._filled = self._characters = 0

    def query(self, route: LogRoute, term: str, since: str, until: str) -> dict[str, Any]:
        query = {
            "logGroupName": route.group,
            "filterPattern": f'"{term}"',
            # Both ends are inclusive (API reference, FilterLogEvents); windows side by side share no line.
            "startTime": _milliseconds(since) + 1,
            "endTime": _milliseconds(until),
        }
        return query if self._most_lines >= _PAGE else query | {"limit": self._most_lines}

    def add(self, page: dict[str, Any], more: bool) -> None:
        self.more = more
        for event in page["events"]:
            stream = self._streams.setdefault(event["logStreamName"], event["logStreamName"])
            self._lines.append(_line(event, stream))
            self._characters += len(event["message"])
        self._pages += 1
        self._filled += bool(page["events"])

    def is_of_others(self, page: dict[str, Any], tasks: tuple[str, ...]) -> bool:
        """Old streams are in the way, which give empty pages, or full ones."""
        return not page["events"] or not self.tasks <= {*tasks}

    @property
    def tasks(self) -> set[str]:
        return set(map(name_of, self._streams))

    @property
    def full(self) -> bool:
        return (
            len(self._lines) >= self._most_lines
            or self._characters >= self._most_characters
            or self._filled >= _PAGES
            or self._pages >= _PAGES_WITH_EMPTY_ONES
        )

    def lines(self, without: tuple[str, ...] = (), and_also: LogLines | None = None) -> LogLines:
        """What was read, oldest first. and_also: what else was found, of the tasks to leave out here."""
        left_out, also = {*without}, and_also.lines if and_also else ()
        read = (line for line in self._lines if line.task not in left_out)
        lines = tuple(sorted((*read, *also), key=lambda line: line.at))
        return LogLines(lines, complete=and_also.complete if and_also else not self.more)


def _line(event: dict[str, Any], stream: str) -> LogLine:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, tz=UTC)
    return LogLine(at=at.isoformat(timespec="milliseconds"), stream=stream, message=event["message"])


def _milliseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)
