"""The audit: whether what events have started, once, is still so.

Every hour by a rule, which makes good what is not, and notifies the topic of trouble; and at any time by a
person, whose look changes nothing.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.audit.found import Audit, AuditEvent
from regrant.audit.grants import close_lost, end_late, judge_grants, look_at_grants
from regrant.audit.level import look_at_level, make_good
from regrant.audit.notify import notify_of_grants
from regrant.ports import Account


def audit_grants(event: AuditEvent, aws: Account) -> Audit:
    """Look; unless it is a dry run, start the expiries that are overdue, close the records that stand for
    nothing any more, start the runs that alarms and ended runs still wait for, and send pages that were not;
    and notify the topic: once of each, and again only when it has changed.

    What cannot be started is reported and tried again by the next audit. Raises AwsUnavailable, AwsRefused.
    """
    now = event.time
    looked = look_at_grants(aws, now)
    if event.dry_run:
        neglected = tuple(due.found for due in look_at_level(aws, now))
        return replace(judge_grants(looked, now), neglected=neglected)
    expiries = end_late(looked, aws, now)
    close_lost(looked, aws, now)
    audit = replace(judge_grants(looked, now), expiries=expiries)
    notify_of_grants(looked, audit, aws, now)
    # After the grants: what cannot be read here must not keep one from its end.
    return replace(audit, neglected=make_good(look_at_level(aws, now), aws, now))
