"""The alarms of enrolled services in CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.clock import iso
from regrant.model.aws import FiringAlarm


class CloudWatchAlarms:
    """Implements ports.Alarms."""

    def __init__(self, cloudwatch: Any, events: Any) -> None:
        self._cloudwatch = cloudwatch
        self._events = events

    def firing(self, prefix: str) -> tuple[FiringAlarm, ...]:
        """DescribeAlarms: 100 alarms a call. Without AlarmTypes it would have metric alarms only (API
        reference). It says of a composite alarm that its actions are suppressed, and of no
        alarm that it is muted: its event says that (regrant.opening.muted).

        Raises AwsUnavailable, AwsRefused (denied).
        """
        with aws_errors():
            pages = self._cloudwatch.get_paginator("describe_alarms").paginate(
                AlarmNamePrefix=prefix,
                StateValue="ALARM",
                AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            )
            shapes = [
                (shape, kind == "CompositeAlarms")
                for page in pages
                for kind in ("MetricAlarms", "CompositeAlarms")
                for shape in page.get(kind, ())
            ]
        return tuple(_alarm(shape, composite) for shape, composite in shapes)

    def start_runs(self, rule: str) -> bool:
        """DescribeRule. Raises AwsUnavailable, AwsRefused (denied, no such rule)."""
        with aws_errors():
            return bool(self._events.describe_rule(Name=rule)["State"] != "DISABLED")


def _alarm(shape: Mapping[str, Any], composite: bool) -> FiringAlarm:
    # An update without a change of state moves the other time only.
    since = shape.get("StateTransitionedTimestamp") or shape["StateUpdatedTimestamp"]
    return FiringAlarm(
        name=shape["AlarmName"],
        since=iso(since),
        suppressed_by=shape.get("ActionsSuppressedBy"),
        composite=composite,
    )
