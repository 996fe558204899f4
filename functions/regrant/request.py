"""What a trigger asks for, whoever it came from."""

from __future__ import annotations

import msgspec

from regrant.denial_types import Denial
from regrant.models import Refusal, Service

EXAMPLE = '{"service": "<cluster>/<service>", "mode": "contain"}'


class Request(msgspec.Struct, frozen=True):
    """A trigger as far as it could be read: which mode, for what, and whether nobody asked for it in person.

    Without a refusal, mode is a Mode and one of service, incident (rollback) and task is there. task is the
    id of the ECS task whose service is meant; denials are the refused calls that the trigger itself tells of.
    """

    mode: str
    trigger: str
    service: Service | None = None
    incident: str | None = None
    task: str | None = None
    automatic: bool = False
    denials: tuple[Denial, ...] = ()
    refusal: Refusal | None = None


def shown(value: object) -> str:
    """Somebody's text, short and on one line, for a message."""
    return ascii(value)[:80]
