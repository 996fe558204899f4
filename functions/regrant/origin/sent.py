"""Whether a step's event comes from the run that it names: Step Functions is asked, since whoever may invoke
a function can send it any event, with the name of any run.

A run's history has the call that it waits for, with its input, before the function is called: its state
"persists between state transitions" (developer guide, Execution guarantees), and LambdaFunctionScheduled has
"the JSON data input to the Lambda function" (API reference). Only Step Functions writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from regrant.errors import AwsRefused, AwsUnavailable, NotOfThisRun
from regrant.model.aws import execution_name
from regrant.ports import Executions

_DENIED = ("AccessDeniedException", "KmsAccessDeniedException")
_IN_ANY_CASE = (
    *("undo-role", "undo-service", "close-incident", "page-operator"),
    *("read-build", "restore-services", "close-handover", "page-handover"),
)
"""They go on where the stack itself may not ask (any more): an undo and its page must not stop at that, and
whoever makes up events cannot bring it about: only the name of an execution is asked about, so that AWS is
always asked about something that the functions' policies have."""


def raise_unless_sent(
    event: Mapping[str, Any], step: str, executions: Callable[[], Executions], prefix: str = ""
) -> None:
    """step: the function's name without the stack's, as `undo-role`. prefix: as regrant.model.runs has it.

    Raises NotOfThisRun if no such run goes on; AwsUnavailable if there is no history of it, or that does not
    show this call, which it may in a moment; AwsRefused.
    """
    run = _run_of(event)
    name = execution_name(run)
    try:
        sent = executions().waits_for(f"{prefix}{name}") if name else None
    except AwsRefused as refused:
        if step in _IN_ANY_CASE and refused.code in _DENIED:
            return
        raise
    if sent is None:
        raise NotOfThisRun(f"No run {_shown(run)} goes on, so it has not sent this.")
    if not sent.function.endswith(f"-{step}") or sent.payload != event:
        raise AwsUnavailable(f"Step Functions does not show (yet) that run {_shown(run)} has sent this.")


def _shown(run: object) -> str:
    return ascii(run)[:90]


def _run_of(event: Mapping[str, Any]) -> object:
    if "execution" in event:
        return event["execution"]
    state = event.get("state")
    incident = state.get("incident") if isinstance(state, Mapping) else None
    return incident.get("id") if isinstance(incident, Mapping) else None
