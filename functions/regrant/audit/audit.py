"""The audit: whether what events have started, once, is still so.

Every hour by a rule, which makes good what is not, and notifies the topic of trouble; and at any time by a
person, whose look changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from regrant.audit.found import Audit, AuditEvent
from regrant.audit.grants import close_lost, end_late, judge_grants, look_at_grants
from regrant.audit.level import look_at_level, make_good, notify_of_level
from regrant.audit.notify import notify_of_grants
from regrant.audit.start import Due
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
    now = event.time
    looked = look_at_grants(aws, now)
    if event.dry_run:
        neglected = tuple(due.found for due in look_at_level(aws, now))
        return replace(judge_grants(looked, now), neglected=neglected)
    failed, made = list[AwsRefused | AwsUnavailable](), tuple[Due, ...]()
    # The grants first: what cannot be read of the rest must not keep one from its end.
    expiries = end_late(looked, aws, now)
    with _going_on(failed):
        close_lost(looked, aws, now)
    with _going_on(failed):
        made = make_good(look_at_level(aws, now), aws)
    audit = replace(judge_grants(looked, now), expiries=expiries, neglected=tuple(due.found for due in made))
    with _going_on(failed):
        notify_of_grants(looked, audit, aws, now)
    with _going_on(failed):
        notify_of_level(made, aws)
    if failed:
        raise failed[0]
    return audit


@contextmanager
def _going_on(failed: list[AwsRefused | AwsUnavailable]) -> Iterator[None]:
    """What AWS does not do here is put on the list, and the audit goes on."""
    try:
        yield
    except (AwsRefused, AwsUnavailable) as error:
        failed.append(error)
