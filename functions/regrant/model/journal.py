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

    It stands for one attachment: that of the policy with policy_id (PolicyId) to the role with role_id
    (RoleId), which IAM showed at attached_at. absent_at is when it was read as absent, once; lost_at when it
    was certain that somebody had taken it off. What is attached after that is not this grant. put_back_at is
    when an undo began to attach it again.

    The undo of the last holder takes it off. At expires_at the service is tried without it; ttl_hours is for
    how long it lasts if it is still needed then. why is what the incident was opened for, and why the grant
    was renewed. dropped_by is the incident (an undo, a cure, an expiry) that dropped it: that took the policy
    off if `detached`, and left it for good if `kept`.

    renewed_at is when expires_at was set again, why_renewed for what reason, and renewals how often in a row
    for that one. unread_by is the run that renewed it because another service's entry could not be read.
    tried_at is when the service was last tried without it. expiry is how the last run that was to end it
    ended. announced is the end (as expires_at) that the audit has announced, notice what it has last notified
    of, and notices how often it has seen that.
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
    renewed_at: str | None = None
    why_renewed: str = ""
    renewals: int = 0
    tried_at: str | None = None
    expiry: str = ""
    announced: str | None = None
    notice: str = ""
    notices: int = 0
    detached: bool = False
    kept: bool = False
    role_id: str = ""
    policy_id: str = ""
    attached_at: str | None = None
    absent_at: str | None = None
    lost_at: str | None = None
    put_back_at: str | None = None
    unread_by: str | None = None


Kind = Literal[
    "attach", "redeploy", "restore", "register", "withdraw", "reattach", "bucket", "table", "build", "cure"
]


class Change(msgspec.Struct, frozen=True):
    """One journal entry: what was intended on what, whether it was done and undone.

    attach, withdraw: a policy (value) on a role (target). redeploy, restore: of a service (target), the
    deployment (value) before, and once done ours; restore: that which it is to replace. register: a copy of a
    revision (target) with another role; value is the family's latest revision before, and once done ours.
    reattach: an undo attaches what its incident let go and another run has taken off since.

    Of a handover: bucket, table: of Terraform's state (target), made by it. build: an action of the runner
    (target, with the execution that asked for it); value is the build (id) once it was started, and undone_at
    when it was known to have ended. cure: of a service (target); value is that run of the runbook. restore:
    of a service; value is the revision (ARN) that is replaced. register: a revision (target) that the apply
    had made, which an undo deregisters.

    answered_at is when an attachment that IAM did not show afterwards had been made (an attach): after that
    it is only read. undoing_at is when an undo began to take it back. Once undone: shown_at is when IAM
    showed it so, after which what is there is somebody else's. left_for says who needs what was therefore
    left, ended_by is the run that had ended the grant before, and lost_at when somebody was seen to have
    taken it off; in these three cases the undo changed nothing. A withdrawal with lost_at came too late.
    """

    kind: Kind
    target: str
    value: str
    intended_at: str
    done_at: str | None = None
    undone_at: str | None = None
    role: str | None = None
    undoing_at: str | None = None
    shown_at: str | None = None
    left_for: str | None = None
    ended_by: str | None = None
    lost_at: str | None = None
    answered_at: str | None = None


COOL_DOWN = 24 * 3600.0
"""Seconds for which events start nothing again that was undone."""


class LastOutcome(msgspec.Struct, frozen=True):
    """How the last run that changed a service ended. subject is the incident whose changes it was to undo, if
    not its own. CONTAINED is also the undo of a cure or an expiry that had not finished undoing itself.
    undone has when which attachments were undone (regrant.model.undone), those of undos before this one,
    too; None if that is not known."""

    incident: str
    outcome: Outcome
    at: str
    subject: str = ""
    undone: dict[str, str] | None = None


class RefusedCause(msgspec.Struct, frozen=True):
    """The refusal's or failure's code with which automatic runs of a service changed nothing.

    entry is the SHA-256 of the catalogue entry of the last such run, outcome how that ended, and about what
    it was refused over: a digest of each denied action, role and revision. first and last are when the first
    and the last of them closed, before when the one before the last did, and count how many there were.
    notified_at is when the topic was last notified, by the run notified_by; known is when it was last
    notified of each that runs were refused over. claimed_at is when the run claimed_by was about to notify it
    of `claimed`, of what it was refused over.
    """

    code: str
    entry: str | None
    first: str
    last: str
    outcome: Outcome = "REFUSED"
    about: tuple[str, ...] = ()
    before: str | None = None
    count: int = 1
    notified_at: str | None = None
    notified_by: str = ""
    known: dict[str, str] = {}
    claimed_at: str | None = None
    claimed_by: str = ""
    claimed: tuple[str, ...] = ()


class Refusals(msgspec.Struct, frozen=True):
    """Those of one service, or of runs that found none, the one that was counted last at the end. runs are
    the runs (their names) that were counted last. version is how often the record was written."""

    causes: tuple[RefusedCause, ...] = ()
    runs: tuple[str, ...] = ()
    version: int = 0
