"""What a trigger asks for, whoever it came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from regrant.model.aws import execution_name
from regrant.model.catalogue import Service
from regrant.model.denial import Denial
from regrant.model.results import Refusal
from regrant.model.run import Mode

EXAMPLE = '\n  {"service": "<cluster>/<service>", "mode": "contain"}'
"""On a line of its own, as as_input has it."""


class Request(msgspec.Struct, frozen=True):
    """A trigger as far as it could be read: which mode, for what, and whether nobody asked for it in person.

    Without a refusal, mode is a Mode and one of service, incident (rollback) and task is there. task is the
    id of the ECS task whose service is meant; ended is the run whose end is the trigger; denials are the
    refused calls in the trigger itself.
    """

    mode: str
    trigger: str
    service: Service | None = None
    incident: str | None = None
    task: str | None = None
    ended: str | None = None
    automatic: bool = False
    denials: tuple[Denial, ...] = ()
    refusal: Refusal | None = None


_SHORT = 80  # characters


def asked_mode(raw: Mapping[str, Any]) -> object:
    """The mode in an execution's input, as Mode spells it if a person meant one, else whatever it is."""
    mode = raw.get("mode", "contain")
    meant = mode.strip().lower() if isinstance(mode, str) else mode
    return meant if meant in get_args(Mode) else mode


def asked_incident(raw: Mapping[str, Any], machine: Callable[[], str]) -> str | None:
    """The incident in an execution's input: the execution's name, or its ARN. machine: the runbook's ARN."""
    text = raw.get("incident")
    text = text.strip() if isinstance(text, str) else ""
    if text.startswith("arn:"):
        text = text.removeprefix(machine().replace(":stateMachine:", ":execution:") + ":")
    return execution_name(text)


def as_input(**given: str) -> str:
    """An execution's input on a line of its own, to copy."""
    return f"\n  {json.dumps(given, ensure_ascii=False)}"


def shown(value: object) -> str:
    """Somebody's text, short and on one line, for a message; any other value as JSON has it."""
    if value is None:
        return "(none)"
    try:
        text = f"'{value}'" if isinstance(value, str) else json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return "(something else)"
    text = text if len(text) <= _SHORT else f"{text[: _SHORT - 3]}..."
    return "".join(each if each.isascii() and each.isprintable() and each != "\\" else "?" for each in text)
