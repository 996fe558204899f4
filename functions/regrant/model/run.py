"""What travels between the states: frozen msgspec structs, JSON at the boundary.

Times are ISO 8601 strings in UTC, as Step Functions gives them in `$$.State.EnteredTime`. The types of
AWS's own things (services, roles, queues) are in regrant.model.aws.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.denial import Denial
from regrant.model.journal import Change, Outcome
from regrant.model.results import (
    Access,
    BaselineMark,
    Deregistration,
    Detach,
    Grant,
    Health,
    Reattachment,
    Receipt,
    Restore,
    Revision,
    Rollout,
    Withdrawal,
)

Mode = Literal["plan", "contain", "cure", "rollback", "expire"]
Decision = Literal["CONTAIN", "CURE", "EXPIRE", "ASK", "PLAN", "NOTHING_TO_FIX", "REFUSE"]


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing is done: a stable code, a sentence, and what to do next."""

    code: str
    message: str
    next: str
    outcome: Literal["REFUSED", "NOTHING_TO_FIX"] = "REFUSED"


class Incident(msgspec.Struct, frozen=True):
    """One run for one service. `subject` is the incident whose changes a rollback undoes (else itself).

    mode is a Mode, or with a refusal whatever was asked for instead. denials are the refused calls that the
    trigger itself told of; an alarm and a person tell of none. role (ARN) is there for an undo. expires is
    the incident whose grants are at their end, ended the run whose end has started this undo.
    """

    id: str
    subject: str
    mode: str
    trigger: str
    opened_at: str
    service: Service | None = None
    entry: CatalogueEntry | None = None
    refusal: Refusal | None = None
    denials: tuple[Denial, ...] = ()
    role: str | None = None
    expires: str | None = None
    ended: str | None = None


class Leasing(msgspec.Struct, frozen=True):
    """Whether a lease is this run's. PENDING: `holder`, another run, has it, and it is worth waiting.

    since: when this run first asked, of a row of looks that were PENDING.
    """

    verdict: Literal["HELD", "PENDING", "BUSY"]
    at: str
    checks: int
    holder: str | None = None
    refusal: Refusal | None = None
    since: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """What Diagnose concluded, in words a person can act on, with the evidence."""

    code: str
    text: str
    evidence: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """The exact changes a run will make; nothing else is ever changed.

    role, policies and task_definition (the revision whose role it is) are ARNs. A cure registers a revision
    with new_role; it and an expiry take the temporary grants `withdraw` off the role, unless something else
    needs them. postpone is why an expiry cannot try that now. watch says whether the service has to be proved
    to work without them. redeploy_if_needed: only if the tasks that run do not recover by themselves soon.
    """

    role: str
    attach: tuple[str, ...]
    redeploy: bool
    task_definition: str | None = None
    new_role: str | None = None
    withdraw: tuple[str, ...] = ()
    postpone: str | None = None
    watch: bool = True
    redeploy_if_needed: bool = False


class LogRoute(msgspec.Struct, frozen=True):
    """Where a container's output goes: stream `<stream_prefix>/<task id>` of the log group."""

    group: str
    stream_prefix: str


class Seen(msgspec.Struct, frozen=True):
    """What a plan was made from: the role's managed policies (ARNs), the SHA-256 of everything else of it,
    and the default versions of the policies that are to be attached, by ARN. new_role is the SHA-256 of the
    role that a cure moves the service to."""

    attached: tuple[str, ...]
    rest: str
    versions: dict[str, str] = {}
    new_role: str | None = None


class Diagnosis(msgspec.Struct, frozen=True):
    """Decision with findings; plan and seen only where there is something to attach.

    ASK is CONTAIN once a person has said yes. checks counts the diagnoses of this run.
    """

    decision: Decision
    at: str
    findings: tuple[Finding, ...] = ()
    plan: Plan | None = None
    logs: tuple[LogRoute, ...] = ()
    refusal: Refusal | None = None
    seen: Seen | None = None
    checks: int = 1


class Stage(msgspec.Struct, frozen=True):
    """How long one stage took."""

    stage: str
    seconds: float


class Report(msgspec.Struct, frozen=True):
    """The execution's output."""

    incident: str
    service: str | None
    mode: str
    outcome: Outcome
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    health: Health | None
    receipt: Receipt | None
    timeline: tuple[Stage, ...]
    next: str


class Failure(msgspec.Struct, frozen=True):
    """What Catch wrote under `$.error`."""

    Error: str
    Cause: str = ""


class RunState(msgspec.Struct, frozen=True):
    """Everything the run knows so far: the state machine's data, one key a step."""

    incident: Incident
    diagnosis: Diagnosis | None = None
    baseline: BaselineMark | None = None
    grant: Grant | None = None
    access: Access | None = None
    rollout: Rollout | None = None
    health: Health | None = None
    revision: Revision | None = None
    withdrawal: Withdrawal | None = None
    reattachment: Reattachment | None = None
    restore: Restore | None = None
    deregistration: Deregistration | None = None
    detach: Detach | None = None
    receipt: Receipt | None = None
    error: Failure | None = None
    lease: Leasing | None = None
    turn: Leasing | None = None
    answer: Any = None
    """What a person said to AskApproval, of any shape; None before."""

    @property
    def role(self) -> str | None:
        """The role (ARN) that this run changes, if it is known."""
        return self.diagnosis.plan.role if self.diagnosis and self.diagnosis.plan else self.incident.role

    @property
    def refusal(self) -> Refusal | None:
        """Why the run does not go on, whichever step said so."""
        steps = (self.incident, self.lease, self.diagnosis, self.turn)
        return next((step.refusal for step in steps if step and step.refusal), None)


class StepEvent(msgspec.Struct, frozen=True):
    """What every Task state passes to its function; `now` is when the state was entered."""

    state: RunState
    now: str
    execution: str


class OpenEvent(msgspec.Struct, frozen=True):
    """The first Task's event: the state is still the execution's raw input, of any shape."""

    state: Any
    now: str
    execution: str
