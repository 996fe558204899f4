"""Notify the topic of a report. Whoever subscribed reads it as a mail."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.iam.quarantine import COMPROMISED_KEY
from regrant.model.run import Finding, Report
from regrant.ports import Topic
from regrant.report.render import render, wrap, wrap_log


def notify(report: Report, topic: Topic) -> Report:
    """The report, with a finding if the topic could not be notified: that does not undo a good fix."""
    try:
        send(report, topic)
    except (AwsRefused, AwsUnavailable) as error:
        return not_notified(report, error)
    return report


def send(report: Report, topic: Topic) -> None:
    """The report; before it, if a key has leaked, that in a notification of its own.

    Raises AwsUnavailable, AwsRefused.
    """
    leaked = next((finding for finding in report.findings if finding.code == COMPROMISED_KEY), None)
    if leaked:
        topic.publish(f"{COMPROMISED_KEY} {report.service or ''}".strip(), _of_leaked_key(report, leaked))
    topic.publish(f"{report.outcome} {report.service or ''}".strip(), render(report))


def _of_leaked_key(report: Report, leaked: Finding) -> str:
    evidence = (line for text in leaked.evidence[:1] for line in wrap_log(text, "  ", "  "))
    lines = (
        *wrap(leaked.text),
        *evidence,
        "",
        *wrap(report.next),
        "",
        *wrap(report.incident, f"{report.service or '(no service)'}, incident "),
    )
    return "\n".join(lines)


def not_notified(report: Report, error: AwsRefused | AwsUnavailable) -> Report:
    missed = Finding("NOT_NOTIFIED", f"The topic could not be notified: {error}")
    return replace(report, findings=(*report.findings, missed))
