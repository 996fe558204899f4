"""What a trigger asks for, whoever it came from."""

from __future__ import annotations

import re

import msgspec

from regrant.model.catalogue import Service
from regrant.model.denial import Denial
from regrant.model.results import Refusal

EXAMPLE = '{"service": "<cluster>/<service>", "mode": "contain"}'


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


# Whatever Step Functions takes for an execution's name (API reference, StartExecution).
_EXECUTION = re.compile(
    r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]{1,80}"""
)


def execution_name(text: object) -> str | None:
    """The text if it may be an execution's name."""
    return text if isinstance(text, str) and _EXECUTION.fullmatch(text) else None


def shown(value: object) -> str:
    """Somebody's text, short and on one line, for a message."""
    return ascii(value)[:80]
