"""CloudWatch Logs: filter patterns, pages, and metric filters that make datapoints as events arrive.

Stands for: the API action FilterLogEvents (pages that may be empty although a nextToken follows; events in
order of time across streams; `searchedLogStreams` always empty) and Creating metrics from log events using
filters (a filter sees only events that arrive after it was made; defaultValue counts in minutes that took in
events without a match).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import CloudWatchBackend, MetricDatum, cloudwatch_backends
from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.models import LogEvent, LogsBackend, LogStream, logs_backends
from moto.logs.responses import LogsResponse

from sandbox.logpattern import InvalidPattern, Pattern, UnsupportedPattern, parse

if TYPE_CHECKING:
    from sandbox.account import LocalAccount

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
    """`empty_pages`: how many empty pages with a nextToken FilterLogEvents sends before a full one.

    `lag`: seconds after an event's own time until FilterLogEvents shows it. AWS: a few, as awslogs sends in
    batches (FilteredLogEvent has a timestamp of the producer's and an ingestionTime of the service's).
    """

    def __init__(self, account: LocalAccount) -> None:
        self.account = account
        self.empty_pages = 0
        self.lag: float = 0

    @property
    def metrics(self) -> CloudWatchBackend:
        backend: CloudWatchBackend = cloudwatch_backends[self.account.account_id][self.account.region]
        return backend

    @property
    def backend(self) -> LogsBackend:
        backend: LogsBackend = logs_backends[self.account.account_id][self.account.region]
        return backend

    def arrived(self, stream: LogStream, events: list[dict[str, Any]]) -> None:
        for metric_filter in self.backend.filters.get_matching_filters(log_group_name=stream.log_group.name):
            pattern = _parsed(metric_filter["filterPattern"])
            for event in events:
                for transformation in metric_filter["metricTransformations"]:
                    self._count(transformation, pattern.matches(event["message"]), event["timestamp"])

    def _count(self, transformation: dict[str, Any], matched: bool, timestamp: int) -> None:
        value = transformation["metricValue"] if matched else transformation.get("defaultValue")
        if value is None:
            return
        self.metrics.metric_data.append(
            MetricDatum(
                transformation["metricNamespace"],
                transformation["metricName"],
                float(value),
                [],
                datetime.fromtimestamp(timestamp / 1000, UTC).replace(tzinfo=None),  # as moto keeps them
                transformation.get("unit"),
            )
        )

    def filter(self, request: dict[str, Any]) -> dict[str, Any]:
        """FilterLogEvents."""
        names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
        if names and prefix:
            raise InvalidParameterException("logStreamNames and logStreamNamePrefix exclude each other.")
        group = self.backend.groups.get(_group_name(request))
        if group is None:
            raise ResourceNotFoundException
        limit = int(request.get("limit") or 10_000)
        if limit > 10_000:
            raise InvalidParameterException("limit: Member must have value less than or equal to 10000")
        pattern = _parsed(request.get("filterPattern") or "")
        first, empty = _position(request.get("nextToken"), self.empty_pages)
        if empty:
            return {"events": [], "nextToken": f"{EMPTY_PAGE}{empty - 1}@{first}", "searchedLogStreams": []}
        start, end = request.get("startTime") or 0, request.get("endTime")
        lag = round(self.lag * 1000)
        now = round(self.account.clock.now().timestamp() * 1000)
        found = [
            {**_shown(event, lag), "logStreamName": name}
            for name, stream in group.streams.items()
            if (not names or name in names) and name.startswith(prefix or "")
            for event in stream.events
            if event.timestamp >= start
            and event.timestamp + lag <= now
            and (end is None or event.timestamp <= end)
            and pattern.matches(event.message)
        ]
        found.sort(key=lambda event: (event["timestamp"], int(event["eventId"])))
        page: dict[str, Any] = {"events": found[first : first + limit], "searchedLogStreams": []}
        if first + limit < len(found):
            page["nextToken"] = f"{EMPTY_PAGE}0@{first + limit}"
        return page


def _shown(event: LogEvent, lag: int) -> dict[str, Any]:
    shown: dict[str, Any] = event.to_filter_dict()
    return shown | {"ingestionTime": max(event.ingestion_time, event.timestamp + lag)}


def _group_name(request: dict[str, Any]) -> str:
    """The identifier is a name or an ARN."""
    name: str = request.get("logGroupName") or request.get("logGroupIdentifier") or ""
    return name.partition(":log-group:")[2].removesuffix(":*") if name.startswith("arn:") else name


def _position(token: str | None, empty_pages: int) -> tuple[int, int]:
    """Index of the first event of the page, and how many empty pages come before it."""
    if token is None:
        return 0, empty_pages
    empty, _, first = token.removeprefix(EMPTY_PAGE).partition("@")
    if not token.startswith(EMPTY_PAGE) or not (empty.isdigit() and first.isdigit()):
        raise InvalidParameterException("The specified nextToken is invalid.")
    return int(first), int(empty)


def _parsed(text: str) -> Pattern:
    try:
        return parse(text)
    except InvalidPattern as error:
        raise InvalidParameterException("Invalid filter pattern") from error
    except UnsupportedPattern as error:
        raise InvalidParameterException(
            f"The local account does not evaluate this pattern: {error}"
        ) from error


def install(account: LocalAccount) -> Logs:
    """Put this behaviour into moto, for as long as the account is open."""
    logs = Logs(account)
    put_log_events, put_metric_filter = LogStream.put_log_events, LogsBackend.put_metric_filter

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

    account.patch(LogStream, "put_log_events", put)
    account.patch(LogsResponse, "filter_log_events", filter_events)
    account.patch(LogsBackend, "put_metric_filter", put_filter)
    return logs
