"""What rules a grant out, whatever the catalogue declares: a leaked key, words that AWS did not write, and
denials of a time in which an expiry tried the service without its grant."""

from __future__ import annotations

import re

from regrant.clock import seconds_between
from regrant.diagnosis.findings import Judged
from regrant.grants import SPREAD
from regrant.iam.quarantine import COMPROMISED_KEY
from regrant.model.aws import LogLines
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
