"""A proof that could not be had because the service had nothing to do."""

from __future__ import annotations

from regrant.model.run import RunState
from regrant.report.outcome import deployed_since

NO_WORK = "No work arrived while the service was watched, so nothing could be proved."


def had_no_work(state: RunState) -> bool:
    """Whether the last samples show neither success nor trouble, and an empty queue, if there is one.

    A success text that the service never logs looks the same where the enrolment names no queue, so that
    is not said of one without.
    """
    seen, baseline = state.seen, state.baseline
    last = seen.last if seen else None
    if seen is None or last is None or deployed_since(state) or not seen.answered:
        return False
    quiet = seen.proof is None and not last.successes and not last.denials and not last.detached
    moved = (last.dead_letters or 0) > ((baseline.dead_letters if baseline else None) or 0)
    return quiet and last.complete and last.tasks > 0 and last.backlog == 0 and not moved
