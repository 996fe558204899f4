"""The scenarios that `make demo` plays and the tests replay on simulated time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.scenarios.seeds.retainwise import (
    BACKEND,
    CLUSTER,
    OLD_ROLE,
    RECEIVE,
    SECOND_WORKER,
    SEND,
    WORKER,
    WORKER_ROLE,
)
from sandbox.scenarios.seeds.retainwise_account import move_worker

if TYPE_CHECKING:  # the account takes seconds to import, which a list of scenarios need not wait for
    from sandbox.account import LocalAccount


@dataclass(frozen=True)
class Chapter:
    """What happens once every run so far has ended, and how the runs that come of it must end.

    First `does` is done to the account; then, with `expiry`, time passes until the next grant's is over; then
    a person starts a run with the input `starts`.
    outcomes and findings: as a scenario's, but each service may have several codes; a service that is CURED
    must run with its declared role. denied: services that are denied on the way, so that their alarm may
    start runs; those must change nothing. granted: the policies that the old role has in the end and had not
    before the incident; no other role may have changed, and ends are scheduled where something is granted.
    restored: the account must be what it was before the chapter.
    """

    story: str
    outcomes: Mapping[str, str]
    does: Callable[[LocalAccount], None] | None = None
    expiry: bool = False
    starts: Mapping[str, str] | None = None
    findings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    denied: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()
    restored: bool = False


@dataclass(frozen=True)
class Scenario:
    """An account to start from, and how the runs in it must end.

    outcomes: how the run for each service ends; there must be no other run. `restored`: the account must
    then be exactly what it was; `repaired`: predictions must go from QUEUED to COMPLETED.
    does: what is done to the account in the beginning, if that is what breaks it.
    findings: the code that must be among what the service's run found. attached: the policies that its run
    must have attached to `role` (its name); nothing else may have been attached to any. moved: the services
    that then run with `role`, in one completed deployment. most_log_reads: how many pages of one service's
    log Diagnose may read. others: how many requests others in the account send for each that its rates allow
    (sandbox.engine.rates). throttled: the functions of which AWS must have refused requests for that. then:
    what follows, in order; `restored` and `repaired` are judged at the end of it all.
    """

    name: str
    story: str
    variant: str
    outcomes: Mapping[str, str]
    does: Callable[[LocalAccount], None] | None = None
    role: str = OLD_ROLE
    repaired: bool = False
    restored: bool = False
    findings: Mapping[str, str] = field(default_factory=dict)
    attached: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    moved: tuple[str, ...] = ()
    most_log_reads: int | None = None
    others: float = 0
    throttled: tuple[str, ...] = ()
    then: tuple[Chapter, ...] = ()


def _refused(name: str, story: str, variant: str, code: str, *services: str) -> Scenario:
    """Each run is refused for this cause, and changes nothing."""
    refused, cause = dict.fromkeys(services, "REFUSED"), dict.fromkeys(services, code)
    return Scenario(name, story, variant, refused, restored=True, findings=cause)


def _cure(service: str, outcome: str, story: str, *codes: str, **more: Any) -> Chapter:
    """A person starts the cure of the service."""
    starts = {"service": f"{CLUSTER}/{service}", "mode": "cure"}
    return Chapter(story, {service: outcome}, starts=starts, findings={service: codes}, **more)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "contained",
            "Both services lost their SQS permissions. Each gets its policy back and works again.",
            "broken",
            {BACKEND: "CONTAINED", WORKER: "CONTAINED"},
            repaired=True,
        ),
        Scenario(
            "rolled-back",
            "The worker gets its policy back, but its image lacks the model. Everything is put back.",
            "model-missing",
            {WORKER: "ROLLED_BACK"},
            restored=True,
        ),
        Scenario(
            "two-services",
            "Two services that share a role are denied. Each run attaches its own policy only.",
            "broken",
            {BACKEND: "CONTAINED", WORKER: "CONTAINED"},
            attached={BACKEND: (SEND,), WORKER: (RECEIVE,)},
        ),
        Scenario(
            "storm",
            "The worker has logged 100,000 denials within minutes. One run reads a few pages and repairs it.",
            "storm",
            {WORKER: "CONTAINED"},
            attached={WORKER: (RECEIVE,)},
            most_log_reads=20,
        ),
        Scenario(
            "throttled",
            "Others use up the account's request rates, so AWS refuses one in three. The worker is repaired.",
            "worker-lost",
            {WORKER: "CONTAINED"},
            repaired=True,
            attached={WORKER: (RECEIVE,)},
            others=1.5,
            throttled=("diagnose", "attach-policies", "verify-health"),
        ),
        Scenario(
            "denied-rollout",
            "A deployment moves the worker to a role without SQS, and its tasks exit. It gets to finish.",
            "new-role-denied",
            {WORKER: "CONTAINED"},
            does=move_worker,
            role=WORKER_ROLE,
            repaired=True,
            findings={WORKER: "DENIED_ROLLOUT"},
            attached={WORKER: (RECEIVE,)},
            moved=(WORKER,),
        ),
        _refused(
            "refused-explicit-deny",
            "The role both services share has an explicit Deny. No grant can help, so none is made.",
            "explicit-deny",
            "EXPLICIT_DENY",
            BACKEND,
            WORKER,
        ),
        _refused(
            "refused-boundary",
            "The role's permissions boundary leaves out SQS. No grant can help, so none is made.",
            "boundary",
            "BOUNDARY",
            BACKEND,
            WORKER,
        ),
        _refused(
            "wrong-principal",
            "The worker reads the queue as another role, which is denied. The task role is left alone.",
            "other-principal",
            "OTHER_PRINCIPAL",
            WORKER,
        ),
        _refused(
            "not-declared",
            "The worker is denied the table, which none of its declared policies covers. Nothing is changed.",
            "table-lost",
            "NOT_DECLARED",
            WORKER,
        ),
        Scenario(
            "cured",
            "Both services got their policy back. A person moves each to its own role; the grants end.",
            "broken",
            {BACKEND: "CONTAINED", WORKER: "CONTAINED"},
            repaired=True,
            then=(
                _cure(BACKEND, "CURED", "A person cures the backend.", "WRONG_TASK_ROLE", granted=(RECEIVE,)),
                _cure(WORKER, "CURED", "A person cures the worker.", "WRONG_TASK_ROLE"),
            ),
        ),
        Scenario(
            "cure-new-role-broken",
            "The worker's own role cannot be assumed by ECS and lacks the policy. The cure is refused.",
            "new-role-broken",
            {WORKER: "CONTAINED"},
            then=(
                _cure(
                    WORKER,
                    "REFUSED",
                    "A person cures the worker, whose own role is not fit.",
                    "NEW_ROLE_UNFIT",
                    granted=(RECEIVE,),
                    restored=True,
                ),
            ),
        ),
        Scenario(
            "cure-unhealthy",
            "The worker's own role looks fit, but the worker does not work with it. The cure is rolled back.",
            "new-role-short",
            {WORKER: "CONTAINED"},
            then=(
                _cure(
                    WORKER,
                    "ROLLED_BACK",
                    "A person cures the worker, whose own role lacks the table.",
                    "NOT_HEALTHY",
                    denied=(WORKER,),
                    granted=(RECEIVE,),
                    restored=True,
                ),
            ),
        ),
        Scenario(
            "grant-expired",
            "Nobody cures the worker in time, so its grant gets one more day. Then a colleague does.",
            "worker-lost",
            {WORKER: "CONTAINED"},
            repaired=True,
            then=(
                Chapter(
                    "A day passes, and nobody has cured the worker.",
                    {WORKER: "ROLLED_BACK"},
                    expiry=True,
                    findings={WORKER: ("NOT_CURED", "CURE_OVERDUE")},
                    denied=(WORKER,),
                    granted=(RECEIVE,),
                ),
                Chapter(
                    "A colleague's Terraform moves the worker to its own role, and another day passes.",
                    {WORKER: "CURED"},
                    does=move_worker,
                    expiry=True,
                    findings={WORKER: ("NOT_IN_USE",)},
                ),
            ),
        ),
        Scenario(
            "grant-shared",
            "Two services depend on one grant. It stays when the first is cured, and goes with the second.",
            "two-workers",
            {WORKER: "CONTAINED", SECOND_WORKER: "CONTAINED"},
            then=(
                _cure(
                    WORKER,
                    "CURED",
                    "A person cures the worker.",
                    "GRANT_STAYS",
                    granted=(RECEIVE,),
                ),
                _cure(SECOND_WORKER, "CURED", "A person cures the second worker.", "WRONG_TASK_ROLE"),
            ),
        ),
    )
}
