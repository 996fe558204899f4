"""CloudWatch Logs: filter patterns, pages, and metric filters that make datapoints as events arrive.

Stands for: the API action FilterLogEvents (a page ends at 10,000 events or 1 MB, and may be empty although a
nextToken follows; events in order of time across streams; `searchedLogStreams` always empty; streams by name
or by prefix, not both, and by the names of existing ones only), the size that PutLogEvents takes, and
Creating metrics from log events using filters (a filter sees only events that arrive after it was made;
defaultValue counts in minutes that took in events without a match).

A search that does not name its streams goes through old ones, too, and answers with empty pages for them
(boto/boto3#2265, #4258; aws/aws-sdk-go#1967): here one for each stream without an event in the time asked
for. How many there are on AWS is documented nowhere.

A log may hold very many lines, so a search reads only from where its time or its token says, and stops at the
end of the page.
"""

from __future__ import annotations

import heapq
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeAlias

from moto.cloudwatch.models import CloudWatchBackend, MetricAggregatedDatum, cloudwatch_backends
from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.models import LogEvent, LogsBackend, LogStream, logs_backends
from moto.logs.responses import LogsResponse

from sandbox.aws.cloudwatch.filter_pattern import InvalidPattern, Pattern, UnsupportedPattern, parse
from sandbox.engine.core import Core

Position: TypeAlias = tuple[int, int]
"""An event's place in the order of a log group: its time in milliseconds, its id."""

STREAM_NAMES = 100
"""FilterLogEvents: the most names that `logStreamNames` takes."""
PAGE_EVENTS, PAGE_BYTES = 10_000, 1_048_576
"""FilterLogEvents: "as many log events as can fit in 1 MB (up to 10,000 log events)"."""
BATCH_BYTES, EVENT_OVERHEAD = 1_048_576, 26
"""PutLogEvents: the sum of the messages in UTF-8, and 26 bytes for each event."""
EMPTY_PAGE = "empty-page@"
REQUEST = (
    "logGroupName",
    "logGroupIdentifier",
    "logStreamNames",
    "logStreamNamePrefix",
    "filterPattern",
    "startTime",
    "endTime",
    "limit",
    "nextToken",
)


class Logs:
    """`empty_pages`: how many empty pages with a nextToken FilterLogEvents sends before a full one, besides
    those for old streams.

    `lag`: seconds after an event's own time until FilterLogEvents shows it and metric filters count it. AWS:
    a few, as awslogs sends in batches (FilteredLogEvent has a timestamp of the producer's and an
    ingestionTime of the service's).
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        self.empty_pages = 0
        self.lag: float = 0

    @property
    def metrics(self) -> CloudWatchBackend:
        backend: CloudWatchBackend = cloudwatch_backends[self.core.account_id][self.core.region]
        return backend

    @property
    def backend(self) -> LogsBackend:
        backend: LogsBackend = logs_backends[self.core.account_id][self.core.region]
        return backend

    def arrived(self, stream: LogStream, events: list[dict[str, Any]]) -> None:
        if any(a.timestamp > b.timestamp for a, b in pairwise(stream.events[-len(events) - 1 :])):
            stream.events.sort(key=lambda event: event.timestamp)
        if self.lag:
            self.core.clock.call_later(self.lag, lambda: self._counted(stream, events))
        else:
            self._counted(stream, events)

    def _counted(self, stream: LogStream, events: list[dict[str, Any]]) -> None:
        for metric_filter in self.backend.filters.get_matching_filters(log_group_name=stream.log_group.name):
            pattern = _parsed(metric_filter["filterPattern"])
            for transformation in metric_filter["metricTransformations"]:
                self._count(transformation, pattern, events)

    def _count(self, transformation: dict[str, Any], pattern: Pattern, events: list[dict[str, Any]]) -> None:
        """One datapoint a minute and value, however many events: that is all that CloudWatch keeps."""
        counts: Counter[tuple[int, float]] = Counter()
        for event in events:
            matched = pattern.matches(event["message"])
            value = transformation["metricValue"] if matched else transformation.get("defaultValue")
            if value is not None:
                counts[event["timestamp"] // 60_000 * 60, float(value)] += 1
        for (minute, value), count in counts.items():
            self.metrics.metric_data.append(
                MetricAggregatedDatum(
                    transformation["metricNamespace"],
                    transformation["metricName"],
                    value,
                    value,
                    count,
                    value * count,
                    [],
                    datetime.fromtimestamp(minute, UTC).replace(tzinfo=None),  # as moto keeps them
                    transformation.get("unit"),
                )
            )

    def filter(self, request: dict[str, Any]) -> dict[str, Any]:
        """FilterLogEvents."""
        names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
        if names and prefix:
            raise InvalidParameterException("logStreamNames and logStreamNamePrefix exclude each other.")
        if names and len(names) > STREAM_NAMES:
            raise InvalidParameterException(
                f"logStreamNames: Member must have length less than or equal to {STREAM_NAMES}"
            )
        group = self.backend.groups.get(_group_name(request))
        if group is None:
            raise ResourceNotFoundException
        if names and not {*names} <= group.streams.keys():
            # Seen with FilterLogEvents: percona/rds_exporter#81.
            raise ResourceNotFoundException("The specified log stream does not exist.")
        limit = int(request.get("limit") or PAGE_EVENTS)
        if limit > PAGE_EVENTS:
            raise InvalidParameterException("limit: Member must have value less than or equal to 10000")
        pattern = _parsed(request.get("filterPattern") or "")
        lag = round(self.lag * 1000)
        last = round(self.core.clock.now().timestamp() * 1000) - lag
        if request.get("endTime") is not None:
            last = min(last, request["endTime"])
        streams = [
            stream
            for name, stream in group.streams.items()
            if (not names or name in names) and name.startswith(prefix or "")
        ]
        begin = request.get("startTime") or 0
        old = 0 if names else sum(_is_silent(stream, begin, last) for stream in streams)
        first, empty = _position(request.get("nextToken"), self.empty_pages + old)
        if empty:
            return {"events": [], "nextToken": _token(first, empty - 1), "searchedLogStreams": []}
        page: dict[str, Any] = {"events": [], "searchedLogStreams": []}
        size = 0
        for position, event, name in _events(streams, max(first, (begin, 0)), last):
            if not pattern.matches(event.message):
                continue
            size += len(event.message.encode())
            if len(page["events"]) == limit or (page["events"] and size > PAGE_BYTES):
                page["nextToken"] = _token(position, 0)
                break
            page["events"].append({**_shown(event, lag), "logStreamName": name})
        return page


def _events(streams: list[LogStream], first: Position, last: int) -> Iterator[tuple[Position, LogEvent, str]]:
    """From a position to a time, in order across the streams."""

    def of(stream: LogStream) -> Iterator[tuple[Position, LogEvent, str]]:
        for index in range(bisect_left(stream.events, first, key=_place), len(stream.events)):
            event = stream.events[index]
            if event.timestamp > last:
                return
            yield _place(event), event, stream.log_stream_name

    return heapq.merge(*map(of, streams), key=lambda found: found[0])


def _is_silent(stream: LogStream, begin: int, last: int) -> bool:
    """Whether it has no event from `begin` to `last` (milliseconds)."""
    index = bisect_left(stream.events, (begin, 0), key=_place)
    return index == len(stream.events) or bool(stream.events[index].timestamp > last)


def _place(event: LogEvent) -> Position:
    return event.timestamp, event.event_id


def _shown(event: LogEvent, lag: int) -> dict[str, Any]:
    shown: dict[str, Any] = event.to_filter_dict()
    return shown | {"ingestionTime": max(event.ingestion_time, event.timestamp + lag)}


def _group_name(request: dict[str, Any]) -> str:
    """The identifier is a name or an ARN."""
    name: str = request.get("logGroupName") or request.get("logGroupIdentifier") or ""
    return name.partition(":log-group:")[2].removesuffix(":*") if name.startswith("arn:") else name


def _token(position: Position, empty: int) -> str:
    return f"{EMPTY_PAGE}{empty}@{position[0]}@{position[1]}"


def _position(token: str | None, empty_pages: int) -> tuple[Position, int]:
    """Where the page begins, and how many empty pages come before it."""
    if token is None:
        return (0, 0), empty_pages
    numbers = token.removeprefix(EMPTY_PAGE).split("@")
    if not token.startswith(EMPTY_PAGE) or len(numbers) != 3 or not all(n.isdigit() for n in numbers):
        raise InvalidParameterException("The specified nextToken is invalid.")
    empty, time, event = map(int, numbers)
    return (time, event), empty


def _parsed(text: str) -> Pattern:
    try:
        return parse(text)
    except InvalidPattern as error:
        raise InvalidParameterException("Invalid filter pattern") from error
    except UnsupportedPattern as error:
        raise InvalidParameterException(
            f"The local account does not evaluate this pattern: {error}"
        ) from error


def install(core: Core) -> Logs:
    """Put this behaviour into moto, for as long as the account is open."""
    logs = Logs(core)
    put_log_events, put_metric_filter = LogStream.put_log_events, LogsBackend.put_metric_filter
    put_batch = LogsResponse.put_log_events

    def put_within_limit(self: LogsResponse) -> str:
        events = self._get_param("logEvents")
        size = sum(len(event["message"].encode()) + EVENT_OVERHEAD for event in events)
        if size > BATCH_BYTES:
            raise InvalidParameterException(f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES}")
        return put_batch(self)

    def put(self: LogStream, log_events: list[dict[str, Any]]) -> str:
        token: str = put_log_events(self, log_events)
        logs.arrived(self, log_events)
        return token

    def filter_events(self: LogsResponse) -> str:
        return json.dumps(logs.filter({name: self._get_param(name) for name in REQUEST}))

    def put_filter(
        self: LogsBackend,
        filter_name: str,
        filter_pattern: str,
        log_group_name: str,
        metric_transformations: Any,
    ) -> None:
        _parsed(filter_pattern)
        self.filters.delete_filter(filter_name, log_group_name)  # a second put replaces the first
        put_metric_filter(self, filter_name, filter_pattern, log_group_name, metric_transformations)

    core.patch(LogStream, "put_log_events", put)
    core.patch(LogsResponse, "put_log_events", put_within_limit)
    core.patch(LogsResponse, "filter_log_events", filter_events)
    core.patch(LogsBackend, "put_metric_filter", put_filter)
    return logs
