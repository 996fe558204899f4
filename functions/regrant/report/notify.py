"""Notify the topic of a report. Whoever subscribed reads it as a mail."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.run import Finding, Report
from regrant.ports import Topic
from regrant.report.render import render


def notify(report: Report, topic: Topic) -> Report:
    """The report, with a finding if the topic could not be notified: that does not undo a good fix."""
    try:
        send(report, topic)
    except (AwsRefused, AwsUnavailable) as error:
        return not_notified(report, error)
    return report


def send(report: Report, topic: Topic) -> None:
    """Raises AwsUnavailable, AwsRefused."""
    topic.publish(f"{report.outcome} {report.service or ''}".strip(), render(report))


def not_notified(report: Report, error: AwsRefused | AwsUnavailable) -> Report:
    missed = Finding("NOT_NOTIFIED", f"The topic could not be notified: {error}")
    return replace(report, findings=(*report.findings, missed))
