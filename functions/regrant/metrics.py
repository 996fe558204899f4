"""Outcomes and durations as CloudWatch metrics (Powertools, embedded metric format)."""

from __future__ import annotations

from functools import wraps
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from regrant.step import Handler

metrics = Metrics()


def count_outcome(handler: Handler) -> Handler:
    """The handler of a report, with one count of its outcome and how many seconds the run took.

    A try that fails counts as nothing: the next one has the report.
    """

    @wraps(handler)
    def counted(event: dict[str, Any], context: Any) -> Any:
        report = handler(event, context)
        metrics.add_dimension(name="outcome", value=report["outcome"])
        metrics.add_metric(name="Runs", unit=MetricUnit.Count, value=1)
        metrics.add_metric(
            name="RunSeconds", unit=MetricUnit.Seconds, value=report["timeline"][-1]["seconds"]
        )
        metrics.flush_metrics()
        return report

    return counted
