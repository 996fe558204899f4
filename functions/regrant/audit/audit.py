"""The audit: whether what events have started, once, is still so.

Every hour by a rule, which makes good what is not, and notifies the topic of trouble; and at any time by a
person, whose look changes nothing. These are two functions, so that who may look may not start anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from regrant.audit.found import Audit, AuditEvent, Expiry
from regrant.audit.grants import Look, close_lost, end_late, judge_grants, look_at_grants, unread
from regrant.audit.holders import read_left_open
from regrant.audit.level import look_at_level, make_good, notify_of_level
from regrant.audit.lists import look_at_lists
from regrant.audit.notify import notify_of_grants
from regrant.audit.start import forget_repaired
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.ports import Account


def audit_grants(event: AuditEvent, aws: Account) -> Audit:
    """Look; unless it is a dry run, start the expiries that are overdue, close the records that stand for
    nothing any more, start the runs that alarms and ended runs still wait for, and send pages that were not;
    and notify the topic: once of each, and again only when it has changed.

    All is done before anybody is notified, and whatever else fails: a topic that cannot be notified keeps
    nothing from its undo. What cannot be started is reported and tried again by the next audit. Raises the
    first AwsUnavailable or AwsRefused in the end, so that a failed audit is seen and tried again.
    """
    if event.dry_run:
        return list_grants(event, aws)
    now = event.time
    looked = look_at_grants(aws, now)
    failed, made = list[AwsRefused | AwsUnavailable](), unread(looked, now)
    # The grants first: what cannot be read of the rest must not keep one from its end.
    expiries = _end_late(looked, aws, now, failed)
    with _going_on(failed):
        close_lost(looked, aws, now)
    unreadable: list[AwsRefused] = []
    with _going_on(failed):
        made = (*made, *make_good(look_at_level(aws, now, unreadable), aws))
    failed += unreadable
    with _going_on(failed):
        made = (*made, *look_at_lists(looked, aws, now))
        forget_repaired(made, aws)
    audit = replace(judge_grants(looked, now), expiries=expiries, neglected=tuple(due.found for due in made))
    with _going_on(failed):
        notify_of_grants(looked, audit, aws, now)
    with _going_on(failed):
        notify_of_level(made, aws)
    if failed:
        raise failed[0]
    return audit


def _end_late(
    looked: tuple[Look, ...], aws: Account, now: str, failed: list[AwsRefused | AwsUnavailable]
) -> tuple[Expiry, ...]:
    """Start the expiries that can get their services: one of a service that is to be undone first would be
    refused, and notified, each hour."""
    if not aws.settings.expiry_window.has(now):
        return ()
    overdue = [grant for grant in judge_grants(looked, now).grants if grant.state == "overdue"]
    left = dict[str, str]()
    with _going_on(failed):
        left = read_left_open(aws, {grant.service for grant in overdue}, now)
    to_end = (replace(at, held=tuple(hold for hold in at.held if hold.service not in left)) for at in looked)
    waiting = {grant.incident: left[grant.service] for grant in overdue if grant.service in left}
    why = "Run {} ended without a report, and is to be undone first."
    waits = (Expiry(incident, "", why.format(run)) for incident, run in sorted(waiting.items()))
    return (*end_late(tuple(to_end), aws, now), *waits)


@contextmanager
def _going_on(failed: list[AwsRefused | AwsUnavailable]) -> Iterator[None]:
    """What AWS does not do here is put on the list, and the audit goes on."""
    try:
        yield
    except (AwsRefused, AwsUnavailable) as error:
        failed.append(error)


def list_grants(event: AuditEvent, aws: Account) -> Audit:
    """Only look. Raises AwsUnavailable, AwsRefused."""
    now = event.time
    looked = look_at_grants(aws, now)
    due = (*unread(looked, now), *look_at_level(aws, now), *look_at_lists(looked, aws, now))
    neglected = tuple(one.found for one in due)
    return replace(judge_grants(looked, now), neglected=neglected)
