"""What rules a grant out, whatever the catalogue declares."""

from __future__ import annotations

import re

from regrant.diagnosis.findings import Judged
from regrant.iam.quarantine import COMPROMISED_KEY
from regrant.model.aws import LogLines
from regrant.model.results import Refusal

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
