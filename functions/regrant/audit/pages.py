"""Undos that did not finish, of which nobody was paged: the topic could not be notified then."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.audit.found import Neglected
from regrant.audit.start import Due, notice_of, subject_of
from regrant.clock import seconds_between
from regrant.leases import ACTIVE
from regrant.model.catalogue import Service
from regrant.model.run import Finding, Report
from regrant.ports import Account


def page_to_send(service: Service, aws: Account, now: str) -> Due | None:
    """The page of the service's last changing run, if that was not sent and none was since. Reads only.

    Not while the run itself may be about to try again: it records that it could not, and then does.
    A run that could not even record its report has left its lease: that is undone again, and pages.
    """
    last = aws.journal.last_outcome(service)
    if last is None or last.outcome != "ROLLBACK_INCOMPLETE":
        return None
    if seconds_between(last.at, now) < ACTIVE:
        return None
    report = aws.journal.report(last.incident)
    if report is None or not _is_unsent(report):
        return None
    why = "What it left was not sent to the topic: the topic could not be notified."
    found = Neglected("undo without its page", str(service), last.incident, last.at, why)
    sent = aws.notices.last(subject_of(found)) == notice_of(found)
    return None if sent else Due(found, page=_late(report, last.at))


def _is_unsent(report: Report) -> bool:
    return any(finding.code == "NOT_NOTIFIED" for finding in report.findings)


def _late(report: Report, at: str) -> Report:
    kept = tuple(finding for finding in report.findings if finding.code != "NOT_NOTIFIED")
    text = f"This is of {at}. The topic could not be notified then; the audit has sent it."
    return replace(report, findings=(*kept, Finding("PAGED_LATE", text)))
