"""What rules a grant out, whatever the catalogue declares."""

from __future__ import annotations

from regrant.denials.quarantine import COMPROMISED_KEY
from regrant.diagnosis.findings import Judged
from regrant.model.results import Refusal


def ruled_out(judged: tuple[Judged, ...]) -> Refusal | None:
    """A leaked key."""
    for call, judgement in judged:
        if judgement.cause == COMPROMISED_KEY:
            what = f" ({call.denial.action})" if call.denial.action else ""
            return Refusal(COMPROMISED_KEY, f"{judgement.reason}{what}.", judgement.next)
    return None
