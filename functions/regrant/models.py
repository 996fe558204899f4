"""The types that travel between the states, as frozen msgspec structs.

Everything here is JSON in the state machine: `decode` reads it with validation, `encode` writes it.
Times are ISO 8601 strings in UTC, as Step Functions gives them in `$$.State.EnteredTime`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec

Mode = Literal["plan", "contain", "rollback"]
Verdict = Literal["HEALTHY", "UNHEALTHY", "PENDING"]
Decision = Literal["CONTAIN", "PLAN", "NOTHING_TO_FIX", "REFUSE"]
Outcome = Literal[
    "CONTAINED", "CURED", "PLANNED", "NOTHING_TO_FIX", "REFUSED", "ROLLED_BACK", "ROLLBACK_INCOMPLETE"
]
T = TypeVar("T")


class Service(msgspec.Struct, frozen=True):
    """An ECS service, written `cluster/name` by people."""

    cluster: str
    name: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.name}"


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing was done: a stable code, a sentence, and what to do next."""

    code: str
    message: str
    next: str


class HealthPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What proves that the service works: `success` in its log, no denial, a queue that drains.

    queue and dead_letter_queue are SQS ARNs; samples is how many good samples in a row are the proof.
    """

    success: str
    queue: str | None = None
    dead_letter_queue: str | None = None
    samples: int = 3


class CatalogueEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one service is entitled to: SSM parameter `/regrant/services/<cluster>/<service>`.

    task_role and policies are ARNs. redeploy says whether a contained service's tasks are replaced.
    """

    task_role: str
    policies: tuple[str, ...]
    health: HealthPolicy
    redeploy: Literal["always", "never"] = "always"


class Incident(msgspec.Struct, frozen=True):
    """One run for one service. `subject` is the incident whose changes a rollback undoes (else itself)."""

    id: str
    subject: str
    mode: Mode
    trigger: str
    opened_at: str
    service: Service | None = None
    entry: CatalogueEntry | None = None
    refusal: Refusal | None = None


class Finding(msgspec.Struct, frozen=True):
    """What Diagnose concluded, in words a person can act on, with the evidence."""

    code: str
    text: str
    evidence: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """The exact changes a run will make; nothing outside the plan is ever changed."""

    role: str
    attach: tuple[str, ...]
    redeploy: bool


class Diagnosis(msgspec.Struct, frozen=True):
    """Decision with findings; plan only where there is something to attach."""

    decision: Decision
    at: str
    findings: tuple[Finding, ...] = ()
    plan: Plan | None = None
    refusal: Refusal | None = None


class BaselineMark(msgspec.Struct, frozen=True):
    """The baseline's hash; its text is in the journal."""

    sha256: str
    at: str
    primary_deployment: str
    backlog: int | None = None
    dead_letters: int | None = None


class Grant(msgspec.Struct, frozen=True):
    role: str
    attached: tuple[str, ...]
    at: str


class Rollout(msgspec.Struct, frozen=True):
    """Our deployment (`ecs-svc/N`) and how far it is. `checks` counts the rounds of the loop."""

    deployment: str
    started_at: str
    verdict: Verdict = "PENDING"
    checks: int = 0
    evidence: tuple[str, ...] = ()
    at: str = ""


class Sample(msgspec.Struct, frozen=True):
    """One look at logs and queue over (since, at]. Counts are lines and messages."""

    since: str
    at: str
    tasks: int
    successes: int
    denials: int
    backlog: int | None = None
    dead_letters: int | None = None
    last_success: str | None = None
    last_denial: str | None = None


class Health(msgspec.Struct, frozen=True):
    """`streak` is good samples in a row so far; `needed` of them make HEALTHY."""

    verdict: Verdict
    checks: int
    streak: int
    needed: int
    at: str
    proof: str | None = None
    samples: tuple[Sample, ...] = ()
    evidence: tuple[str, ...] = ()


class Restore(msgspec.Struct, frozen=True):
    """The service's way back: the deployment that restores it, if one was needed."""

    verdict: Verdict
    checks: int
    at: str
    deployment: str | None = None
    evidence: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """One journal entry: what was intended on what, whether it was done and undone."""

    kind: Literal["attach", "redeploy", "restore"]
    target: str
    value: str
    intended_at: str
    done_at: str | None = None
    undone_at: str | None = None


class Receipt(msgspec.Struct, frozen=True):
    """The proof of an exact rollback. Hashes cover what is left after setting aside others' changes."""

    before: str
    after: str
    equal: bool
    diff: tuple[str, ...] = ()
    changed_by_others: tuple[str, ...] = ()
    at: str = ""


def encode(value: object) -> Any:
    """Struct to JSON types, for a handler's return value."""
    return msgspec.to_builtins(value)


def decode(value: object, to: type[T]) -> T:
    """JSON types to a struct. Raises msgspec.ValidationError with the path of what is wrong."""
    return msgspec.convert(value, to)
