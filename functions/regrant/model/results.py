"""The results of the steps after the diagnosis: one struct each, a key of the run's state.

`next` is the one word that the Choice after the step maps to a state; `checks` is what that Choice bounds.
Verdicts are returned, failures raised (regrant.errors).
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

Verdict = Literal["HEALTHY", "UNHEALTHY", "PENDING"]
PAUSE = 20
"""Seconds before the first look, and between two samples of a service that works: fewer prove less (ADR
9)."""
AfterLook = Literal["CLOSE", "WITHDRAW", "REDEPLOY", "UNDO", "WAIT"]


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing is done: a stable code, a sentence, and what to do next."""

    code: str
    message: str
    next: str
    outcome: Literal["REFUSED", "NOTHING_TO_FIX"] = "REFUSED"


class BaselineMark(msgspec.Struct, frozen=True, omit_defaults=True):
    """The baseline's hash and what later steps compare with; its text is in the journal.

    WAIT while `holder`, another run, is changing the role: since when this run asks, and how often so far;
    CLOSE with a refusal when that has lasted too long. Without a sha256 nothing was recorded.

    kept are the plan's policies (ARNs) that were attached before us, and not as another run's grant.
    seconds_to_dead_letter: see QueueDepth. grant_ends_at: see Baseline.
    """

    next: Literal["ATTACH", "DEPLOY", "WITHDRAW", "WAIT", "CLOSE"]
    at: str
    checks: int = 0  # of no wait: DecideChange compares it, so the first one must not be left out
    sha256: str | None = None
    primary_deployment: str = ""
    task_definition: str = ""
    kept: tuple[str, ...] = ()
    backlog: int | None = None
    dead_letters: int | None = None
    seconds_to_dead_letter: float | None = None
    grant_ends_at: str | None = None
    holder: str | None = None
    since: str | None = None
    refusal: Refusal | None = None


class Grant(msgspec.Struct, frozen=True):
    """The policies (ARNs) that this incident attached to the role."""

    role: str
    attached: tuple[str, ...]
    at: str


class Rollout(msgspec.Struct, frozen=True):
    """Our deployment (`ecs-svc/N`), when it was started, and the revision (ARN) that a cure registered."""

    deployment: str
    at: str
    revision: str | None = None


class Sample(msgspec.Struct, frozen=True):
    """One look at logs and queues over (since, at]: counts of lines and messages.

    The windows of two samples overlap. `successes` are those later than any that the sample before saw, and
    `working` is how many tasks logged them; `denials` may have been seen before. `succeeded_at` and
    `denied_at` are the times of the last lines. Where not `complete`, there were more lines than are read,
    and `denials` is a least number. `expected` are the lines with denials that do not count, since they are
    known to go on, of `expected_actions`. `detached` are the policies (ARNs) of the grant that the role lost.
    `again` are those that were withdrawn from it and are attached all the same. `confirmed`: the role's own
    policies say no, too, to a call that was denied (regrant.verify.confirmed).
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
    again: tuple[str, ...] = ()
    expected: int = 0
    expected_actions: tuple[str, ...] = ()
    confirmed: bool | UnsetType = UNSET


class Health(msgspec.Struct, frozen=True):
    """What the run knows of the service's health. `streak` is good samples in a row so far; `needed` of them
    make HEALTHY.

    wait is how many seconds there are until the next look. checks counts every look of the whole run and
    never starts again, 0 before the first; samples those of the present watch. shown_at is when IAM showed
    the grant. deployed_at is when our deployment was seen completed; None while it goes on, or where there is
    none. deployment is the one (id) whose tasks were looked at. unfinished: somebody else's that went on for
    longer than a run watches, so that the tasks that it has are the proof; then deployed_at is when that
    began. answered: AWS could be asked in the last look. `most_dead_letters` is the highest count of the
    samples so far, `dlq_growth` in how many in a row up to the last it grew. `troubled_at` is the last sample
    that was bad for another reason than a missing success. `replace_tasks`: UNHEALTHY in a way that new tasks
    may fix: they are denied, down, or do nothing. `denied_at` is that of the last denied call which nothing
    has confirmed yet.
    """

    verdict: Verdict
    at: str
    next: AfterLook = "WAIT"
    wait: int = PAUSE
    checks: int = 1
    samples: int = 0
    streak: int = 0
    needed: int = 0
    shown_at: str | None = None
    deployed_at: str | None = None
    deployment: str | None = None
    unfinished: bool = False
    answered: bool = True
    proof: str | None = None
    last: Sample | None = None
    most_dead_letters: int | None = None
    dlq_growth: int = 0
    troubled_at: str | None = None
    replace_tasks: bool = False
    evidence: tuple[str, ...] = ()
    denied_at: str | UnsetType = UNSET


class KeptGrant(msgspec.Struct, frozen=True):
    """A temporary grant that was not withdrawn, and why. until: when it is tried again; None: not by us.
    times: how often in a row it was renewed for that reason."""

    policy: str
    why: str
    until: str | None = None
    times: int = 1


class LostGrant(msgspec.Struct, frozen=True):
    """A temporary grant that somebody took off, as was read at `at`. again: the policy (ARN) is attached all
    the same; whoever did that wants it there."""

    policy: str
    at: str
    again: bool


class Withdrawal(msgspec.Struct, frozen=True):
    """The temporary grants (ARNs) that were taken off the role, those that were kept, those that were lost,
    and those that are there for good now. unread: the services that run with the role and whose entry cannot
    be read; a grant is kept for them once.

    WAIT while another run changes the role; nothing was done then. WATCH: the service has to be proved to
    work without them; CLOSE: there is nothing to prove.
    """

    next: Literal["WAIT", "WATCH", "CLOSE"]
    checks: int
    at: str
    removed: tuple[str, ...] = ()
    kept: tuple[KeptGrant, ...] = ()
    lost: tuple[LostGrant, ...] = ()
    for_good: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    unread: tuple[str, ...] | UnsetType = UNSET


class Undo(msgspec.Struct, frozen=True):
    """How far the undo is. Each phase skips what the journal has as undone, so any of them may be repeated.

    phase is the last one that was worked on, for whoever looks at the console. checks counts the waits.
    put_back are the temporary grants (ARNs) that are on the role again. service is PENDING until the service
    has settled (UNHEALTHY: it will not in the time that it has), with what that rests on in evidence;
    restored_since is when it was first waited for. detached are the policies (ARNs) taken off the role again,
    left those that another incident still needs, and lost those that somebody had taken off; deregistered the
    revisions (ARNs), and in_use those that are left because a service runs them. waits_for is the run that is
    changing the role.
    """

    next: Literal["SERVICE", "ROLE", "WAIT", "CONFIRM"]
    phase: Literal["PUT_BACK", "RESTORE", "DETACH", "DEREGISTER"]
    checks: int
    at: str
    put_back: tuple[str, ...] | None = None
    service: Verdict | None = None
    restored_since: str | None = None
    detached: tuple[str, ...] | None = None
    left: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    deregistered: tuple[str, ...] | None = None
    in_use: tuple[str, ...] = ()
    waits_for: str | None = None
    evidence: tuple[str, ...] = ()


class Receipt(msgspec.Struct, frozen=True):
    """The proof of an exact rollback, as SHA-256 hashes.

    `before` is the baseline's. `after` is that of what is there now with others' changes set aside, each
    named in `changed_by_others` or (attachments that another run has ended since, and which) in
    `ended_by_others`, and without the grants of other incidents, each in `grants_of_others`; `observed` is
    that of what is there now, whoever made it so, apart from those grants.
    """

    before: str
    after: str
    observed: str
    equal: bool
    at: str
    diff: tuple[str, ...] = ()
    changed_by_others: tuple[str, ...] = ()
    grants_of_others: tuple[str, ...] = ()
    ended_by_others: tuple[str, ...] = ()
