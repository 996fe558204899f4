"""What travels between the states of a handover, and what the journal keeps of it.

A handover gives a repaired service back to Terraform: the state gets a bucket and a lock, what exists is
imported, and Terraform itself moves the services to their right roles (docs/handover-machine.md).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from regrant.model.catalogue import Service
from regrant.model.journal import Change
from regrant.model.results import Refusal
from regrant.model.run import Failure, Finding

Action = Literal["import", "plan", "apply", "drift", "undo"]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two versions of the HCL, as CodeBuild names them: before says what runs, after has the right roles."""

    before: str
    after: str


class Target(msgspec.Struct, frozen=True):
    """A service to hand over: its address and that of its task definition in the HCL, the revision (ARN) that
    it runs, and the role (ARN) that Terraform is to give it."""

    address: str
    definition: str
    service: Service
    revision: str
    role: str


class Spec(msgspec.Struct, frozen=True):
    """What a handover is to do. imports has the id that each address is imported by."""

    source: Source
    directory: str
    imports: dict[str, str]
    targets: tuple[Target, ...]

    @property
    def services(self) -> tuple[Service, ...]:
        return tuple(target.service for target in self.targets)


class Opened(msgspec.Struct, frozen=True):
    """One execution. subject is the handover whose changes an undo takes back (else itself), ended the one
    whose end has started this undo. next is the word that DecideOpen maps to a state."""

    id: str
    subject: str
    mode: Literal["handover", "undo"]
    trigger: str
    opened_at: str
    next: Literal["CREATE", "UNDO", "WAIT", "PAGE", "CLOSE"] = "CLOSE"
    spec: Spec | None = None
    refusal: Refusal | None = None
    ended: str | None = None


class Made(msgspec.Struct, frozen=True):
    """The state's bucket and lock table: those that this run made, and those that were there."""

    at: str
    created: tuple[str, ...] = ()
    found: tuple[str, ...] = ()


class PlannedChange(msgspec.Struct, frozen=True):
    """One change of a plan or of a drift, as the runner reports it."""

    address: Annotated[str, Meta(max_length=512)]
    actions: Annotated[tuple[Annotated[str, Meta(max_length=32)], ...], Meta(max_length=8)] = ()
    attributes: Annotated[tuple[Annotated[str, Meta(max_length=256)], ...], Meta(max_length=100)] = ()


class Plan(msgspec.Struct, frozen=True):
    """A plan that is to be approved: the SHA-256 of its file, and what the runner says that it changes."""

    sha256: str
    changes: tuple[PlannedChange, ...] = ()


class Reading(msgspec.Struct, frozen=True):
    """What the last build came to. action is empty where only the end of builds was waited for.

    next is the word that DecideBuild maps to a state; checks counts the waits for a build to end. answer is
    what a person said to the plan, of any shape. killed: a build ended before it said how, so that it may
    have left a lock. again: the undo has found the state locked, which may be its own doing.
    """

    next: Literal["PLAN", "ASK", "CHECK", "CURE", "RESTORE", "REMOVE", "CLOSE", "PAGE", "WAIT"]
    at: str
    action: Action | Literal[""] = ""
    checks: int = 0
    plan: Plan | None = None
    findings: tuple[Finding, ...] = ()
    refusal: Refusal | None = None
    killed: bool = False
    again: bool = False
    answer: Any | UnsetType = UNSET  # not null: DecideBuild asks while there is none


class ServiceMark(msgspec.Struct, frozen=True):
    """A service before the apply: its revision (ARN) with the role (ARN) of that, its primary deployment
    (id), and the latest revision (ARN) of the family."""

    service: Service
    revision: str
    role: str
    deployment: str
    latest: str


class Captured(msgspec.Struct, frozen=True):
    """The services before the apply, by their hash; the journal has them."""

    at: str
    sha256: str


class Judged(msgspec.Struct, frozen=True):
    """What ECS says of one service: a verdict, and what it rests on."""

    service: Service
    verdict: Literal["HANDED_OVER", "ROLLED_BACK", "PENDING"]
    evidence: str


class RolloutCheck(msgspec.Struct, frozen=True):
    """One look at the deployments that the apply started. since is when the first look was."""

    next: Literal["WAIT", "CURE", "UNDO"]
    checks: int
    at: str
    since: str
    services: tuple[Judged, ...] = ()


class CuredService(msgspec.Struct, frozen=True):
    """The cure (the name of a run of the runbook) that proves a service without its temporary grants, and how
    it ended; empty while it goes on."""

    service: Service
    run: str
    outcome: str = ""


class Cures(msgspec.Struct, frozen=True):
    """How far the withdrawal of the temporary grants is."""

    next: Literal["WAIT", "DRIFT", "UNDO"]
    checks: int
    at: str
    since: str
    runs: tuple[CuredService, ...] = ()


class HandoverReceipt(msgspec.Struct, frozen=True):
    """The proof of an exact undo: the services' revisions and roles as SHA-256, before the apply and now."""

    before: str
    after: str
    equal: bool
    at: str


class Restore(msgspec.Struct, frozen=True):
    """How far the undo is. Whatever the journal has as undone is skipped, so any of it may be repeated.

    BUILD: a build is not known to have ended; UNDO: Terraform's state is to go back; REMOVE: all is undone.
    asked: how often the undo's build was asked for. deregistered are the revisions (ARNs) that the apply had
    made, left what stays, with the reason.
    """

    next: Literal["WAIT", "BUILD", "UNDO", "REMOVE"]
    checks: int
    at: str
    since: str
    asked: int = 0
    evidence: tuple[str, ...] = ()
    deregistered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    receipt: HandoverReceipt | None = None


class Removed(msgspec.Struct, frozen=True):
    """What an end without a state in use removed of bucket and table, and what stays, with the reason."""

    at: str
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


HandoverOutcome = Literal["HANDED_OVER", "REFUSED", "NOTHING_TO_FIX", "UNDONE", "UNDO_INCOMPLETE"]


class HandoverReport(msgspec.Struct, frozen=True):
    """The execution's output."""

    handover: str
    mode: str
    services: tuple[str, ...]
    outcome: HandoverOutcome
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    stays: tuple[str, ...]
    receipt: HandoverReceipt | None
    seconds: float
    next: str


class HandoverState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything the execution knows so far: one key a step, absent before that step. build is what the last
    build sent, or what Catch wrote: data from a less trusted place (regrant.handover.result)."""

    handover: Opened
    made: Made | None = None
    build: Any = None
    reading: Reading | None = None
    captured: Captured | None = None
    rollout: RolloutCheck | None = None
    cures: Cures | None = None
    restore: Restore | None = None
    removed: Removed | None = None
    error: Failure | None = None
    report: Any = None


class HandoverEvent(msgspec.Struct, frozen=True):
    """What every Task state but those below passes to its function."""

    state: HandoverState
    now: str
    execution: str


class OpenHandoverEvent(msgspec.Struct, frozen=True):
    """OpenHandover's event: the execution's raw input, of any shape."""

    input: Any
    now: str
    execution: str
    started: str


class BuildEvent(msgspec.Struct, frozen=True):
    """The event of the states that start a build: token is what the build answers with."""

    state: HandoverState
    now: str
    execution: str
    action: Action
    token: str


class AskHandoverEvent(msgspec.Struct, frozen=True):
    """AskHandover's event: token is what SendTaskSuccess takes."""

    state: HandoverState
    now: str
    execution: str
    token: str


class CloseHandoverEvent(msgspec.Struct, frozen=True):
    """The event of the two states that end a run. state is a HandoverState; of a run that could not be opened
    only a Failure."""

    state: Any
    now: str
    execution: str
    started: str


class Kept(msgspec.Struct, frozen=True):
    """What the journal keeps of a handover beside its changes: what was asked for, since when, and the
    services before the apply."""

    spec: Spec
    opened_at: str
    services: tuple[ServiceMark, ...] = ()


class BuildState(msgspec.Struct, frozen=True):
    """A build as CodeBuild has it (API reference, Build: buildStatus); the times are empty until there are
    any."""

    id: str
    status: str
    began: str = ""
    ended: str = ""

    @property
    def goes_on(self) -> bool:
        return self.status == "IN_PROGRESS"
