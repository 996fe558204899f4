"""What travels between the states: frozen msgspec structs, JSON at the boundary.

Times are ISO 8601 strings in UTC, as Step Functions gives them in `$$.State.EnteredTime`. The types of
AWS's own things (services, roles, queues) are in regrant.model.aws.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import force_setattr, replace

from regrant.clock import seconds_between
from regrant.model.aws import LogRoute, PolicyMark, RoleState
from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.denial import Denial, StaysDenied
from regrant.model.journal import Change, Outcome
from regrant.model.results import BaselineMark, Grant, Health, Receipt, Refusal, Rollout, Undo, Withdrawal

Mode = Literal["plan", "contain", "cure", "rollback", "expire", "keep"]
Decision = Literal["CHANGE", "ASK", "PLAN", "NOTHING_TO_FIX", "REFUSE", "WAIT"]


class Incident(msgspec.Struct, frozen=True):
    """One run for one service. `subject` is the incident whose changes a rollback undoes (else itself).

    mode is a Mode, or with a refusal whatever was asked for instead. denials are the refused calls in the
    trigger itself; an alarm and a person name none. automatic: no person has asked for it. role (ARN) is
    there for an undo. undone has when which attachments were undone, of which an automatic run makes none
    again for itself (regrant.model.undone), and undone_by is the last run that ended with an undo. expires is
    the incident whose grants this run ends: they have expired, or are kept for good. Of these a service
    without an entry that can be used has the reason in no_entry. ended is the run whose end has started this
    undo. leased: the service is this run's until it closes. next is the word that DecideMode maps to a state.
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
    automatic: bool = False
    role: str | None = None
    expires: str | None = None
    no_entry: Refusal | None = None
    ended: str | None = None
    next: Literal["DIAGNOSE", "UNDO", "WAIT", "PAGE", "CLOSE"] = "CLOSE"
    leased: bool = False
    undone: dict[str, str] | UnsetType = UNSET
    undone_by: str | UnsetType = UNSET


class Finding(msgspec.Struct, frozen=True):
    """What Diagnose concluded, in words a person can act on, with the evidence. action is the IAM action that
    was denied, where it is of one that is known."""

    code: str
    text: str
    evidence: tuple[str, ...] = ()
    action: str | UnsetType = UNSET


class Plan(msgspec.Struct, frozen=True):
    """The exact changes a run will make; nothing else is ever changed.

    role, policies and task_definition (the revision whose role it is) are ARNs. A cure registers a revision
    with new_role; it and an expiry take the temporary grants `withdraw` off the role, unless something else
    needs them. The temporary grants `keep` stay attached for good. postpone is why an expiry cannot try that
    now. watch says whether the service has to be proved to work without them. redeploy_if_needed: only if the
    tasks that run do not recover without it soon.

    deployment is the one (id) in flight that somebody else started and that cannot end without the grant: it
    is left to end, and no other is started before. revisions (ARNs) are those that are in flight and have the
    role, to which ECS may go back.
    """

    role: str
    attach: tuple[str, ...]
    redeploy: bool
    task_definition: str | None = None
    new_role: str | None = None
    withdraw: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    postpone: str | None = None
    watch: bool = True
    redeploy_if_needed: bool = False
    deployment: str | None = None
    revisions: tuple[str, ...] = ()


class PlannedAgainst(msgspec.Struct, frozen=True):
    """What a plan was made from: the role's managed policies (ARNs), and the SHA-256 of the rest of it.

    policies are those that are to be attached, or that the role a cure moves to needs, by ARN. new_role is
    the SHA-256 of that role. role is the role as it was read. entry is the SHA-256 of the catalogue entry's
    text; None if the service is not enrolled.
    """

    attached: tuple[str, ...]
    rest: str
    policies: dict[str, PolicyMark] = {}
    new_role: str | None = None
    role: RoleState | None = None
    entry: str | None = None


class Depths(msgspec.Struct, frozen=True):
    """The service's queues when it was diagnosed, as BaselineMark has them."""

    backlog: int | None = None
    dead_letters: int | None = None
    seconds_to_dead_letter: float | None = None


class Waited(msgspec.Struct, frozen=True):
    """The wait for deployments that others started: which (`ecs-svc/N (family:revision)`), since when, and
    until when one was seen in flight. earlier: seconds of the run's waits before this one.

    running: the most tasks of the deployment `primary` (id) that ran in a look, and since when.
    """

    deployments: tuple[str, ...]
    since: str
    until: str
    earlier: float = 0.0
    primary: str = ""
    running: int = 0
    running_since: str = ""

    @property
    def seconds(self) -> float:
        """Of all waits so far."""
        return self.earlier + seconds_between(self.since, self.until)


class Diagnosis(msgspec.Struct, frozen=True):
    """Findings, with plan and planned_against only where there is something to change.

    next is the word that DecidePlan maps to a state: CHANGE goes on, ASK asks a person first, WAIT looks
    again when a deployment has got on, anything else closes. checks counts the diagnoses of this run, a wait
    with its looks as one; looks are those. granted are the policies (ARNs) that other incidents held on the
    role. stays_denied are the kinds of calls that are denied and stay so, which is no trouble in the proof.
    answer is what that person said of this plan, of any shape; a new plan has none. entry is the catalogue's
    as it was read for this plan, if that differs from the incident's; None if it is gone. tried are the
    revisions (ARNs) that the service's tasks may be of, where there is no plan. moved is there once a person
    was asked about an earlier plan of the run: what is different from that, in words, as far as it is known.
    """

    next: Decision
    at: str
    findings: tuple[Finding, ...] = ()
    plan: Plan | None = None
    logs: tuple[LogRoute, ...] = ()
    refusal: Refusal | None = None
    planned_against: PlannedAgainst | None = None
    checks: int = 1
    depths: Depths = Depths()
    granted: tuple[str, ...] = ()
    stays_denied: tuple[StaysDenied, ...] = ()
    answer: Any | UnsetType = UNSET  # not null: DecidePlan asks while there is none
    entry: CatalogueEntry | UnsetType | None = UNSET
    looks: int = 0  # of no wait: DecidePlan compares it, so it must not be left out
    waited: Waited | None = None
    tried: tuple[str, ...] | UnsetType = UNSET
    moved: tuple[str, ...] | UnsetType = UNSET

    def refused(self, refusal: Refusal) -> Diagnosis:
        """The same without its plan, and why there is none."""
        return replace(self, next="REFUSE", plan=None, planned_against=None, refusal=refusal)


class Stage(msgspec.Struct, frozen=True):
    """How long one stage took."""

    stage: str
    seconds: float


class Report(msgspec.Struct, frozen=True):
    """The execution's output. undo_of is the run that was to be undone, where this is an undo."""

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
    undo_of: str | UnsetType = UNSET


class Failure(msgspec.Struct, frozen=True):
    """What Catch wrote under `$.error`. SendTaskFailure may leave out either (API reference)."""

    Error: str | None = None
    Cause: str | None = None

    @property
    def name(self) -> str:
        return self.Error or "UNNAMED_FAILURE"

    @property
    def cause(self) -> str:
        """What went wrong, in words. Lambda's cause is JSON, with a stack trace (Lambda developer guide,
        Python function errors)."""
        cause = self.Cause or ""
        with suppress(msgspec.MsgspecError):  # an error of Step Functions, or somebody's words
            cause = msgspec.json.decode(cause, type=_FunctionError).error_message or cause
        return cause[:1000]

    @property
    def of_function(self) -> bool:
        """Whether a function raised it, and not Step Functions or a person."""
        with suppress(msgspec.MsgspecError):
            raised = msgspec.json.decode(self.Cause or "", type=_FunctionError)
            return bool(raised.error_type) and raised.error_type == self.Error
        return False


class _FunctionError(msgspec.Struct, frozen=True, rename="camel"):
    error_message: str = ""
    error_type: str = ""


class RunState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything the run knows so far: the state machine's data, one key a step, absent before that step.

    The incident has the catalogue entry that the plan was made from: the diagnosis's, where that has read
    another one since the run was opened.
    """

    incident: Incident
    diagnosis: Diagnosis | None = None
    baseline: BaselineMark | None = None
    grant: Grant | None = None
    rollout: Rollout | None = None
    health: Health | None = None
    withdrawal: Withdrawal | None = None
    undo: Undo | None = None
    receipt: Receipt | None = None
    error: Failure | None = None
    report: Any = None
    """Why CloseIncident could not make the report, as Catch wrote it."""

    def __post_init__(self) -> None:
        # Here, and not in the steps, so that none of them can go by the entry of before.
        if self.diagnosis and self.diagnosis.entry is not UNSET:
            force_setattr(self, "incident", replace(self.incident, entry=self.diagnosis.entry))

    @property
    def failure(self) -> Failure | None:
        """What ended the run's way, if a step failed: the first, or that the run could not be closed."""
        if self.error is None and isinstance(self.report, Mapping) and "Error" in self.report:
            return msgspec.convert(self.report, Failure)
        return self.error

    @property
    def seen(self) -> Health | None:
        """The last look at the service's health, if there was one."""
        return self.health if self.health and self.health.checks else None

    @property
    def role(self) -> str | None:
        """The role (ARN) that this run changes, if it is known."""
        return self.diagnosis.plan.role if self.diagnosis and self.diagnosis.plan else self.incident.role

    @property
    def refusal(self) -> Refusal | None:
        """Why the run does not go on, whichever step said so."""
        steps = (self.incident, self.diagnosis, self.baseline)
        return next((step.refusal for step in steps if step and step.refusal), None)


class StepEvent(msgspec.Struct, frozen=True):
    """What every Task state passes to its function; `now` is when the state was entered (ISO 8601, UTC)."""

    state: RunState
    now: str


class OpenEvent(msgspec.Struct, frozen=True):
    """OpenIncident's event: the execution's raw input, of any shape, its name and when it started.

    The input, never the state, so that the step can be tried again while another run has the service.
    """

    input: Any
    now: str
    execution: str
    started: str


class AskEvent(msgspec.Struct, frozen=True):
    """AskApproval's event: token is what SendTaskSuccess takes."""

    state: RunState
    now: str
    token: str


class CloseEvent(msgspec.Struct, frozen=True):
    """CloseIncident's event. state is a RunState; of a run that could not be opened only a Failure."""

    state: Any
    now: str
    input: Any
    execution: str
