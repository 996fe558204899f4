"""An execution of the runbook that ended before its own undo could begin: stopped, timed out, or failed by a
runtime error. Step Functions runs no Catch then, so the event of its end starts the undo.

Shape: "Step Functions Execution Status Change" (Step Functions developer guide, EventBridge events).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from regrant.model.aws import execution_name
from regrant.model.results import Refusal
from regrant.opening.request import Request, as_input, asked_incident, asked_mode, shown
from regrant.settings import Settings

EVENT = "Step Functions Execution Status Change"
AUDIT_SOURCE = "regrant.audit"
"""The source of what the audit starts, which is else as AWS's own events."""
UNKNOWN = "UNKNOWN"
"""What the audit says of a run that Step Functions does not know (any more)."""
UNDO_STOPPED = "UNDO_STOPPED"
"""The code of a run that leaves to a person what another one was to undo."""
_ENDED = ("ABORTED", "TIMED_OUT", "FAILED", UNKNOWN)
# An undo that dies is begun again, but each one's input holds those before it.
RESCUES = 3


def read_ended_run(detail: Mapping[str, Any], settings: Settings, *, by_audit: bool = False) -> Request:
    """The undo of the run, or of the run that it was undoing itself. by_audit: the audit has found that it
    ended; no event did. Never raises."""
    name, status = execution_name(detail.get("name")), detail.get("status")
    trigger = f"the end of run {shown(name)} ({shown(status)}){', found by the audit' if by_audit else ''}"
    given = own_input(detail.get("input"))
    refusal = _refusal(name, detail, given, settings)
    undone = _undone_by(given, settings)
    if refusal:
        of = (undone or name) if refusal.code == UNDO_STOPPED else None
        return Request("rollback", trigger, incident=of, automatic=True, refusal=refusal)
    return Request("rollback", trigger, incident=undone or name, ended=name, automatic=True)


def stopped(incident: str) -> str:
    """Under which it is noted (stored.Notices) when the undo of that incident was stopped."""
    return f"stopped/{incident}"


def _undone_by(given: Mapping[str, Any], settings: Settings) -> str | None:
    """The incident that a run with this input was to undo; None if it was no undo."""
    if "mode" in given and asked_mode(given) == "rollback":
        return asked_incident(given, lambda: settings.state_machine)
    detail = given.get("detail")
    if given.get("detail-type") != EVENT or not isinstance(detail, Mapping):
        return None
    return _undone_by(own_input(detail.get("input")), settings) or execution_name(detail.get("name"))


def rescues(given: Mapping[str, Any]) -> int:
    """How many undos in a row, begun by an end, have ended like that themselves."""
    detail = given.get("detail")
    if given.get("detail-type") != EVENT or not isinstance(detail, Mapping):
        return 0
    return 1 + rescues(own_input(detail.get("input")))


def _refusal(
    name: str | None, detail: Mapping[str, Any], given: Mapping[str, Any], settings: Settings
) -> Refusal | None:
    if name is None or detail.get("stateMachineArn") != settings.state_machine or is_other(name, detail):
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
    in_a_row = rescues(given)
    if in_a_row >= RESCUES or (in_a_row and status == "ABORTED"):
        # A person who stops an undo wants it stopped; without this the two would take turns.
        return Refusal(
            "UNDO_STOPPED",
            f"Run {name} was itself an undo that another run's end had started; it is {status}.",
            "What the first run changed may still be there. Undo it by hand:"
            + as_input(mode="rollback", incident=_undone_by(given, settings) or name),
        )
    return None


def is_other(name: str, detail: Mapping[str, Any]) -> bool:
    """Whether the execution's ARN, where there is one, is not of that state machine and name."""
    machine = str(detail.get("stateMachineArn")).replace(":stateMachine:", ":execution:")
    return "executionArn" in detail and detail["executionArn"] != f"{machine}:{name}"


def own_input(text: object) -> Mapping[str, Any]:
    """The run's own input; empty where the event leaves it out because it is too long."""
    try:
        given = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, Mapping) else {}
