"""An execution of the runbook that ended before its own undo could begin: stopped, timed out, or failed by a
runtime error. Step Functions runs no Catch then, so the event of its end starts the undo.

Shape: "Step Functions Execution Status Change" (Step Functions developer guide, EventBridge events).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from regrant.models import Refusal
from regrant.request import Request, execution_name, shown
from regrant.settings import Settings

EVENT = "Step Functions Execution Status Change"
_ENDED = ("ABORTED", "TIMED_OUT", "FAILED")


def read_ended_run(detail: Mapping[str, Any], settings: Settings) -> Request:
    """The undo of the run, or of the run that it was undoing itself. Never raises."""
    name, status = execution_name(detail.get("name")), detail.get("status")
    trigger = f"the end of run {shown(name)} ({shown(status)})"
    given = _input(detail.get("input"))
    refusal = _refusal(name, detail, given, settings)
    if refusal:
        return Request("rollback", trigger, automatic=True, refusal=refusal)
    undone = execution_name(given.get("incident")) if given.get("mode") == "rollback" else None
    return Request("rollback", trigger, incident=undone or name, ended=name, automatic=True)


def _refusal(
    name: str | None, detail: Mapping[str, Any], given: Mapping[str, Any], settings: Settings
) -> Refusal | None:
    if name is None or detail.get("stateMachineArn") != settings.state_machine:
        return Refusal(
            "OTHER_STATE_MACHINE",
            "The event is not of a run of this runbook.",
            "Correct the rule that sent it.",
        )
    status = detail.get("status")
    if status not in _ENDED:
        return Refusal(
            "RUN_NOT_ENDED",
            f"Run {name} is {shown(status)}, so there is nothing to undo.",
            "Correct the rule that sent it.",
            outcome="NOTHING_TO_FIX",
        )
    if given.get("detail-type") == EVENT:
        # A person who stops an undo wants it stopped; without this the two would take turns.
        return Refusal(
            "UNDO_STOPPED",
            f"Run {name} was itself an undo that another run's end had started.",
            'Take that run from its input, and undo it: {"mode": "rollback", "incident": "<execution name>"}',
        )
    return None


def _input(text: object) -> Mapping[str, Any]:
    """The run's own input; empty where the event leaves it out because it is too long."""
    try:
        given = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, Mapping) else {}
