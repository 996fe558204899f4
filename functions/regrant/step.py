"""A Task state's function: decode the event, do one domain step, encode its result; the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec
from aws_lambda_powertools import Logger

from regrant.aws.account import Account
from regrant.model.run import RunState, StepEvent
from regrant.model.runs import PREFIX
from regrant.origin.own_clock import no_later, not_ahead, own_time
from regrant.origin.sent import raise_unless_sent

E = TypeVar("E", bound=msgspec.Struct)

Handler = Callable[[dict[str, Any], Any], Any]
Ask = Callable[[], None]
"""Raises unless Step Functions says that the run itself has sent the step's event (regrant.origin.sent)."""

logger = Logger()


def step(run: Callable[[RunState, Account, str], object], *uses: str, sent_as: str = "") -> Handler:
    """The handler of a step that needs the run's state and the time at which the state was entered.

    uses: the parts of the account that are made while Lambda starts; what else the step asks for is made at
    its first use. sent_as: as `step_of` has it.
    """
    return step_of(StepEvent, lambda event, aws: run(event.state, aws, event.now), *uses, sent_as=sent_as)


def step_of(
    kind: type[E], run: Callable[[E, Account], object], *uses: str, sent_as: str = "", prefix: str = ""
) -> Handler:
    """The handler of a step with an event of its own. Raises msgspec.ValidationError for one that is not.

    sent_as: the function's name without the stack's, of a step that changes or notifies by what its event
    says: it does nothing before Step Functions has said that the run itself has sent that. prefix: of the
    runs of its state machine (regrant.model.runs).
    """
    if not sent_as:
        return asking_step_of(kind, lambda event, aws, ask: run(event, aws), *uses, sent_as="")

    def asked(event: E, aws: Account, ask: Ask) -> object:
        ask()
        return run(event, aws)

    return asking_step_of(kind, asked, *uses, "executions", sent_as=sent_as, prefix=prefix)


def asking_step_of(
    kind: type[E], run: Callable[[E, Account, Ask], object], *uses: str, sent_as: str, prefix: str = ""
) -> Handler:
    """The handler of a step that asks at a moment of its own, before it writes anything."""
    aws = Account(uses)

    @logger.inject_lambda_context(clear_state=True)
    def handler(event: dict[str, Any], context: Any) -> Any:
        given = msgspec.convert(_bounded(event), kind)
        logger.append_keys(**_keys(event))
        ask = partial(raise_unless_sent, event, sent_as, lambda: aws.executions, prefix)
        result = msgspec.to_builtins(run(given, aws, ask))
        logger.info("done", result=result)
        return result

    return handler


handover_step = partial(step_of, prefix=PREFIX)
"""The same of a step of a handover: executions of its machine send the event."""


def url_step(
    run: Callable[[Mapping[str, Any], Account, str], tuple[Any, Mapping[str, Any]]], *uses: str
) -> Handler:
    """The handler of a function behind a URL, which is no step and has the function's own time. run gives the
    response, and all that is logged of it."""
    aws = Account(uses)

    @logger.inject_lambda_context(clear_state=True)
    def handler(event: dict[str, Any], context: Any) -> Any:
        response, about = run(event if isinstance(event, dict) else {}, aws, own_time())
        logger.info("answered", **about)
        return response

    return handler


def _bounded(event: Any) -> Any:
    """The event, with times that the function's own clock has come to. Raises ClockAhead.

    A step's `now` may not be ahead of it. What fires the audit, its `time`, is not believed beyond it.
    """
    if not isinstance(event, dict):  # whoever may invoke a function may send anything
        return event
    if isinstance(event.get("now"), str):
        not_ahead(event["now"])
    return event | {"time": no_later(event["time"])} if isinstance(event.get("time"), str) else event


def _keys(event: dict[str, Any]) -> dict[str, Any]:
    """What every line of the function has: the run and the incident that it works on, as far as known."""
    state = event.get("state")
    incident = state.get("incident") if isinstance(state, dict) else None
    if isinstance(incident, dict):
        return {"incident": incident.get("id"), "subject": incident.get("subject")}
    return {"incident": event["execution"]} if "execution" in event else {}
