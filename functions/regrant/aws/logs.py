"""CloudWatch Logs, read within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.model.aws import LogLine, LogLines, LogRoute

# A page holds up to 1 MB or 10,000 events and may be empty with more to come, so all of these are bounded.
_PAGES = 20
_PAGES_WITH_EMPTY_ONES = 60
_CHARACTERS = 4_000_000


class CloudWatchLogs:
    """Implements ports.Logs."""

    def __init__(self, logs: Any) -> None:
        self._logs = logs

    def search(self, route: LogRoute, term: str, since: str, until: str) -> LogLines:
        """FilterLogEvents: the lines of the group's streams, none for a group that nobody wrote to.

        Pages are read until there are twenty with lines, sixty in all, or four million characters; `complete`
        says whether there were more. Raises AwsUnavailable, AwsRefused.
        """
        query = {
            "logGroupName": route.group,
            "logStreamNamePrefix": f"{route.stream_prefix}/",
            "filterPattern": f'"{term}"',
            # Both ends are inclusive (API reference, FilterLogEvents); windows side by side share no line.
            "startTime": _milliseconds(since) + 1,
            "endTime": _milliseconds(until),
        }
        try:
            with aws_errors():
                paginator = self._logs.get_paginator("filter_log_events")
                pages = list(_bounded(paginator.paginate(**query)))
        except AwsRefused as refused:
            # No task has logged anything yet.
            if refused.code == "ResourceNotFoundException":
                return LogLines((), exists=False)
            raise
        events = sorted((e for page in pages for e in page["events"]), key=lambda event: event["timestamp"])
        return LogLines(tuple(map(_line, events)), complete="nextToken" not in pages[-1])


def _bounded(pages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    read = filled = 0
    for page in islice(pages, _PAGES_WITH_EMPTY_ONES):
        yield page
        read += sum(len(event["message"]) for event in page["events"])
        filled += bool(page["events"])
        if read >= _CHARACTERS or filled >= _PAGES:
            return


def _line(event: dict[str, Any]) -> LogLine:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, tz=UTC)
    return LogLine(
        at=at.isoformat(timespec="milliseconds"), stream=event["logStreamName"], message=event["message"]
    )


def _milliseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)
