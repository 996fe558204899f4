"""How the runs of the stack's two state machines are distinguished, wherever they stand side by side."""

from __future__ import annotations

PREFIX = "handover/"
"""Before the name of a handover's execution: no name of an execution has a slash."""


def run_of(execution: str) -> str:
    """Under which the journal, leases and questions know that execution of the handover's machine."""
    return f"{PREFIX}{execution}"


def is_handover(run: str) -> bool:
    return run.startswith(PREFIX)


def of_handovers(runbook: str) -> str:
    """The ARN of the handover's state machine, from the runbook's."""
    return runbook.removesuffix("-runbook") + "-handover"
