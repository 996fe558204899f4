"""What rules a grant out, whatever the catalogue declares: a leaked key, words that AWS did not write, and
denials of a time in which the service was without a grant that it has again, or has since."""

from __future__ import annotations

import re

from regrant.clock import seconds_between
from regrant.diagnosis.findings import Judged
from regrant.grants import SPREAD, TWICE
from regrant.iam.quarantine import COMPROMISED_KEY
from regrant.model.aws import LogLines, name_of
from regrant.model.journal import Hold
from regrant.model.results import Refusal
from regrant.model.run import Incident

_SHOWN = 300  # characters of a line
# A program that prints one sentence on several lines logs each of them: the rest of this one is in another.
_CUT = re.compile(r"authorized to perform\W{0,80}\Z")


def ruled_out(judged: tuple[Judged, ...], log: LogLines) -> Refusal | None:
    """A leaked key, or a log whose lines bear the words of a denial, but none of which AWS wrote."""
    for call, judgement in judged:
        if judgement.cause == COMPROMISED_KEY:
            what = f" ({call.denial.action})" if call.denial.action else ""
            return Refusal(COMPROMISED_KEY, f"{judgement.reason}{what}.", judgement.next)
    if judged or not log.lines or not log.complete or any(_CUT.search(line.message) for line in log.lines):
        return None
    lines = "line has" if len(log.lines) == 1 else "lines have"
    return Refusal(
        "NO_DENIAL",
        f"{len(log.lines)} {lines} the words of a denial, and none is AWS's, such as:"
        f" {log.lines[-1].message[:_SHOWN]}",
        "Nothing to grant. If AWS refuses a call as well, let the service log AWS's whole error and start"
        " again; if it does not, see what the line means, and let the alarm's metric filter match less.",
        outcome="NOTHING_TO_FIX",
    )


def own_trial(incident: Incident, held: tuple[Hold, ...], log: LogLines) -> Refusal | None:
    """Why nothing is done, if every denial in the log is of such a trial.

    The service has its grant again; what was called before it was put back may be logged a little later.
    """
    if not log.lines:
        return None
    first, last = log.lines[0].at, log.lines[-1].at
    for hold in held:
        if hold.service != str(incident.service) or not (hold.tried_at and hold.renewed_at):
            continue
        if seconds_between(hold.tried_at, first) >= 0 and seconds_between(hold.renewed_at, last) <= SPREAD:
            return Refusal(
                "OWN_TRIAL",
                f"The denials are of the trial without the grant of run {hold.incident}: it began at"
                f" {hold.tried_at}, and the grant was put back by {hold.renewed_at}.",
                f"Nothing now: the service has its grant again, until {hold.expires_at}. Before that, see"
                " the next step in the report of that trial.",
                outcome="NOTHING_TO_FIX",
            )
    return None


def granted_since(judged: tuple[Judged, ...], held: tuple[Hold, ...], now: str) -> Refusal | None:
    """Why nothing is done, if every denial is of the time before this tool attached what allows the call.

    An attachment takes a while to count everywhere, so denials of SPREAD seconds after it are of that time as
    well, if they have ended.
    """
    counted = [(call, judgement) for call, judgement in judged if judgement.cause != "IGNORED"]
    last = max((call.until for call, _ in counted), default=now)
    attached = dict[str, Hold]()
    for _, judgement in counted:
        own = [hold for hold in held if hold.policy == judgement.arn and hold.attached_at]
        if judgement.cause != "ALREADY_GRANTED" or not own:
            return None
        first = min(own, key=lambda hold: hold.attached_at or now)
        attached[first.policy] = first
    for hold in attached.values():
        late = seconds_between(hold.attached_at or now, last)
        if late > SPREAD or (late > 0 and seconds_between(last, now) <= TWICE):
            return None
    if not attached:
        return None
    named = (
        f"{name_of(hold.policy)} was granted at {hold.attached_at} by run {hold.incident}"
        for hold in attached.values()
    )
    return Refusal(
        "GRANTED_SINCE",
        f"Denied until {last}; {', '.join(named)}. No denial was read since.",
        "Nothing now. If it is denied again, start again.",
        outcome="NOTHING_TO_FIX",
    )
