"""What has to be proved: after a grant, after a new revision, and after a grant was taken off."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.model.results import Access, BaselineMark, Grant, Health, Revision, Rollout, Withdrawal
from regrant.model.run import Diagnosis, Plan, RunState
from regrant.verify.health import PROPAGATION, verify_health
from regrant.verify.watch import BRIEF, LIMIT, TWO_SAMPLES, watch_of
from tests.unit.cure import CURE, EXPIRY, NEW_ROLE, ready
from tests.unit.fakes import (
    CONTAIN,
    DEFINITION,
    DENIAL,
    ENTRY,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    PLAN,
    RECEIVE,
    ROLE,
    ROUTE,
    RUNNING,
    SUCCESS,
    WORKER_ROLE,
    World,
    at,
)

CURING = Diagnosis(
    "CURE", at(0), plan=Plan(OLD_ROLE, (), True, DEFINITION, WORKER_ROLE, (RECEIVE,)), logs=(ROUTE,)
)
LEFT = Diagnosis("CURE", at(0), plan=Plan(OLD_ROLE, (), False, DEFINITION, None, (RECEIVE,)), logs=(ROUTE,))
ROLLOUT = Rollout("ecs-svc/42", at(5), at(150), "HEALTHY", 9)
REVISION = Revision(NEWER_DEFINITION, at(4))
MARK = BaselineMark("sha", at(2), OLD_DEPLOYMENT, DEFINITION)
GONE = Withdrawal("HEALTHY", 1, at(300), (RECEIVE,), watch=True)
FIRST_PROOF = Health("HEALTHY", 3, 3, 3, at(240))


def cure(**more: Any) -> RunState:
    return replace(RunState(CURE, CURING, MARK, rollout=ROLLOUT, revision=REVISION), **more)


def test_a_containment_is_watched_from_its_rollout_with_the_grant_that_iam_shows() -> None:
    grant = Grant(OLD_ROLE, (RECEIVE,), at(3))
    state = RunState(INCIDENT_OF_WORKER, CONTAIN, MARK, grant, Access(at(4)), ROLLOUT)
    watch = watch_of(state)
    assert (watch.grant, watch.since) == (replace(grant, at=at(4)), at(5))
    assert (watch.strict, watch.limit, watch.previous) == (False, LIMIT, None)


def test_a_containment_that_replaced_no_tasks_is_watched_from_its_grant() -> None:
    state = RunState(INCIDENT_OF_WORKER, CONTAIN, MARK, Grant(OLD_ROLE, (RECEIVE,), at(3)), Access(at(4)))
    assert watch_of(state).since == at(4)


def test_the_first_proof_of_a_cure_is_of_the_declared_role_with_the_declared_policies() -> None:
    watch = watch_of(cure())
    assert watch.grant == Grant(WORKER_ROLE, ENTRY.policies, at(4))
    assert (watch.since, watch.strict) == (at(5), False)


def test_the_second_proof_of_a_cure_begins_anew_when_the_grant_is_gone() -> None:
    watch = watch_of(cure(health=FIRST_PROOF, withdrawal=GONE))
    assert (watch.since, watch.previous, watch.strict) == (at(300), None, True)
    assert watch.grant.role == WORKER_ROLE and watch.rollout == ROLLOUT


def test_the_second_proof_goes_on_from_its_own_samples() -> None:
    second = replace(FIRST_PROOF, at=at(320), streak=1)
    assert watch_of(cure(health=second, withdrawal=GONE)).previous == second


@pytest.mark.parametrize("incident", [CURE, EXPIRY])
def test_without_a_new_revision_the_service_is_watched_as_it_is(incident: Any) -> None:
    watch = watch_of(RunState(incident, LEFT, MARK, withdrawal=GONE))
    assert (watch.grant, watch.rollout) == (Grant(OLD_ROLE, (), at(300)), None)
    assert (watch.since, watch.strict) == (at(300), True)


def sampled(world: World, state: RunState, seconds: float) -> Health:
    assert state.baseline
    ports = (world.services, world.roles, world.logs, world.queues)
    return verify_health(state.incident, (ROUTE,), state.baseline, watch_of(state), *ports, at(seconds))


class Trial:
    """The worker after its grant was taken off at 300, sampled every 20 seconds."""

    def __init__(self, samples: int = 3) -> None:
        self.world = ready()
        self.world.roles.others[WORKER_ROLE] = NEW_ROLE
        self.world.services.state = replace(RUNNING, deployments=(replace(OLD, id=ROLLOUT.deployment),))
        self.world.services.tasks = {ROLLOUT.deployment: ("new-1",)}
        entry = replace(ENTRY, health=replace(ENTRY.health, samples=samples, queue=None))
        self.state = cure(incident=replace(CURE, entry=entry), health=FIRST_PROOF, withdrawal=GONE)
        self.seconds = 300.0

    def sample(self, line: str | None = SUCCESS) -> Health:
        if line:
            self.world.logs.write(self.seconds + 1, line)
        self.seconds += 20
        health = sampled(self.world, self.state, self.seconds)
        self.state = replace(self.state, health=health)
        return health


def test_what_works_while_iam_may_still_allow_the_call_is_no_proof() -> None:
    trial = Trial()
    while trial.seconds < 300 + PROPAGATION - 20:
        health = trial.sample()
        assert (health.verdict, health.streak) == ("PENDING", 0)


def test_the_proof_is_had_from_fresh_samples_after_that() -> None:
    trial = Trial()
    health = trial.sample()
    while health.verdict == "PENDING":
        health = trial.sample()
    assert (health.verdict, health.streak) == ("HEALTHY", 3)
    assert trial.seconds >= 300 + PROPAGATION + 2 * 20


def test_a_denial_ends_the_trial_at_once_also_while_the_change_spreads() -> None:
    trial = Trial()
    trial.sample()
    health = trial.sample(DENIAL)
    assert health.verdict == "UNHEALTHY" and "denied" in health.evidence[0]


def test_silence_is_no_proof_and_the_trial_ends() -> None:
    trial = Trial()
    health = trial.sample(None)
    while health.verdict == "PENDING":
        health = trial.sample(None)
    assert health.verdict == "UNHEALTHY" and health.checks <= 30


@pytest.mark.parametrize("samples", [1, 3, 14, 20])
def test_a_trial_lasts_for_as_many_samples_as_the_catalogue_asks_for(samples: int) -> None:
    trial = Trial(samples)
    health = trial.sample()
    while health.verdict == "PENDING":
        health = trial.sample()
    # The state machine takes 30 samples at most.
    assert (health.verdict, health.streak) == ("HEALTHY", samples) and health.checks <= 30


class Brief:
    """The worker with its grant of 3 and the tasks of before, sampled every 20 seconds. Its queue drains."""

    def __init__(self) -> None:
        self.world = World()
        self.world.roles.role = replace(ROLE, attached=(RECEIVE,))
        self.world.services.tasks = {OLD_DEPLOYMENT: ("old-1",), None: ("old-1",)}
        plan = replace(PLAN, redeploy_if_needed=True)
        mark = replace(MARK, backlog=14, dead_letters=0)
        grant, access = Grant(OLD_ROLE, (RECEIVE,), at(3)), Access(at(4))
        self.state = RunState(INCIDENT_OF_WORKER, replace(CONTAIN, plan=plan), mark, grant, access)
        self.seconds = 4.0

    def sample(self, line: str | None = SUCCESS, dead: int = 0) -> Health:
        if line:
            self.world.logs.write(self.seconds + 1, line, "old-1")
        self.seconds += 20
        self.world.queues.dead = dead
        health = sampled(self.world, self.state, self.seconds)
        self.state = replace(self.state, health=health)
        return health


def test_tasks_that_recover_by_themselves_are_not_replaced() -> None:
    brief = Brief()
    told = [brief.sample() for _ in range(3)]
    assert (told[-1].verdict, told[-1].replace_tasks) == ("HEALTHY", False)


def test_tasks_that_do_not_recover_are_replaced() -> None:
    brief = Brief()
    health = brief.sample(None)
    while health.verdict == "PENDING":
        health = brief.sample(None)
    assert (health.verdict, health.replace_tasks) == ("UNHEALTHY", True)
    assert brief.seconds <= 4 + BRIEF + TWO_SAMPLES


def test_messages_that_go_on_to_fail_cost_the_grant_and_not_the_tasks() -> None:
    brief = Brief()
    told = [brief.sample(dead=dead) for dead in (0, 1, 2)]
    assert (told[-1].verdict, told[-1].replace_tasks) == ("UNHEALTHY", False)


def test_tasks_that_died_of_the_denial_are_replaced() -> None:
    brief = Brief()
    died = replace(OLD, failed_tasks=3)
    brief.world.services.state = replace(RUNNING, deployments=(died,))
    health = brief.sample()
    assert (health.verdict, health.replace_tasks) == ("UNHEALTHY", True)


def test_a_grant_that_somebody_took_away_is_not_looked_for_in_new_tasks() -> None:
    brief = Brief()
    brief.world.roles.role = ROLE
    brief.seconds += PROPAGATION
    health = brief.sample()
    assert (health.verdict, health.replace_tasks) == ("UNHEALTHY", False)
