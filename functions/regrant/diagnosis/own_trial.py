"""Denials of a time in which an expiry tried the service without its grant are known, and start nothing."""

from __future__ import annotations

from regrant.clock import seconds_between
from regrant.grants import SPREAD
from regrant.model.aws import LogLines
from regrant.model.journal import Hold
from regrant.model.results import Refusal
from regrant.model.run import Incident


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
