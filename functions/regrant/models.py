"""What travels between the states: frozen msgspec structs, JSON at the boundary.

Times are ISO 8601 strings in UTC, as Step Functions gives them in `$$.State.EnteredTime`. The types of
AWS's own things (services, roles, queues) are in regrant.resources, the way to JSON and back in regrant.wire.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from regrant.denial_types import Denial
from regrant.entry import CatalogueEntry, Service
from regrant.records import Change, Outcome

Mode = Literal["plan", "contain", "cure", "rollback", "expire"]
Verdict = Literal["HEALTHY", "UNHEALTHY", "PENDING"]
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


class BaselineMark(msgspec.Struct, frozen=True):
    """The baseline's hash and what later steps compare with; its text is in the journal.

    kept are the plan's policies (ARNs) that were attached before us, and not as another run's grant.
    buries_after: see QueueDepth.
    """

    sha256: str
    at: str
    primary_deployment: str
    task_definition: str
    kept: tuple[str, ...] = ()
    backlog: int | None = None
    dead_letters: int | None = None
    buries_after: float | None = None


class Grant(msgspec.Struct, frozen=True):
    """The policies (ARNs) that this incident attached to the role."""

    role: str
    attached: tuple[str, ...]
    at: str


class Revision(msgspec.Struct, frozen=True):
    """The revision (ARN) that a cure registered."""

    task_definition: str
    at: str


class Stay(msgspec.Struct, frozen=True):
    """A temporary grant that was not withdrawn, and why. until: when it is tried again; None: not by us."""

    policy: str
    why: str
    until: str | None = None


class Withdrawal(msgspec.Struct, frozen=True):
    """The temporary grants (ARNs) that were taken off the role, and those that stay.

    PENDING while another run changes the role. watch: the service has to be proved to work without them.
    """

    verdict: Verdict
    checks: int
    at: str
    removed: tuple[str, ...] = ()
    stays: tuple[Stay, ...] = ()
    watch: bool = False
    evidence: tuple[str, ...] = ()


class Reattachment(msgspec.Struct, frozen=True):
    """The temporary grants (ARNs) that are on the role again. PENDING while another run changes the role."""

    verdict: Verdict
    checks: int
    at: str
    attached: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


class Deregistration(msgspec.Struct, frozen=True):
    """The revisions (ARNs) that are not registered any more."""

    revisions: tuple[str, ...]
    at: str


class Access(msgspec.Struct, frozen=True):
    """IAM shows every attachment of the grant."""

    at: str


class Rollout(msgspec.Struct, frozen=True):
    """Our deployment (`ecs-svc/N`) and how far it is. `checks` counts the rounds of the loop."""

    deployment: str
    started_at: str
    at: str
    verdict: Verdict = "PENDING"
    checks: int = 0
    evidence: tuple[str, ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """One look at logs and queues over (since, at]: counts of lines and messages.

    The windows of two samples overlap. `successes` are those later than any that the sample before saw, and
    `working` is how many tasks logged them; `denials` may have been seen before. `succeeded_at` and
    `denied_at` are the times of the last lines. Where not `complete`, there were more lines than are read,
    and `denials` is a least number. `detached` are the policies (ARNs) of the grant that the role lost.
    """

    since: str
    at: str
    tasks: int
    successes: int
    denials: int
    backlog: int | None = None
    dead_letters: int | None = None
    last_success: str | None = None
    last_denial: str | None = None
    denied_at: str | None = None
    succeeded_at: str | None = None
    working: int = 0
    complete: bool = True
    detached: tuple[str, ...] = ()


class Health(msgspec.Struct, frozen=True):
    """`streak` is good samples in a row so far; `needed` of them make HEALTHY.

    `most_dead_letters` is the highest count of the samples so far, `burying` in how many in a row up to the
    last it grew. `troubled_at` is the last sample that was bad for another reason than a missing success.
    `replace_tasks`: UNHEALTHY in a way that new tasks may mend: they are denied, down, or do nothing.
    """

    verdict: Verdict
    checks: int
    streak: int
    needed: int
    at: str
    proof: str | None = None
    last: Sample | None = None
    most_dead_letters: int | None = None
    burying: int = 0
    troubled_at: str | None = None
    replace_tasks: bool = False
    evidence: tuple[str, ...] = ()


class Restore(msgspec.Struct, frozen=True):
    """The service's way back to a settled state; `task_definition` is the baseline's revision (ARN), and
    `registered` that which a cure registered. waits_for is the run that is changing the role meanwhile."""

    verdict: Verdict
    checks: int
    started_at: str
    at: str
    task_definition: str = ""
    registered: str | None = None
    waits_for: str | None = None
    evidence: tuple[str, ...] = ()


class Detach(msgspec.Struct, frozen=True):
    """The policies (ARNs) taken off the role again, and those that another incident still needs."""

    detached: tuple[str, ...]
    at: str
    left: tuple[str, ...] = ()


class Receipt(msgspec.Struct, frozen=True):
    """The proof of an exact rollback, as SHA-256 hashes.

    `before` is the baseline's. `after` is that of what is there now with others' changes set aside, each
    named in `changed_by_others`, and without the grants of other incidents, each in `grants_of_others`;
    `observed` is that of what is there now, whoever made it so, apart from those grants.
    """

    before: str
    after: str
    observed: str
    equal: bool
    at: str
    diff: tuple[str, ...] = ()
    changed_by_others: tuple[str, ...] = ()
    grants_of_others: tuple[str, ...] = ()


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
