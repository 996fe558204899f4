"""What an audit gets and what it returns."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["held", "overdue", "recorded but not attached", "taken off by somebody"]
ORDER: tuple[State, ...] = ("overdue", "recorded but not attached", "taken off by somebody", "held")
Neglect = Literal[
    "alarm without a run",
    "run without its undo",
    "undo without its page",
    "role that cannot be read",
    "refused list entry",
]


class AuditEvent(msgspec.Struct, frozen=True):
    """EventBridge's Scheduled Event, or what a person sends: the time (ISO 8601), and dry_run for a look that
    starts nothing and notifies nobody. `make audit` of version 0.1.0 sends that to the function that acts."""

    time: str
    dry_run: bool = False


class AuditedGrant(msgspec.Struct, frozen=True):
    """One policy (ARN) on one role (ARN) that one incident holds for its service.

    overdue: still attached more than an hour after expires_at, or without an end. recorded but not attached:
    its run is about to attach it, or one read did not show it. taken off by somebody: that is certain, since
    lost_at; what is attached there now is not this grant. age_hours is since held_at. A record of a version
    that gave grants no end has neither time; then held_at is empty and age_hours None. expiry is how the last
    run that was to end it ended; notices, how often the audit has notified of it or seen it so since.
    """

    role: str
    policy: str
    service: str
    incident: str
    held_at: str
    age_hours: float | None
    expires_at: str | None
    why: str
    state: State
    lost_at: str | None = None
    expiry: str = ""
    notices: int = 0


class Expiry(msgspec.Struct, frozen=True):
    """The run (its name) that ends an incident's grants; `error` is why it could not be started, or, without
    a name, for what it waits."""

    incident: str
    execution: str
    error: str | None = None


class Neglected(msgspec.Struct, frozen=True):
    """What an event once started, or should have, and what is not done yet.

    alarm without a run: subject is the alarm, since when it went to ALARM. run without its undo: the run,
    since it ended. undo without its page: the run whose undo did not finish, since it was to page. execution
    is the run that the audit has started for it; error, why that, or the page, failed. why says what was
    found, and, where nothing is to be started, for what it waits. role that cannot be read: a managed role
    (ARN) whose grants are not in the audit, with AWS's answer as why. refused list entry: a role or a policy
    (ARN) of the stack's lists that no run touches or grants, with the refusal as why.
    """

    state: Neglect
    service: str
    subject: str
    since: str
    why: str
    waits: bool = False
    execution: str | None = None
    error: str | None = None


class Audit(msgspec.Struct, frozen=True):
    """What was found at that time. not_by_us: by role (ARN), how many grantable policies are attached that no
    incident holds; they may be there for good. neglected: what else is not as the last events left it."""

    at: str
    grants: tuple[AuditedGrant, ...]
    not_by_us: dict[str, int]
    expiries: tuple[Expiry, ...] = ()
    neglected: tuple[Neglected, ...] = ()
