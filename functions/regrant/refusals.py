"""What the automatic runs of a service were refused for: notified once for each cause, then counted.

Alarms flap, and the audit starts again what may pass; whoever is on call has to hear of it once. A cause is a
code; it is news again if the run was refused over anything that nobody was notified of within a day, or if
none was refused so for a while: what comes back after a repair is another incident.
"""

from __future__ import annotations

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
        "GRANTED_SINCE",
        "NOT_ASKED",
        "RECENTLY_UNDONE",
        NOT_OPENED,
        "AwsUnavailable",
        "AccountMoved",
        "AttachmentNotVisible",
        ALARM_SUPPRESSED,
    }
)
"""What ends without anybody's doing, so that the next audit tries again; and so does whatever ended
NOTHING_TO_FIX: the alarm may be of something else by then. All else stands until the catalogue entry or the
service has been changed, or a day is over. A new code stands.

After DEPLOYMENT_REPLACED the tasks in use may not have tried yet what the others were denied; and beside what
was RECENTLY_UNDONE the service may lack something else by then."""
QUIET = 5400.0
"""Seconds without such a refusal after which it is another incident. The audit's own runs are an hour apart,
and each may have waited twenty minutes for a deployment."""
CLAIM = 300.0
"""Seconds for which a run may be about to notify the topic: its step may be tried again."""
_RUNTIMES = ("Lambda.", "States.", "Sandbox.", "Runtime.")
"""How Lambda's and Step Functions' own errors begin, as of a function that could not be called. They pass."""

# So that a log with ever other actions does not fill an item (400 KB), and that a try again is known. What
# comes after the fortieth in a day is no news.
_CAUSES, _RUNS, _KNOWN = 20, 20, 40


def digests_of(things: Iterable[str]) -> tuple[str, ...]:
    """Of each action, role and revision, in their order: what is compared of them, and short."""
    each = (sha256(thing.encode()).hexdigest()[:16] for thing in things if thing)
    return tuple(dict.fromkeys(each))[:_KNOWN]


def digest_of_entry(entry: CatalogueEntry | None) -> str | None:
    """The SHA-256 of the entry as it is understood; None where there is none that can be used."""
    return sha256(msgspec.json.encode(entry)).hexdigest() if entry else None


def counted(before: Refusals, this: RefusedCause, run: str) -> tuple[Refusals, RefusedCause]:
    """The record with this run's refusal in it, and its cause there. A try again of the run counts once.

    `this` is the refusal as it would be recorded if it were new.
    """
    known = next((cause for cause in before.causes if cause.code == this.code), None)
    again = run in before.runs
    if known is None:
        now = this
    elif again:
        now = known
    else:
        now = replace(
            this,
            first=known.first,
            before=known.last,
            count=known.count + 1,
            notified_at=known.notified_at,
            notified_by=known.notified_by,
            known=known.known,
            claimed_at=known.claimed_at,
            claimed_by=known.claimed_by,
            claimed=known.claimed,
        )
    others = tuple(cause for cause in before.causes if cause.code != this.code)
    runs = before.runs if again else (*before.runs, run)[-_RUNS:]
    return replace(before, causes=(*others, now)[-_CAUSES:], runs=runs), now


def is_due(cause: RefusedCause, last: LastOutcome | None, now: str) -> bool:
    """Whether to notify of it: it is new, a day old, or another incident, or the service was changed
    since."""
    if cause.notified_at is None or seconds_between(cause.notified_at, now) >= DAY:
        return True
    changed = last is not None and seconds_between(cause.notified_at, last.at) > 0
    return changed or _is_over_news(cause, now) or _came_back(cause)


def _is_over_news(cause: RefusedCause, now: str) -> bool:
    known = _within_a_day(cause, now)
    return len(known) < _KNOWN and any(thing not in known for thing in cause.about)


def _came_back(cause: RefusedCause) -> bool:
    """The last run is the first for a while to be refused so, and nobody was notified of it yet."""
    if cause.before is None or cause.notified_at is None:
        return False
    unheard = seconds_between(cause.notified_at, cause.last) > 0
    return unheard and seconds_between(cause.before, cause.last) >= QUIET


def _within_a_day(cause: RefusedCause, now: str) -> dict[str, str]:
    return {thing: at for thing, at in cause.known.items() if seconds_between(at, now) < DAY}


def claimed(record: Refusals, cause: RefusedCause, run: str, now: str) -> Refusals:
    """The record with the run's word that it is about to notify the topic: others that end at the same time
    need not."""
    claim = replace(cause, claimed_at=now, claimed_by=run, claimed=cause.about)
    return replace(record, causes=tuple(claim if each == cause else each for each in record.causes))


def let_go(record: Refusals, cause: RefusedCause, run: str) -> Refusals:
    """The record without that, if the run could not notify it."""
    if cause.claimed_by != run:
        return record
    free = replace(cause, claimed_at=None, claimed_by="", claimed=())
    return replace(record, causes=tuple(free if each == cause else each for each in record.causes))


def is_left_to_another(record: Refusals, this: RefusedCause, run: str, now: str) -> bool:
    """Whether another run is about to notify of all that this one was refused over. One that has not done so
    in a while has died on the way."""
    known = next((cause for cause in record.causes if cause.code == this.code), None)
    if known is None or known.claimed_at is None or known.claimed_by == run:
        return False
    return seconds_between(known.claimed_at, now) < CLAIM and {*this.about} <= {*known.claimed}


def notified(record: Refusals, cause: RefusedCause, run: str, now: str, about: tuple[str, ...]) -> Refusals:
    """The record once the run has notified the topic of the cause. about: what this run was refused over;
    the record's may be another run's by then, of which nobody may have heard."""
    known = dict(list((dict.fromkeys(about, now) | _within_a_day(cause, now)).items())[:_KNOWN])
    known |= {thing: now for thing in about if thing in known}
    sent = replace(cause, notified_at=now, notified_by=run, known=known)
    return let_go(replace(record, causes=tuple(sent if c == cause else c for c in record.causes)), sent, run)


def standing(
    record: Refusals, last: LastOutcome | None, entry: CatalogueEntry | None, now: str
) -> RefusedCause | None:
    """The refusal for which the audit starts no run: the last one, unless it passes, nobody was notified of
    it, the entry or the service was changed since, or it is a day old."""
    newest = newest_of(record)
    if newest is None or seconds_between(newest.last, now) >= DAY or is_due(newest, None, newest.last):
        return None
    over = _passes(newest) or newest.entry != digest_of_entry(entry)
    changed = last is not None and seconds_between(newest.last, last.at) > 0
    return None if over or changed else newest


def newest_of(record: Refusals) -> RefusedCause | None:
    """For what the last automatic run that was refused was."""
    return max(record.causes, key=lambda cause: cause.last, default=None)


def keeps_passing(cause: RefusedCause) -> bool:
    """Whether it passes, was so the time before as well, a while ago at most, and the topic was notified of
    it."""
    again = cause.before is not None and seconds_between(cause.before, cause.last) < QUIET
    return again and _passes(cause) and not is_due(cause, None, cause.last)


def _passes(cause: RefusedCause) -> bool:
    fine = cause.outcome == "NOTHING_TO_FIX"
    return fine or cause.code in PASSING or cause.code.startswith(_RUNTIMES)
