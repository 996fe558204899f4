"""What the steps that change, watch and undo have to tell: one struct each, a key of the run's state.

Verdicts are returned, failures raised (regrant.errors).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["HEALTHY", "UNHEALTHY", "PENDING"]


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
