"""What the automatic runs of a service were refused for: notified once for each cause, then counted.

Alarms flap, and the audit starts again what may pass; whoever is on call has to hear of it once. A cause is
forgotten by no rule: after a day it is notified, and tried, again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.model.catalogue import CatalogueEntry
from regrant.model.journal import LastOutcome, Refusals, RefusedCause

DAY = 24 * 3600.0
ALARM_SUPPRESSED = "ALARM_SUPPRESSED"
"""The code of a run of which nobody is notified: somebody has said that this alarm is to do nothing."""
NOT_OPENED = "NOT_OPENED"
PASSING = frozenset(
    {
        "DEPLOYMENT_IN_FLIGHT",
        "DEPLOYMENT_REPLACED",
        "SERVICE_BUSY",
        "ROLE_BUSY",
        "ACCOUNT_MOVING",
        "OWN_TRIAL",
        "NOT_ASKED",
        NOT_OPENED,
        "AwsUnavailable",
        "AccountMoved",
        "AttachmentNotVisible",
        ALARM_SUPPRESSED,
    }
)
"""What ends without anybody's doing, so that the next audit tries again. All else stands until the catalogue
entry or the service has been changed, or a day is over. A new code stands.

After DEPLOYMENT_REPLACED the tasks in use may not have tried yet what the others were denied."""
_RUNTIMES = ("Lambda.", "States.", "Sandbox.", "Runtime.")
"""How Lambda's and Step Functions' own errors begin, as of a function that could not be called. They pass."""

# So that a log with ever other actions does not fill an item (400 KB), and that a try again is known.
_CAUSES, _RUNS = 20, 20
_ACTION = re.compile(r"\b[a-z][a-z0-9-]{1,40}:[A-Z][A-Za-z0-9]{1,80}\b")


def digest_of_cause(code: str, texts: Iterable[str]) -> str:
    """The SHA-256 of the refusal's code and the IAM actions in these texts. Times, counts and resources
    differ from one line of a log to the next, and are no other cause."""
    actions = sorted({action for text in texts for action in _ACTION.findall(text)})
    return sha256("\n".join((code, *actions)).encode()).hexdigest()


def digest_of_entry(entry: CatalogueEntry | None) -> str | None:
    """The SHA-256 of the entry as it is understood; None where there is none that can be used."""
    return sha256(msgspec.json.encode(entry)).hexdigest() if entry else None


def counted(before: Refusals, this: RefusedCause, run: str) -> tuple[Refusals, RefusedCause]:
    """The record with this run's refusal in it, and its cause there. A try again of the run counts once.

    `this` is the refusal as it would be recorded if it were new.
    """
    known = next((cause for cause in before.causes if cause.cause == this.cause), None)
    again = run in before.runs
    if known is None:
        now = this
    elif again:
        now = known
    else:
        now = replace(known, last=this.last, entry=this.entry, count=known.count + 1)
    others = tuple(cause for cause in before.causes if cause.cause != this.cause)
    runs = before.runs if again else (*before.runs, run)[-_RUNS:]
    return replace(before, causes=(*others, now)[-_CAUSES:], runs=runs), now


def is_due(cause: RefusedCause, last: LastOutcome | None, now: str) -> bool:
    """Whether to notify of it: it is new, a day old, or the service was changed since."""
    if cause.notified_at is None or seconds_between(cause.notified_at, now) >= DAY:
        return True
    return last is not None and seconds_between(cause.notified_at, last.at) > 0


def notified(record: Refusals, cause: RefusedCause, run: str, now: str) -> Refusals:
    """The record once the run has notified the topic of the cause."""
    sent = replace(cause, notified_at=now, notified_by=run)
    return replace(record, causes=tuple(sent if each == cause else each for each in record.causes))


def standing(
    record: Refusals, last: LastOutcome | None, entry: CatalogueEntry | None, now: str
) -> RefusedCause | None:
    """The refusal for which the audit starts no run: the last one, unless it passes, the entry or the service
    was changed since, or it is a day old."""
    if not record.causes:
        return None
    newest = max(record.causes, key=lambda cause: cause.last)
    over = _passes(newest.code) or newest.entry != digest_of_entry(entry)
    changed = last is not None and seconds_between(newest.last, last.at) > 0
    return None if over or changed or seconds_between(newest.last, now) >= DAY else newest


def _passes(code: str) -> bool:
    return code in PASSING or code.startswith(_RUNTIMES)
