"""What is written in the journal's table beside an incident's baseline and report: changes, leases, holds."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal[
    "CONTAINED", "CURED", "PLANNED", "NOTHING_TO_FIX", "REFUSED", "ROLLED_BACK", "ROLLBACK_INCOMPLETE"
]


class Lease(msgspec.Struct, frozen=True):
    """The right to change `resource` (`service/<cluster>/<service>`, `role/<ARN>`) until `ends_at`.

    owner is an execution's name, subject the incident that it works on.
    """

    resource: str
    owner: str
    taken_at: str
    ends_at: str
    subject: str = ""


class Hold(msgspec.Struct, frozen=True):
    """That an incident needs a temporary grant, a policy (ARN) on a role, until `dropped_at`.

    The undo of the last holder takes it off. At expires_at the service is tried without it; ttl_hours is for
    how long it lasts if it is still needed then. why is what the incident was opened for, and why the grant
    was renewed. dropped_by is the incident (an undo, a cure, an expiry) that dropped it.
    """

    policy: str
    incident: str
    service: str
    held_at: str = ""
    expires_at: str | None = None
    ttl_hours: int = 24
    why: str = ""
    dropped_at: str | None = None
    dropped_by: str | None = None


class Change(msgspec.Struct, frozen=True):
    """One journal entry: what was intended on what, whether it was done and undone.

    attach, withdraw: a policy (value) on a role (target). redeploy, restore: of a service (target), the
    deployment (value) before, and once done ours; restore: that which it is to replace. register: a copy of a
    revision (target) with another role; value is the family's latest revision before, and once done ours.
    left_for says who needs what an undo therefore left.
    """

    kind: Literal["attach", "redeploy", "restore", "register", "withdraw"]
    target: str
    value: str
    intended_at: str
    done_at: str | None = None
    undone_at: str | None = None
    role: str | None = None
    left_for: str | None = None


class LastOutcome(msgspec.Struct, frozen=True):
    """How the last run that changed a service ended."""

    incident: str
    outcome: Outcome
    at: str
