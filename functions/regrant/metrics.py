"""Outcomes and durations as CloudWatch metrics (Powertools, embedded metric format)."""

from __future__ import annotations

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from regrant.model.run import Report

metrics = Metrics()


def count_outcome(report: Report) -> None:
    """One count of the outcome, and how long the run took."""
    metrics.add_dimension(name="outcome", value=report.outcome)
    metrics.add_metric(name="Runs", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="RunSeconds", unit=MetricUnit.Seconds, value=report.timeline[-1].seconds)
