"""CloudWatch Logs, read within bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.models import LogRoute
from regrant.resources import LogLine, LogLines

# A page holds up to 1 MB or 10,000 events and may be empty with more to come, so pages are what is bounded.
_PAGES = 20


class CloudWatchLogs:
    """Implements ports.Logs."""

    def __init__(self, logs: Any) -> None:
        self._logs = logs

    def search(self, route: LogRoute, term: str, since: str, until: str) -> LogLines:
        """FilterLogEvents: the lines of the group's streams, none for a group that nobody wrote to.

        At most twenty pages; `complete` says whether there were more. Raises AwsUnavailable, AwsRefused.
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
                pages = list(islice(paginator.paginate(**query), _PAGES))
        except AwsRefused as refused:
            # No task has logged anything yet.
            if refused.code == "ResourceNotFoundException":
                return LogLines(())
            raise
        events = sorted((e for page in pages for e in page["events"]), key=lambda event: event["timestamp"])
        return LogLines(tuple(map(_line, events)), complete="nextToken" not in pages[-1])


def _line(event: dict[str, Any]) -> LogLine:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, tz=UTC)
    return LogLine(
        at=at.isoformat(timespec="milliseconds"), stream=event["logStreamName"], message=event["message"]
    )


def _milliseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)
